"""Which rows have a match: evidence against NumPy, and verdicts on a world where some rows have none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.matching import Scorer, csls_scorer
from mmea_jax.matching.calibration import expected_calibration_error
from mmea_jax.matching.csls import relief_of_hidden
from mmea_jax.matching.decision import (
    best_threshold,
    decide,
    fit_logistic,
    threshold_curve,
    verdict_quality,
)
from mmea_jax.matching.evidence import (
    best_evidence,
    evidence_for,
    hidden_evidence,
    rivals,
    without_columns,
)


def world(noise, shared=300, own=150, width=16, seed=0):
    """A scorer of ``shared + own`` rows against as many columns, and int[·] the gold column or −1."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((shared + own, width))
    right = np.concatenate([latent[:shared], rng.standard_normal((own, width))])
    sides = [x + noise * rng.standard_normal(x.shape) for x in (latent, right)]
    left, right = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in sides)
    order = rng.permutation(len(right))
    gold = np.concatenate([np.argsort(order)[:shared], np.full(own, -1)])
    return Scorer(left.astype(np.float32), right[order].astype(np.float32)), gold


def dense(scorer):
    return np.asarray(scorer.left) @ np.asarray(scorer.right).T


def test_evidence_is_what_the_dense_matrix_says():
    scorer, gold = world(0.6, shared=40, own=9)
    scores, found = dense(scorer), rivals(scorer)
    evidence = best_evidence(found)
    for i, row in enumerate(scores):
        order = np.argsort(-row, kind="stable")
        assert evidence.columns[i] == order[0]
        assert evidence.runner_up[i] == order[1]
        assert evidence.margin[i] == pytest.approx(row[order[0]] - row[order[1]], abs=1e-5)
        others = np.delete(scores[:, order[0]], i)
        assert evidence.column_margin[i] == pytest.approx(row[order[0]] - others.max(), abs=1e-5)
    rows = np.flatnonzero(gold >= 0)
    hidden = hidden_evidence(found, rows, gold[rows])
    for k, i in enumerate(rows):
        row = scores[i].copy()
        row[gold[i]] = -np.inf
        order = np.argsort(-row, kind="stable")
        assert (hidden.columns[k], hidden.runner_up[k]) == tuple(order[:2])
        assert hidden.margin[k] == pytest.approx(row[order[0]] - row[order[1]], abs=1e-5)


def test_a_hidden_counterpart_is_no_neighbour_of_csls():
    scorer, gold = world(0.3, shared=30, own=9)
    scores, k = dense(scorer), 3
    rows = np.flatnonzero(gold >= 0)[:12]
    relief = relief_of_hidden(scorer, rows, gold[rows], k)
    hidden = hidden_evidence(rivals(csls_scorer(scorer, k)), rows, gold[rows], relief)
    near_columns = np.sort(scores, axis=0)[-k:].mean(axis=0)
    for at, i in enumerate(rows):
        others = np.delete(np.arange(scores.shape[1]), gold[i])
        csls = 2 * scores[i, others] - np.sort(scores[i, others])[-k:].mean() - near_columns[others]
        assert hidden.columns[at] == others[csls.argmax()]
        assert hidden.score[at] == pytest.approx(csls.max(), abs=1e-5)
        assert hidden.margin[at] == pytest.approx(np.diff(np.sort(csls)[-2:])[0], abs=1e-5)
    assert (relief > 0).any()
    assert (relief >= 0).all()


def test_evidence_for_a_candidate_that_is_not_the_best():
    scorer, _ = world(0.6, shared=20, own=5)
    scores, found = dense(scorer), rivals(scorer)
    second = np.argsort(-scores, axis=1, kind="stable")[:, 1]
    evidence = evidence_for(found, second, scores[np.arange(25), second])
    assert (evidence.margin <= 0).all()
    assert (evidence.runner_up == scores.argmax(1)).all()


def test_closed_columns_are_nobodys_candidate():
    scorer, _ = world(0.3, shared=20, own=5)
    found = without_columns(rivals(scorer), np.arange(10))
    assert (best_evidence(found).columns >= 10).all()
    left = without_columns(rivals(scorer), np.arange(24))
    assert (best_evidence(left).columns == 24).all()
    assert (best_evidence(left).runner_up == -1).all()


def test_a_lone_column_has_no_runner_up_and_finite_features():
    rng = np.random.default_rng(0)
    found = rivals(Scorer(rng.standard_normal((5, 3)).astype(np.float32), np.ones((1, 3), np.float32)))
    evidence = best_evidence(found)
    assert (evidence.runner_up == -1).all()
    assert np.isfinite(evidence.features()).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 3))
def test_logistic_regression_beats_every_nearby_fit(seed, slope):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((60, 2))
    outcome = rng.random(60) < 1 / (1 + np.exp(-slope * x[:, 0]))
    weight = rng.random(60) + 0.1
    model = fit_logistic(x, outcome, weight)

    def loss(weights):
        p = np.clip(type(model)(model.mean, model.scale, weights)(x), 1e-12, 1 - 1e-12)
        right, wrong = outcome.sum(), (~outcome).sum()
        target = np.where(outcome, (right + 1) / (right + 2), 1 / (wrong + 2))
        penalty = 0.5e-2 * (weights[:-1] ** 2).sum()
        return -(weight * (target * np.log(p) + (1 - target) * np.log(1 - p))).sum() + penalty

    best = loss(model.weights)
    assert all(best <= loss(model.weights + 0.1 * rng.standard_normal(3)) + 1e-6 for _ in range(10))


def test_a_rare_outcome_can_be_certain():
    x = np.concatenate([np.linspace(2, 4, 30), np.linspace(-4, -2, 30)])[:, None]
    outcome = np.repeat([True, False], 30)
    # Thirty rows that weigh less than one still tell what such rows look like.
    model = fit_logistic(x, outcome, np.where(outcome, 0.98, 0.02))
    assert model(np.array([[-3.0]])) < 0.15
    assert model(np.array([[3.0]])) > 0.9


def test_the_curve_counts_what_is_kept():
    probability = np.array([0.9, 0.8, 0.8, 0.3])
    correct, has_gold = np.array([1, 1, 0, 0], bool), np.array([1, 1, 0, 1], bool)
    curve = threshold_curve(probability, correct, has_gold, np.ones(4))
    np.testing.assert_allclose(curve.probability, [0.9, 0.8, 0.3])
    np.testing.assert_allclose(curve.precision, [1, 2 / 3, 1 / 2])
    np.testing.assert_allclose(curve.recall, [1 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose(curve.f1, [1 / 2, 2 / 3, 4 / 7])
    assert best_threshold(curve, 1000) == pytest.approx(0.55)
    quality = verdict_quality(probability, correct, has_gold, 0.85)
    assert quality["precision"] == 1
    assert quality["recall"] == pytest.approx(1 / 3)
    assert quality["no_match_precision"] == pytest.approx(1 / 3)
    assert quality["no_match_recall"] == 1


def test_few_links_choose_a_threshold_near_half_of_f1():
    """One link more or less moves the largest F1 anywhere; the choice stays where exact ones would be."""
    probability = np.array([0.9, 0.8, 0.7, 0.5, 0.45, 0.4, 0.1])
    correct = np.array([1, 1, 1, 1, 0, 0, 1], bool)
    curve = threshold_curve(probability, correct, np.ones(7, bool), np.ones(7))
    assert best_threshold(curve, 1000) == pytest.approx(0.475)
    assert curve.f1.argmax() == 3
    few = threshold_curve(probability[[0, 1, 2, 6]], correct[[0, 1, 2, 6]], np.ones(4, bool), np.ones(4))
    assert few.f1.argmax() == 3
    assert best_threshold(few, 1000) == pytest.approx(0.05)
    assert best_threshold(few, 4) == pytest.approx(0.4)


@pytest.mark.parametrize(("shared", "own"), [(900, 90), (500, 500)])
@pytest.mark.parametrize("csls", [False, True])
def test_probability_is_calibrated_whatever_the_share_without_counterpart(shared, own, csls):
    scorer, gold = world(0.45, shared, own)
    held_out, rest = np.arange(200), np.arange(200, shared + own)
    relief = relief_of_hidden(scorer, held_out, gold[held_out], 3) if csls else 0.0
    found = rivals(csls_scorer(scorer, 3) if csls else scorer)
    decision = decide(found, held_out, gold[held_out], rest, relief=relief)
    share = own / len(rest)
    assert decision.dangling == pytest.approx(share, abs=0.12)
    evidence = best_evidence(found).take(rest)
    probability = decision.model(evidence.features())
    correct = evidence.columns == gold[rest]
    assert expected_calibration_error(probability, correct) < 0.06
    quality = verdict_quality(probability, correct, gold[rest] >= 0, decision.threshold)
    # What the held-out links promise is kept.
    assert quality["f1"] == pytest.approx(decision.quality["f1"], abs=0.08)
    assert quality["no_match_recall"] > 0.6
    best = threshold_curve(probability, correct, gold[rest] >= 0, np.ones(len(rest))).f1.max()
    assert quality["f1"] > best - 0.03


def test_a_threshold_and_a_share_that_are_given_stay():
    scorer, gold = world(0.4, 100, 50)
    known = np.arange(30), gold[:30]
    decision = decide(rivals(scorer), *known, np.arange(30, 150), dangling=0.4, threshold=0.9)
    assert (decision.dangling, decision.threshold) == (0.4, 0.9)


def test_one_link_is_too_few():
    scorer, gold = world(0.4, 20, 5)
    with pytest.raises(ValueError, match="two"):
        decide(rivals(scorer), np.arange(1), gold[:1], np.arange(1, 25))

import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.matching import calibration
from mmea_jax.matching.similarity import Scorer


def read_scores(left, right):
    """The left rows are the scores themselves."""
    return left[:, : right.shape[0]]


def sampled(seed, n, m, temperature):
    """Scores, and gold columns drawn from their softmax at ``temperature``."""
    draw = np.random.default_rng(seed)
    scores = draw.standard_normal((n, m)).astype(np.float32)
    gold = (scores / temperature + draw.gumbel(size=(n, m))).argmax(1)
    return Scorer(scores, np.zeros((m, 1), np.float32), block=read_scores, block_rows=300), gold


@pytest.mark.parametrize("temperature", [0.2, 0.5, 2.0])
def test_a_known_temperature_is_found_and_calibrates(temperature):
    scorer, gold = sampled(0, 4001, 12, temperature)
    found = calibration.fit(scorer, gold)
    assert found.temperature == pytest.approx(temperature, rel=0.08)
    assert found.nll_after <= found.nll_before
    assert found.ece_after <= found.ece_before
    assert found.ece_after < 0.025
    assert found.determined


def test_rows_without_gold_are_ignored():
    scorer, gold = sampled(1, 300, 8, 0.5)
    some = np.where(np.arange(300) < 200, gold, -1)
    short = Scorer(scorer.left[:200], scorer.right, block=read_scores)
    got, expected = calibration.fit(scorer, some), calibration.fit(short, gold[:200])
    assert got.rows == 200
    np.testing.assert_allclose(got[3:], expected[3:], rtol=1e-3)


def test_separable_rows_determine_no_temperature():
    x = np.eye(6, dtype=np.float32)
    assert not calibration.fit(Scorer(x, x), np.arange(6)).determined


def test_probability_is_the_softmax_of_the_best():
    scorer, _ = sampled(2, 31, 5, 1.0)
    found = calibration.candidates(scorer, 0.7)
    weights = np.exp(scorer.left / 0.7)
    np.testing.assert_allclose(found.probability, weights.max(1) / weights.sum(1), rtol=1e-5)
    np.testing.assert_array_equal(found.columns, np.argsort(-scorer.left, 1)[:, :2])


def test_a_closed_row_has_no_candidate():
    x = jnp.eye(4)
    found = calibration.candidates(Scorer(x, x, np.arange(4) != 1))
    assert found.probability[1] == 0
    assert np.isneginf(found.scores[1]).all()


def test_no_gold_is_refused():
    scorer, _ = sampled(2, 3, 5, 1.0)
    with pytest.raises(ValueError, match="gold column"):
        calibration.fit(scorer, np.full(3, -1))


def test_bins_by_hand():
    confidence, correct = np.array([0.0, 0.5, 0.55, 1.0]), np.array([False, True, False, True])
    table = calibration.reliability(confidence, correct, bins=2)
    np.testing.assert_array_equal(table.count, [2, 2])
    np.testing.assert_allclose(table.accuracy, [0.5, 0.5])
    np.testing.assert_allclose(table.confidence, [0.25, 0.775])
    error = calibration.expected_calibration_error(confidence, correct, bins=2)
    assert error == pytest.approx(0.5 * 0.25 + 0.5 * 0.275)


def test_empty_bins_weigh_nothing():
    assert calibration.expected_calibration_error(np.array([1.0]), np.array([True])) == 0
    with pytest.raises(ValueError, match="no row"):
        calibration.expected_calibration_error(np.array([]), np.array([]))


@pytest.mark.parametrize("seed", range(5))
def test_threshold_equals_an_exhaustive_search(seed):
    draw = np.random.default_rng(seed)
    probability = np.round(draw.random(40), 1)
    correct = draw.random(40) < probability
    has_gold = correct | (draw.random(40) < 0.5)

    def f1(threshold):
        kept = probability >= threshold
        return 2 * (kept & correct).sum() / (kept.sum() + has_gold.sum())

    got = calibration.best_threshold(probability, correct, has_gold)
    assert f1(got) == max(f1(p) for p in probability)

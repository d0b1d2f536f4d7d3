import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from mmea_jax.matching import assignment, similarity, sparse_scores
from mmea_jax.matching.similarity import Scorer


def noisy_copies(seed, n, width=6, noise=0.25):
    draw = np.random.default_rng(seed)
    left = np.asarray(similarity.unit_rows(draw.standard_normal((n, width), np.float32)))
    right = left + noise * draw.standard_normal((n, width), np.float32)
    return left, np.asarray(similarity.unit_rows(right))


@pytest.mark.parametrize("seed", range(3))
def test_small_epsilon_is_the_hungarian_matching(seed):
    left, right = noisy_copies(seed, 25)
    got = assignment.sinkhorn_assignment(
        Scorer(left, right, block_rows=8), epsilon=2e-3, threshold=1e-4, max_iterations=20_000, candidates=25
    )
    assert got.converged
    rows, columns = optimize.linear_sum_assignment(left @ right.T, maximize=True)
    np.testing.assert_array_equal(got.pairs, np.stack([rows, columns], 1))
    np.testing.assert_allclose(got.scores, (left @ right.T)[rows, columns], atol=1e-5)


def test_transport_beats_greedy_where_nearest_neighbours_collide():
    left, right = noisy_copies(5, 150, noise=0.45)
    gold = np.arange(150)
    plan = assignment.sinkhorn_assignment(Scorer(left, right), epsilon=0.02, max_iterations=1000)
    greedy = assignment.greedy_assignment(Scorer(left, right))
    assert assignment.accuracy(plan.pairs, gold) >= assignment.accuracy(greedy.pairs, gold)


def test_a_plan_that_did_not_converge_says_so():
    left, right = noisy_copies(0, 20)
    got = assignment.sinkhorn_assignment(Scorer(left, right), epsilon=1e-3, threshold=1e-6, max_iterations=10)
    assert got.converged is False
    assert got.error > 1e-6
    assert got.iterations == 10
    assert got.dense_bytes == 3 * 4 * 20 * 20


def test_too_many_pairs_for_a_plan_are_assigned_greedily():
    left, right = noisy_copies(0, 20)
    got = assignment.sinkhorn_assignment(Scorer(left, right), max_dense_pairs=399)
    assert (got.method, got.converged, got.dense_bytes) == ("greedy", None, 0)


def test_closed_entities_are_not_assigned():
    left, right = noisy_copies(0, 20)
    left_open, right_open = np.arange(20) % 2 == 0, np.arange(20) % 3 != 0
    scorer = Scorer(left, right, left_open, right_open, block_rows=6)
    for got in (assignment.sinkhorn_assignment(scorer), assignment.greedy_assignment(scorer)):
        assert len(got.pairs) > 0
        assert left_open[got.pairs[:, 0]].all()
        assert right_open[got.pairs[:, 1]].all()
        assert np.isfinite(got.scores).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), block_rows=st.sampled_from([1, 4, None]), k=st.sampled_from([None, 3]))
def test_mutual_nearest_equals_dense(seed, block_rows, k):
    draw = np.random.default_rng(seed)
    left, right = (draw.standard_normal((n, 4), np.float32) for n in (14, 9))
    got = assignment.mutual_nearest(Scorer(left, right, block_rows=block_rows), k)
    s = left @ right.T
    if k:
        rows, columns = -np.sort(-s, 1)[:, :k].mean(1), -np.sort(-s, 0)[:k].mean(0)
        s = 2 * s - rows[:, None] - columns
    expected = [(i, j) for i, j in enumerate(s.argmax(1)) if s[:, j].argmax() == i]
    np.testing.assert_array_equal(got.pairs, expected)
    np.testing.assert_allclose(got.scores, [s[i, j] for i, j in expected], atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), candidates=st.sampled_from([1, 3, 12]))
def test_greedy_is_one_to_one_and_holds_the_mutual_nearest(seed, candidates):
    draw = np.random.default_rng(seed)
    scorer = Scorer(*(draw.standard_normal((n, 4), np.float32) for n in (11, 12)))
    greedy = assignment.greedy_assignment(scorer, candidates).pairs
    assert len(np.unique(greedy[:, 0])) == len(np.unique(greedy[:, 1])) == len(greedy)
    mutual = assignment.mutual_nearest(scorer).pairs
    assert set(map(tuple, mutual.tolist())) <= set(map(tuple, greedy.tolist()))


def test_mutual_nearest_without_an_open_row_is_empty():
    x = np.eye(3, dtype=np.float32)
    assert assignment.mutual_nearest(Scorer(x, x, np.zeros(3, bool))).pairs.shape == (0, 2)


def test_quality_counts_rows_without_gold_against_precision_only():
    gold = np.array([0, 1, 2, -1])
    quality = assignment.link_quality(np.array([[0, 0], [1, 2], [3, 3]]), gold)
    assert quality == pytest.approx({"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3})
    nothing = assignment.link_quality(np.zeros((0, 2), int), gold)
    assert nothing == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    with pytest.raises(ValueError, match="nothing to measure"):
        assignment.accuracy(np.zeros((0, 2), int), np.array([-1]))


def test_a_second_call_does_not_recompile():
    assignment._potentials.clear_cache()
    sparse_scores._best_both_ways.clear_cache()
    for seed in range(3):
        scorer = Scorer(*noisy_copies(seed, 12))
        assignment.sinkhorn_assignment(scorer, epsilon=0.05 + 0.01 * seed)
        assignment.mutual_nearest(scorer)
    assert assignment._potentials._cache_size() == 1
    assert sparse_scores._best_both_ways._cache_size() == 1

"""Scores of some pairs, against tables of all of them."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.matching import Scorer, sparse_scores


def scorer_of(scores, **fields) -> Scorer:
    return Scorer(jnp.asarray(scores), jnp.eye(scores.shape[1]), **fields)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 9), block_rows=st.sampled_from([2, 5, 8]))
def test_best_both_ways_are_the_best_of_rows_and_of_columns(seed, k, block_rows):
    rng = np.random.default_rng(seed)
    scores = rng.permutation(8 * 7).reshape(8, 7).astype(np.float32)
    rows_open, columns_open = np.arange(8) != seed % 8, np.arange(7) != seed % 7
    found = sparse_scores.best_both_ways(
        scorer_of(scores, left_open=rows_open, right_open=columns_open, block_rows=block_rows), k
    )
    table = np.where(rows_open[:, None] & columns_open, scores, -np.inf)
    k = min(k, 7)
    kept = (table >= -np.sort(-table, axis=1)[:, k - 1 : k]) | (table >= -np.sort(-table, axis=0)[k - 1])
    rows, columns = np.nonzero(kept & np.isfinite(table))
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.columns, columns)
    np.testing.assert_array_equal(found.values, table[rows, columns])


def test_extended_scores_the_new_pairs_and_keeps_the_old():
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((n, 5)).astype(np.float32) for n in (30, 400))
    scorer = Scorer(jnp.asarray(left), jnp.asarray(right))
    known = sparse_scores.from_pairs(np.array([3, 0]), np.array([7, 9]), np.float32([8.0, 9.0]), (30, 400))
    # More than one chunk, some of them known.
    found = sparse_scores.extended(known, scorer, np.arange(30 * 400))
    expected = (left @ right.T).ravel()
    expected[[3 * 400 + 7, 9]] = 8.0, 9.0
    np.testing.assert_array_equal(found.keys, np.arange(30 * 400))
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3)), max_size=30), st.integers(1, 4))
def test_means_of_the_best_equal_a_loop(pairs, k):
    groups = np.array([g for g, _ in pairs], np.int64)
    values = np.array([v for _, v in pairs], np.float32)
    found = sparse_scores.mean_of_best(groups, values, 5, k)
    for group in range(5):
        best = sorted((v for g, v in pairs if g == group), reverse=True)[:k]
        np.testing.assert_allclose(found[group], np.mean(best) if best else 0.0, rtol=1e-6)

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.matching import Scorer
from mmea_jax.matching.pivots import pivot_links

N, M = 9, 7


def scorer_of(scores, **fields) -> Scorer:
    """A scorer with these very scores: one-hot columns."""
    scores = np.asarray(scores, np.float32)
    return Scorer(jnp.asarray(scores), jnp.eye(scores.shape[1]), **fields)


def one_by_one(scores, count):
    """All pairs from the best score down; among equals the lower row, then the lower column."""
    pairs, rows, columns = [], set(), set()
    for flat in np.argsort(-scores, axis=None, kind="stable"):
        row, column = divmod(int(flat), scores.shape[1])
        if np.isfinite(scores[row, column]) and row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            pairs.append((row, column))
    return pairs[:count]


# Few levels, so that ties are frequent, and popular columns, so that rows run out of candidates.
tables = st.lists(st.lists(st.integers(-3, 3), min_size=M, max_size=M), min_size=N, max_size=N).map(
    lambda rows: np.array(rows, np.float32) + np.linspace(4, 0, M, dtype=np.float32).round(1)
)


@settings(max_examples=60, deadline=None)
@given(scores=tables, count=st.integers(1, N + 1), candidates=st.sampled_from([1, 2, M]))
def test_equals_visiting_all_pairs_in_order(scores, count, candidates):
    found = pivot_links(scorer_of(scores), count, candidates)
    expected = one_by_one(scores, count)
    assert [tuple(pair) for pair in found.pairs.tolist()] == expected
    np.testing.assert_array_equal(found.scores, [scores[pair] for pair in expected])


def test_rows_that_run_out_of_candidates_get_more():
    # All rows like column 0 best; only the first may have it.
    scores = np.tile([9.0, 5.0, 1.0], (3, 1)) - 0.1 * np.arange(3)[:, None]
    found = pivot_links(scorer_of(scores), 3, candidates=1)
    np.testing.assert_array_equal(found.pairs, [[0, 0], [1, 1], [2, 2]])


@pytest.mark.parametrize("candidates", [1, M])
def test_closed_entities_have_no_part(candidates):
    scores = np.random.default_rng(0).standard_normal((N, M)).astype(np.float32)
    left, right = np.arange(N) % 3 > 0, np.arange(M) != 2
    found = pivot_links(
        scorer_of(scores, left_open=jnp.asarray(left), right_open=jnp.asarray(right)), N, candidates
    )
    masked = np.where(left[:, None] & right, scores, -np.inf)
    assert found.pairs.tolist() == [list(pair) for pair in one_by_one(masked, N)]
    assert len(found.pairs) == min(left.sum(), right.sum())


def test_without_any_open_entity_there_is_none():
    found = pivot_links(scorer_of(np.ones((N, M)), left_open=jnp.zeros(N, bool)), 3)
    assert found.pairs.shape == (0, 2)
    assert found.scores.shape == (0,)


def test_blocks_of_rows_do_not_matter():
    scores = np.random.default_rng(1).standard_normal((N, M)).astype(np.float32)
    whole, blocked = (pivot_links(scorer_of(scores, block_rows=rows), 5) for rows in (None, 2))
    np.testing.assert_array_equal(whole.pairs, blocked.pairs)


def test_an_impossible_count_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        pivot_links(scorer_of(np.ones((2, 2))), 0)

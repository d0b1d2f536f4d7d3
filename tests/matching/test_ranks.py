from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.matching import ranks, similarity
from mmea_jax.matching.similarity import Scorer

GOLDEN = Path(__file__).parents[1] / "golden" / "ranking.npz"


def dense_ranks(scores, gold):
    """By definition; rows of ``scores`` ask."""
    rows = np.flatnonzero(gold >= 0)
    own = scores[rows, gold[rows]][:, None]
    better, as_good = (scores[rows] > own).sum(1), (scores[rows] == own).sum(1)
    return 1 + better + (as_good - 1) / 2


def inverse(gold, columns):
    back = np.full(columns, -1)
    back[gold[gold >= 0]] = np.flatnonzero(gold >= 0)
    return back


def in_row_order(of_columns, gold):
    """Dense column ranks come by column; the library orders both directions by row."""
    columns = np.sort(gold[gold >= 0])
    return of_columns[np.searchsorted(columns, gold[gold >= 0])]


def best_mean(scores, k):
    return -np.sort(-scores, axis=1)[:, :k].mean(1)


@pytest.mark.parametrize("k", [0, 3, 10])
@pytest.mark.parametrize("block_rows", [7, None])
def test_published_ranks_and_metrics(k, block_rows):
    golden = np.load(GOLDEN)
    scorer = Scorer(golden["left"], golden["right"], block_rows=block_rows)
    kind = "csls" if k else "cosine"
    got = ranks.gold_ranks(scorer, np.arange(80), k or None)[kind]
    table = ranks.evaluate(scorer, np.arange(80), k or None)[kind]
    for way in ("l2r", "r2l"):
        np.testing.assert_array_equal(got[way], golden[f"csls{k}_{way}_rank"])
        np.testing.assert_allclose(
            [table[way][name] for name in ("hits@1", "hits@10", "hits@50", "mr", "mrr")],
            golden[f"csls{k}_{way}_metrics"],
            rtol=1e-6,
        )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), block_rows=st.sampled_from([1, 3, 8, None]))
def test_equals_dense_with_ties_and_rows_without_gold(seed, block_rows):
    # Small integers: products are exact, ties are many.
    draw = np.random.default_rng(seed)
    left, right = (draw.integers(-1, 2, (n, 3)).astype(np.float32) for n in (13, 19))
    gold = np.where(draw.random(13) < 0.7, draw.permutation(19)[:13], -1)
    gold[0] = 5 if 5 not in gold else gold[0]
    if not (gold >= 0).any():
        return
    got = ranks.gold_ranks(Scorer(left, right, block_rows=block_rows), gold, 2)
    scores = left @ right.T
    np.testing.assert_array_equal(got["cosine"]["l2r"], dense_ranks(scores, gold))
    by_column = dense_ranks(scores.T, inverse(gold, 19))
    np.testing.assert_array_equal(got["cosine"]["r2l"], in_row_order(by_column, gold))
    local = 2 * scores - best_mean(scores.T, 2)
    np.testing.assert_array_equal(got["csls"]["l2r"], dense_ranks(local, gold))
    local = 2 * scores.T - best_mean(scores, 2)
    np.testing.assert_array_equal(
        got["csls"]["r2l"], in_row_order(dense_ranks(local, inverse(gold, 19)), gold)
    )


@pytest.mark.parametrize("width", [3, 301])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_constant_scores_give_chance(width, value):
    left, right = np.full((33, width), value, np.float32), np.full((51, width), value, np.float32)
    got = ranks.gold_ranks(Scorer(left, right, block_rows=8), np.arange(33), 3)
    for kind in ("cosine", "csls"):
        np.testing.assert_array_equal(got[kind]["l2r"], np.full(33, 26.0))
        np.testing.assert_array_equal(got[kind]["r2l"], np.full(33, 17.0))


def test_an_entity_without_embedding_ranks_by_chance_and_spoils_no_other():
    x = np.eye(20, dtype=np.float32)
    x[4] = 0
    got = ranks.gold_ranks(Scorer(x, x, block_rows=6), np.arange(20))["cosine"]
    for way in ("l2r", "r2l"):
        assert got[way][4] == 10.5
        np.testing.assert_array_equal(np.delete(got[way], 4), np.ones(19))


def test_closed_candidates_do_not_compete():
    draw = np.random.default_rng(0)
    left, right = (draw.standard_normal((n, 4), np.float32) for n in (11, 14))
    left_open, right_open = np.arange(11) < 9, np.arange(14) < 10
    gold = np.where(left_open, np.arange(11), -1)
    got = ranks.gold_ranks(Scorer(left, right, left_open, right_open, block_rows=4), gold, 3)
    expected = ranks.gold_ranks(Scorer(left[:9], right[:10]), np.arange(9), 3)
    for kind in got:
        for way in got[kind]:
            np.testing.assert_array_equal(got[kind][way], expected[kind][way])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_ranks_do_not_depend_on_the_order_of_entities(seed):
    draw = np.random.default_rng(seed)
    left, right = (draw.standard_normal((15, 4), np.float32) for _ in range(2))
    p, q = draw.permutation(15), draw.permutation(15)
    first = ranks.gold_ranks(Scorer(left, right, block_rows=4), np.arange(15), 3)
    second = ranks.gold_ranks(Scorer(left[p], right[q], block_rows=4), np.argsort(q)[p], 3)
    for kind in first:
        for way in first[kind]:
            np.testing.assert_array_equal(first[kind][way][p], second[kind][way])


@pytest.mark.parametrize(
    ("gold", "message"),
    [([0, 0, 1], "same gold"), ([0, 1, 9], "below 4"), ([0, 1], "int\\[3\\]")],
)
def test_gold_that_is_no_one_to_one_map_is_refused(gold, message):
    scorer = Scorer(np.eye(3, 2, dtype=np.float32), np.eye(4, 2, dtype=np.float32))
    with pytest.raises(ValueError, match=message):
        ranks.gold_ranks(scorer, np.array(gold))


def test_a_closed_gold_pair_is_refused():
    x = np.eye(3, dtype=np.float32)
    with pytest.raises(ValueError, match="closed"):
        ranks.gold_ranks(Scorer(x, x, np.array([True, False, True])), np.arange(3))


def test_nan_is_refused():
    x = np.eye(3, dtype=np.float32)
    x[1, 1] = np.nan
    with pytest.raises(FloatingPointError):
        ranks.evaluate(Scorer(x, x), np.arange(3))


def test_no_query_is_refused():
    with pytest.raises(ValueError, match="nothing to measure"):
        ranks.metrics(np.array([]))


def test_a_second_evaluation_does_not_recompile():
    ranks._count.clear_cache()
    for seed in range(3):
        x = np.random.default_rng(seed).standard_normal((10, 3), np.float32)
        ranks.evaluate(Scorer(similarity.unit_rows(x), x), np.roll(np.arange(10), seed), 3)
    assert ranks._count._cache_size() == 1

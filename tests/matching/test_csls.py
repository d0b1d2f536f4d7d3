import numpy as np
import pytest

from mmea_jax.matching import csls, similarity
from mmea_jax.matching.similarity import Scorer


def dense_csls(scores, k):
    rows = -np.sort(-scores, axis=1)[:, :k].mean(1)
    columns = -np.sort(-scores, axis=0)[:k].mean(0)
    return 2 * scores - rows[:, None] - columns


def unit(seed, *shape):
    return np.asarray(similarity.unit_rows(np.random.default_rng(seed).standard_normal(shape, np.float32)))


@pytest.mark.parametrize("block_rows", [1, 5, 29, None])
@pytest.mark.parametrize("k", [1, 3, 10, 50])
def test_equals_dense(block_rows, k):
    left, right = unit(0, 29, 6), unit(1, 17, 6)
    values, indexes = similarity.topk(csls.csls_scorer(Scorer(left, right, block_rows=block_rows), k), 17)
    got = np.empty((29, 17))
    np.put_along_axis(got, indexes, values, axis=1)
    np.testing.assert_allclose(got, dense_csls(left @ right.T, k), atol=2e-6)


def test_closed_entities_are_no_neighbours():
    left, right = unit(0, 12, 4), unit(1, 10, 4)
    left_open, right_open = np.arange(12) % 3 != 0, np.arange(10) % 4 != 1
    rows, columns = csls.neighbourhoods(Scorer(left, right, left_open, right_open, block_rows=5), 7)
    scores = left @ right.T
    np.testing.assert_allclose(rows, -np.sort(-scores[:, right_open])[:, :7].mean(1), atol=1e-6)
    expected = np.where(right_open, -np.sort(-scores[left_open], axis=0)[:7].mean(0), 0)
    np.testing.assert_allclose(columns, expected, atol=1e-6)


def test_constant_scores_stay_equal():
    scorer = csls.csls_scorer(
        Scorer(np.ones((9, 3), np.float32), np.ones((7, 3), np.float32), block_rows=4), 3
    )
    values, _ = similarity.topk(scorer, 7)
    assert len(np.unique(values)) == 1


def test_k_below_one_is_refused():
    with pytest.raises(ValueError, match="neighbour"):
        csls.neighbourhoods(Scorer(unit(0, 3, 2), unit(1, 3, 2)), 0)

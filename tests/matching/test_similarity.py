import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.matching import similarity
from mmea_jax.matching.similarity import Scorer


def vectors(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def negative_distance(left, right):
    return -jnp.sum(jnp.square(left["x"][:, None] - right["x"][None]), axis=-1)


@pytest.mark.parametrize("block_rows", [1, 4, 7, 37, 100, None])
def test_topk_equals_dense_for_any_block_size(block_rows):
    left, right = vectors(0, 37, 5), vectors(1, 23, 5)
    values, indexes = similarity.topk(Scorer(left, right, block_rows=block_rows), 4)
    dense = left @ right.T
    np.testing.assert_array_equal(indexes, np.argsort(-dense, axis=1)[:, :4])
    np.testing.assert_allclose(values, -np.sort(-dense, axis=1)[:, :4], rtol=1e-5, atol=1e-6)


def test_topk_of_a_block_function_on_pytrees():
    left, right = vectors(0, 11, 3), vectors(1, 6, 3)
    scorer = Scorer({"x": left}, {"x": right}, block=negative_distance, block_rows=4)
    _, indexes = similarity.topk(scorer, 2)
    dense = -np.square(left[:, None] - right[None]).sum(-1)
    np.testing.assert_array_equal(indexes, np.argsort(-dense, axis=1)[:, :2])


def test_topk_finds_no_more_than_there_is():
    values, _ = similarity.topk(Scorer(vectors(0, 5, 2), vectors(1, 3, 2)), 10)
    assert values.shape == (5, 3)


def test_closed_entities_neither_ask_nor_answer():
    left, right = vectors(0, 5, 2), vectors(1, 4, 2)
    right_open, left_open = np.array([True, False, True, True]), np.array([True, True, False, True, True])
    values, indexes = similarity.topk(Scorer(left, right, left_open, right_open, block_rows=2), 4)
    assert not np.isin(1, indexes[:, :3])
    assert np.isneginf(values[:, 3]).all()
    assert np.isneginf(values[2]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(bad):
    left = vectors(0, 5, 2)
    left[3, 0] = bad
    with pytest.raises(FloatingPointError, match="diverged"):
        similarity.topk(Scorer(left, vectors(1, 4, 2), block_rows=2), 2)


def test_a_second_call_of_the_same_shapes_does_not_recompile():
    similarity._topk.clear_cache()
    for seed in range(3):
        open_rows = np.arange(9) != seed
        similarity.topk(Scorer(vectors(seed, 9, 3), vectors(seed, 8, 3), open_rows), 2)
        similarity.topk(
            Scorer(vectors(seed, 9, 3), vectors(seed, 8, 3)).shifted(2.0, np.ones(9), np.ones(8)), 2
        )
    assert similarity._topk._cache_size() == 2


def test_zero_rows_stay_zero():
    x = vectors(0, 4, 3)
    x[2] = 0
    unit = np.asarray(similarity.unit_rows(x))
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), [1, 1, 0, 1], rtol=1e-6)
    assert np.isfinite(jax.grad(lambda x: similarity.unit_rows(x).sum())(jnp.asarray(x))).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), modalities=st.integers(1, 3))
def test_concatenation_gives_the_weighted_sum_of_similarities(seed, modalities):
    joint, weight = vectors(seed, 6, 4), np.abs(vectors(seed + 1, 6, modalities))
    modal = {str(m): vectors(seed + 2 + m, 6, 3) for m in range(modalities)}
    x = np.asarray(similarity.concatenate_weighted(joint, modal, weight))
    expected = joint @ joint.T + sum(
        np.outer(weight[:, m], weight[:, m]) * (z @ z.T) for m, z in enumerate(modal.values())
    )
    np.testing.assert_allclose(x @ x.T, expected, rtol=1e-4, atol=1e-4)


def test_importance_of_another_number_of_modalities_is_refused():
    with pytest.raises(ValueError, match="3 columns"):
        similarity.concatenate_weighted(vectors(0, 2, 2), {"visual": vectors(0, 2, 2)}, vectors(0, 2, 3))


def test_support_is_added_at_its_columns_and_nowhere_else():
    left, right = vectors(0, 6, 3), vectors(1, 5, 3)
    columns = np.array([[0, 4], [1, -1], [-1, -1], [2, 3], [4, 0], [3, -1]], np.int32)
    values = np.arange(12, dtype=np.float32).reshape(6, 2) + 1
    dense = left @ right.T
    for row, (own, added) in enumerate(zip(columns, values, strict=True)):
        dense[row, own[own >= 0]] += added[own >= 0]
    found, indexes = similarity.topk(Scorer(left, right, block_rows=4).supported(columns, values), 5)
    back = np.empty_like(found)
    np.put_along_axis(back, indexes, found, axis=1)
    np.testing.assert_allclose(back, dense, rtol=1e-5, atol=1e-5)

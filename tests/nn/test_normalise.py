import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mmea_jax.nn import normalise

unit = jax.jit(normalise.unit)


@jax.jit
def weighted_gradient(x):
    return jax.grad(lambda x: jnp.sum(unit(x) * jnp.arange(1.0, 4.0)))(x)


def test_rows_have_length_one():
    x = np.random.default_rng(0).standard_normal((3, 5, 7), np.float32)
    out = unit(x)
    np.testing.assert_allclose(np.linalg.norm(out, axis=-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(out, x / np.linalg.norm(x, axis=-1, keepdims=True), rtol=1e-6)


def test_zero_rows_stay_zero_with_gradient_zero():
    x = np.float32([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]])
    np.testing.assert_allclose(unit(x), [[0, 0, 0], [0.6, 0, 0.8]], rtol=1e-6)
    gradient = weighted_gradient(x)
    np.testing.assert_array_equal(gradient[0], 0.0)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[1]).max() > 0


def test_gradients_equal_finite_differences():
    x = np.random.default_rng(1).standard_normal((4, 3), np.float32)
    check_grads(unit, (x,), 1, ["rev"], 1e-2, 1e-2, eps=1e-2)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e3, 1e15])
def test_scale_does_not_matter(scale):
    x = np.random.default_rng(2).standard_normal((4, 6), np.float32)
    np.testing.assert_allclose(unit(np.float32(scale) * x), unit(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-25, 1e-20, 0.0])
def test_vanishing_rows_stay_finite(scale):
    x = np.full((2, 3), scale, np.float32)
    assert np.isfinite(unit(x)).all()
    assert np.isfinite(weighted_gradient(x)).all()


def test_what_is_not_a_number_stays_none():
    """Silenced to zero it would train on unseen."""
    assert np.isnan(np.asarray(unit(jnp.array([[np.nan, 1.0], [0.0, 0.0]])))).tolist() == [
        [True, True],
        [False] * 2,
    ]

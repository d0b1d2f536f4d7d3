import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mmea_jax.nn.normalise import unit


def test_rows_have_length_one():
    x = np.random.default_rng(0).standard_normal((3, 5, 7), np.float32)
    out = unit(x)
    np.testing.assert_allclose(np.linalg.norm(out, axis=-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(out, x / np.linalg.norm(x, axis=-1, keepdims=True), rtol=1e-6)


def test_zero_rows_stay_zero_with_gradient_zero():
    x = jnp.array([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]])
    np.testing.assert_allclose(unit(x), [[0, 0, 0], [0.6, 0, 0.8]], rtol=1e-6)
    gradient = jax.grad(lambda x: jnp.sum(unit(x) * jnp.arange(1.0, 4.0)))(x)
    np.testing.assert_array_equal(gradient[0], 0.0)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[1]).max() > 0


def test_gradients_equal_finite_differences():
    x = np.random.default_rng(1).standard_normal((4, 3), np.float32)
    check_grads(unit, (x,), 1, ["fwd", "rev"], 1e-2, 1e-2, eps=1e-2)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e3, 1e15])
def test_scale_does_not_matter(scale):
    x = np.random.default_rng(2).standard_normal((4, 6), np.float32)
    np.testing.assert_allclose(unit(np.float32(scale) * x), unit(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-25, 1e-20, 0.0])
def test_vanishing_rows_stay_finite(scale):
    out, gradient = jax.value_and_grad(lambda x: jnp.sum(unit(x)))(jnp.full((2, 3), scale, jnp.float32))
    assert np.isfinite(out)
    assert np.isfinite(gradient).all()

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.losses.weighing import automatic, kendall

LOSSES = jnp.array([1.5, 0.2, 3.0])


def test_published_numbers(golden):
    # The published code keeps six and seven parameters for three losses, and uses the first three.
    reference = np.load(golden / "losses.npz")
    losses = reference["loss_list"].astype(np.float32)
    np.testing.assert_allclose(kendall(losses, reference["log_vars"][:3]), reference["kendall"], rtol=1e-5)
    got = automatic(losses, reference["auto_params"][:3])
    np.testing.assert_allclose(got, reference["auto_weighted"], rtol=1e-5)


def test_initial_weights():
    np.testing.assert_allclose(kendall(LOSSES, jnp.zeros(3)), LOSSES.sum(), rtol=1e-6)
    expected = LOSSES.sum() / 2 + 3 * np.log(2)
    np.testing.assert_allclose(automatic(LOSSES, jnp.ones(3)), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(kendall)(LOSSES, jnp.zeros(3)), 1.0)
    np.testing.assert_allclose(jax.grad(automatic)(LOSSES, jnp.ones(3)), 0.5)


def test_best_log_variances_are_the_log_losses():
    np.testing.assert_allclose(jax.grad(kendall, 1)(LOSSES, jnp.log(LOSSES)), 0.0, atol=1e-6)


def test_best_scales():
    # d/dp [L/(2p²) + log(1+p²)] = 0  ⇔  2p⁴ = L(1+p²).
    squared = (LOSSES + jnp.sqrt(LOSSES**2 + 8 * LOSSES)) / 4
    np.testing.assert_allclose(jax.grad(automatic, 1)(LOSSES, jnp.sqrt(squared)), 0.0, atol=1e-6)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_sign_of_a_scale_does_not_matter(scale):
    scales = jnp.array([scale, 1.0, 0.7])
    np.testing.assert_array_equal(automatic(LOSSES, scales), automatic(LOSSES, -scales))

"""Memory-aware synapses: what is held, how firmly, and where the penalty pulls."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mmea_jax.training.holding import held_parameters, hold_penalty, make_hold

PARAMS = {
    "params": {"layer": {"kernel": jnp.array([[1.0, -2.0]]), "kernel_b": jnp.ones(2)}, "other": jnp.ones(3)}
}
BLOCKS = np.array([[0, 1], [2, -1]], np.int32)


class Squares(nn.Module):
    """Sensitivity ``Σ_i (i + 1)(w₀² + w₁)`` over the entities ``i`` asked for."""

    @nn.compact
    def sensitivity(self, inputs, entities, scale=1.0):
        layer = self.scope.get_variable("params", "layer")
        real = entities >= 0
        factor = jnp.sum(jnp.where(real, entities + 1.0, 0.0)) * scale
        kernel = layer["kernel"][0]
        return factor * (kernel[0] ** 2 + kernel[1]) + 0.0 * inputs, jnp.sum(real)


def hold(weight=2.0, **flags):
    return make_hold(Squares(), PARAMS, jnp.float32(0), BLOCKS, ("layer/kernel$",), weight, flags)


def test_strength_is_the_mean_slope_by_size_times_the_weight():
    found = hold()
    assert list(found.strength) == ["params/layer/kernel"]
    # Entities 0, 1, 2 count 1 + 2 + 3 = 6, over three entities; slopes 2·w₀ and 1.
    np.testing.assert_allclose(found.strength["params/layer/kernel"], [[2 * 2 * 2.0, 2 * 2 * 1.0]])
    np.testing.assert_allclose(hold(scale=-0.5).strength["params/layer/kernel"], [[4.0, 2.0]])
    np.testing.assert_array_equal(found.origin["params/layer/kernel"], PARAMS["params"]["layer"]["kernel"])


def test_the_penalty_is_zero_where_it_began_and_pulls_back_what_moved():
    found = hold()
    value, gradient = jax.jit(jax.value_and_grad(hold_penalty, 1))(found, PARAMS)
    assert value == 0
    assert not any(np.any(g) for g in jax.tree.leaves(gradient))
    moved = jax.tree.map(lambda p: p + 0.5, PARAMS)
    value, gradient = jax.jit(jax.value_and_grad(hold_penalty, 1))(found, moved)
    np.testing.assert_allclose(value, (8 + 4) * 0.25)
    np.testing.assert_allclose(gradient["params"]["layer"]["kernel"], [[8.0, 4.0]])
    np.testing.assert_array_equal(gradient["params"]["other"], 0.0)
    np.testing.assert_array_equal(gradient["params"]["layer"]["kernel_b"], 0.0)


def test_patterns_choose_by_path():
    assert list(held_parameters(PARAMS, ("layer",))) == ["params/layer/kernel", "params/layer/kernel_b"]
    assert list(held_parameters(PARAMS, ("nothing",))) == []

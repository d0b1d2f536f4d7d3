"""Memory-aware synapses: parameters held near where a stage found them (docs/methods/umaea.md)."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from mmea_jax.nn.inputs import Inputs
from mmea_jax.training.optimizer import path_of
from mmea_jax.training.stages import matches


@struct.dataclass
class Hold:
    """What a stage holds fast.

    Attributes:
      origin: parameters by path, as the stage found them.
      strength: how firmly each of their entries is held, float32 of the same shapes, not negative.
    """

    origin: dict[str, Array]
    strength: dict[str, Array]


def hold_penalty(hold: Hold, params: Any) -> Array:
    """``Σ Ω (θ − θ₀)²`` over the parameters held."""
    now = _by_path(params)
    return sum(jnp.sum(hold.strength[path] * (now[path] - start) ** 2) for path, start in hold.origin.items())


def held_parameters(params: Any, patterns: Sequence[str]) -> dict[str, Array]:
    """The parameters whose path matches one of ``patterns``, by path."""
    return {path: leaf for path, leaf in _by_path(params).items() if matches(patterns, path)}


def _by_path(params: Any) -> dict[str, Array]:
    return {path_of(keys): leaf for keys, leaf in jax.tree_util.tree_leaves_with_path(params)}


def make_hold(
    model: nn.Module,
    params: Any,
    inputs: Inputs,
    blocks: np.ndarray,
    patterns: Sequence[str],
    weight: float,
    flags: dict,
) -> Hold:
    """Holds the matching parameters, each entry in proportion to what the model's output owes to it.

    The strength is ``weight · |∂f/∂θ|``, ``f`` the mean of the model's ``sensitivity`` over the entities that
    have one.

    Args:
      model: with ``sensitivity(inputs, entities, **flags) → (sum, count)``.
      params: as the stage finds them.
      inputs: arrays of the graphs.
      blocks: int32[·, K], entities in blocks; −1 is padding.
      patterns: regular expressions on the parameters' paths.
      weight: of the penalty.
      flags: for ``sensitivity``.
    """

    @jax.jit
    def slope(params, inputs, entities):
        def summed(params):
            return model.apply(params, inputs, entities, **flags, method="sensitivity")

        return jax.grad(summed, has_aux=True)(params)

    total, count = None, 0.0
    for block in blocks:
        gradient, entities = slope(params, inputs, block)
        gradient = held_parameters(gradient, patterns)
        total = gradient if total is None else jax.tree.map(jnp.add, total, gradient)
        count += entities
    scale = weight / jnp.maximum(count, 1)
    # Copies: the training state gives its buffers away, and these must not be the parameters' own.
    origin = jax.tree.map(jnp.copy, held_parameters(params, patterns))
    return Hold(origin, jax.tree.map(lambda g: scale * jnp.abs(g), total))

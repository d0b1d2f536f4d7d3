"""Loss of the auto-encoders that impute a modality (TMEA; docs/methods/tmea.md)."""

import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.losses.imagination import prior_divergence


def code_loss(
    given: Array, decoded: Array, mean: Array, log_variance: Array, rows: Array, prior: float
) -> Array:
    """Mean squared error of ``decoded`` and ``prior`` times the mean divergence of the code from N(0, 1).

    The published code sums the divergence over entities and does not weigh it, that is, ``prior`` is their
    number; the codes then say next to nothing of the entity.

    Args:
      given: float32[K, d]; a target, without a gradient: otherwise it would shrink to what is easy to decode.
      decoded: float32[K, d].
      mean: float32[K, l].
      log_variance: float32[K, l].
      rows: bool[K], the entities that count; 0 where there are none.
      prior: weight.
    """
    error = squared_error(jax.lax.stop_gradient(given), decoded, rows)
    return error + prior * prior_divergence(mean, log_variance, 1, rows)


def squared_error(one: Array, two: Array, rows: Array) -> Array:
    """Mean of ``(one − two)²`` over the ``rows`` bool[K] of float32[K, D] and over ``D``; 0 without any."""
    squares = jnp.where(rows[:, None], (one - two) ** 2, 0.0)
    return jnp.sum(squares) / (jnp.maximum(jnp.sum(rows), 1) * one.shape[1])

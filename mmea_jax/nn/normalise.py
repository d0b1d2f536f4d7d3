"""Unit vectors with a gradient that stays finite at zero."""

import jax
import jax.numpy as jnp
from jax import Array


def unit(x: Array) -> Array:
    """``x / ‖x‖₂`` along the last axis of float32[..., d]; a zero vector stays zero, with gradient zero."""
    squared = jnp.sum(x * x, axis=-1, keepdims=True)
    # The denominator is made safe inside, so that the untaken branch has no infinite gradient.
    # Not its converse: NaN must come through.
    zero = squared == 0
    return jnp.where(zero, 0.0, x * jax.lax.rsqrt(jnp.where(zero, 1.0, squared)))

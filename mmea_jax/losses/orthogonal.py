"""Keeps apart what is specific to a modality (TMEA; docs/methods/tmea.md)."""

import jax.numpy as jnp
from jax import Array


def orthogonal(other: Array, specific: Array, rows: Array) -> Array:
    """Mean over the ``rows`` of ``mean_d(other ⊙ specific)²``: 0 where the vectors are orthogonal.

    Args:
      other: float32[K, d], a modality's vectors.
      specific: float32[K, d], what of another one is left when what they have in common is taken away.
      rows: bool[K], entities that have both; 0 where there are none.
    """
    overlap = jnp.mean(other * specific, axis=1)
    return jnp.sum(jnp.where(rows, overlap**2, 0.0)) / jnp.maximum(jnp.sum(rows), 1)

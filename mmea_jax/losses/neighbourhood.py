"""The neighbourhood component loss NCA (docs/methods/shared.md; EVA, arXiv 2009.13603)."""

import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.partition import by_rows


def nca(z1: Array, z2: Array, alpha: float, beta: float = 10.0, valid: Array | None = None) -> Array:
    """Pushes every pair's cross-side neighbours away and pulls its two sides together.

    With ``S = z1 z2ᵀ``:
    ``(1/B) Σ_i [ log(1+Σ_{j≠i} e^{αS_ji})/α + log(1+Σ_{j≠i} e^{αS_ij})/α − β log(1+ReLU(S_ii)) ]``. Unlike
    the contrastive loss it has no intra-side negatives, and the two forces do not share a denominator.

    Args:
      z1: float32[B, d], unit rows of side 1; row ``i`` is aligned with row ``i`` of ``z2``.
      z2: float32[B, d], of side 2.
      alpha: ``α > 0``; the larger, the more the nearest wrong neighbour counts.
      beta: weight of the pull.
      valid: bool[B], false for padding, which is neither pair nor neighbour; all by default.

    Returns:
      A scalar, the mean over valid pairs; 0 without any.
    """
    batch = z1.shape[0]
    valid = jnp.ones(batch, bool) if valid is None else valid
    similarity = by_rows(z1 @ z2.T)
    # A large finite value, not −inf: a row without any neighbour must keep a finite gradient.
    others = valid[:, None] & valid[None, :] & ~jnp.eye(batch, dtype=bool)
    scaled = jnp.where(others, alpha * similarity, -1e9)
    push = sum(jnp.logaddexp(0.0, jax.nn.logsumexp(scaled, axis=axis)) for axis in (0, 1)) / alpha
    pull = beta * jnp.log1p(jax.nn.relu(jnp.sum(z1 * z2, axis=1)))
    return jnp.sum(jnp.where(valid, push - pull, 0.0)) / jnp.maximum(jnp.sum(valid), 1)

"""The in-batch contrastive loss ICL (docs/methods/shared.md; MCLEA, MEAformer, UMAEA)."""

import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.partition import by_rows


def icl(
    z1: Array,
    z2: Array,
    temperature: Array | float,
    weights: Array | None = None,
    valid: Array | None = None,
    a: float = 0.5,
    anchors: Array | None = None,
) -> Array:
    """In-batch contrastive loss between two sides.

    ``ℓ₁→₂ = −(1/B) Σ_i s_i log softmax_j([z1_i·z2_j/τ ; z1_i·z1_j/τ (j≠i)])[i]``, ``ℓ₂→₁`` likewise, and
    ``a ℓ₁→₂ + (1−a) ℓ₂→₁``: every other entity of either side is a negative. The product ``z1 z2ᵀ`` serves
    both directions.

    Args:
      z1: float32[B, d], unit rows of side 1; row ``i`` is aligned with row ``i`` of ``z2``.
      z2: float32[B, d], of side 2.
      temperature: τ > 0.
      weights: float32[B], ``s``; 1 by default.
      valid: bool[B], false for padding, which is neither anchor nor negative; all by default.
      a: share of the direction 1 → 2.
      anchors: bool[B], rows that are aligned pairs; the other valid rows hold entities without a known
        counterpart and serve as negatives alone. All valid rows by default.

    Returns:
      A scalar, the mean over anchors.
    """
    batch = z1.shape[0]
    valid = jnp.ones(batch, bool) if valid is None else valid
    anchors = valid if anchors is None else valid & anchors
    weights = jnp.ones(batch, z1.dtype) if weights is None else weights
    off_diagonal = valid & ~jnp.eye(batch, dtype=bool)
    scaled = z1 / temperature
    # Each device compares its share of the rows with all others.
    across = by_rows(scaled @ z2.T)
    within1 = _log_sum_exp(by_rows(scaled @ z1.T), off_diagonal, axis=1)
    within2 = _log_sum_exp(by_rows((z2 / temperature) @ z2.T), off_diagonal, axis=1)
    gold = jnp.sum(scaled * z2, axis=1)
    forward = gold - jnp.logaddexp(_log_sum_exp(across, valid[None, :], axis=1), within1)
    backward = gold - jnp.logaddexp(_log_sum_exp(across, valid[:, None], axis=0), within2)
    per_pair = weights * (a * forward + (1 - a) * backward)
    return -jnp.sum(jnp.where(anchors, per_pair, 0.0)) / jnp.maximum(jnp.sum(anchors), 1)


def _log_sum_exp(logits: Array, mask: Array, axis: int) -> Array:
    # A large finite value, not −inf: where everything is masked the result must stay finite, or its
    # gradient is NaN although the caller masks it out.
    return jax.nn.logsumexp(jnp.where(mask, logits, -1e9), axis=axis)

"""The modal alignment loss IAL (docs/methods/shared.md; MCLEA)."""

import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.partition import by_rows


def ial(
    z1: Array,
    z2: Array,
    target1: Array,
    target2: Array,
    temperature: Array | float,
    valid: Array | None = None,
    a: float = 0.5,
    zoom: float = 0.1,
    valid2: Array | None = None,
) -> Array:
    """Divergence of a modality's in-batch similarities from the joint embedding's.

    Row ``i`` of either side has a distribution over the ``B`` entities of the other side and the ``B − 1``
    others of its own, ``softmax([x_i·y_j/τ ; x_i·x_j/τ (j≠i)])``. The loss is
    ``zoom · (a K₁→₂ + (1−a) K₂→₁)``, ``K = (1/(B·2B)) Σ_i KL(target_i ‖ z_i)``. Which row of side 2 is
    aligned with which of side 1 does not matter.

    Args:
      z1: float32[B, d], unit rows of side 1 in the modality.
      z2: float32[B, d], of side 2.
      target1: float32[B, D], unit rows of side 1 in the joint embedding; no gradient goes through it.
      target2: float32[B, D], of side 2.
      temperature: τ₂ > 0.
      valid: bool[B], false for padding, which is in no distribution; all by default.
      a: share of the direction 1 → 2.
      zoom: scale.
      valid2: bool[B], of side 2 where it differs from side 1's.

    Returns:
      A scalar.
    """
    valid = jnp.ones(len(z1), bool) if valid is None else valid
    valid2 = valid if valid2 is None else valid2
    target1, target2 = jax.lax.stop_gradient((target1, target2))
    forward = _divergence(z1, z2, target1, target2, temperature, valid, valid2)
    backward = _divergence(z2, z1, target2, target1, temperature, valid2, valid)
    return zoom * (a * forward + (1 - a) * backward)


def _divergence(x: Array, y: Array, target_x: Array, target_y: Array, temperature, valid_x, valid_y) -> Array:
    """Mean of ``KL(target_i ‖ z_i)`` over all entries of the rows of one side."""
    others = valid_x[None, :] & ~jnp.eye(len(x), dtype=bool)
    seen = jnp.concatenate([jnp.broadcast_to(valid_y, others.shape), others], axis=1)
    log_p = _log_softmax(x, y, temperature, seen)
    log_q = _log_softmax(target_x, target_y, temperature, seen)
    terms = jnp.exp(log_q) * (log_q - log_p)
    entries = jnp.sum(valid_x) * (jnp.sum(valid_x) + jnp.sum(valid_y))
    return jnp.sum(jnp.where(seen & valid_x[:, None], terms, 0.0)) / jnp.maximum(entries, 1)


def _log_softmax(x: Array, y: Array, temperature, seen: Array) -> Array:
    """float32[B, 2B]; what is not ``seen`` holds a large negative number and must be masked out."""
    logits = by_rows(jnp.concatenate([x @ y.T, x @ x.T], axis=1) / temperature)
    # Finite, not −inf: a row without anything to see would have NaN for a gradient.
    return jax.nn.log_softmax(jnp.where(seen, logits, -1e9), axis=1)

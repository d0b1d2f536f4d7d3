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
    both directions. Where a gradient is asked for, it is made together with the value, from the same three
    products and four more; nothing of size ``B × B`` is kept for a backward pass.

    Args:
      z1: float32[B, d], unit rows of side 1; row ``i`` is aligned with row ``i`` of ``z2``.
      z2: float32[B, d], of side 2.
      temperature: τ > 0.
      weights: float32[B], ``s`` ≥ 0; 1 by default.
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
    shares = jnp.where(anchors, weights, 0.0) / jnp.maximum(jnp.sum(anchors), 1)
    return _weighted(z1, z2, jnp.asarray(temperature, z1.dtype), a * shares, (1 - a) * shares, valid)


@jax.custom_vjp
def _weighted(z1: Array, z2: Array, temperature: Array, w1: Array, w2: Array, valid: Array) -> Array:
    """``−Σ_i (w1_i log p_1→2(i) + w2_i log p_2→1(i))``; the weights of padding are 0."""
    logits, gold = _logits(z1, z2, temperature, valid)
    return _total(gold, *_log_sums(*logits), w1, w2, valid)


def _total(gold: Array, sums1: Array, sums2: Array, w1: Array, w2: Array, valid: Array) -> Array:
    return jnp.sum(jnp.where(valid, w1 * (sums1 - gold) + w2 * (sums2 - gold), 0.0))


def _logits(z1: Array, z2: Array, temperature: Array, valid: Array) -> tuple[tuple[Array, ...], Array]:
    """Logits across the sides and within either, float32[B, B], and those of the pairs, float32[B].

    What is no negative has a large negative logit: finite, so that sums are finite where there is nothing
    to add up.
    """
    scaled = z1 / temperature
    both = valid[:, None] & valid
    others = both & ~jnp.eye(len(z1), dtype=bool)
    products = (scaled @ z2.T, both), (scaled @ z1.T, others), ((z2 / temperature) @ z2.T, others)
    # Each device compares its share of the rows with all others.
    return tuple(by_rows(jnp.where(mask, s, -1e9)) for s, mask in products), jnp.sum(scaled * z2, axis=1)


def _log_sums(across: Array, within1: Array, within2: Array) -> tuple[Array, Array]:
    """Logarithms of the two directions' denominators, float32[B]."""
    own1, own2 = (jax.nn.logsumexp(logits, axis=1) for logits in (within1, within2))
    sums1 = jnp.logaddexp(jax.nn.logsumexp(across, axis=1), own1)
    return sums1, jnp.logaddexp(jax.nn.logsumexp(across, axis=0), own2)


def _with_gradient(z1: Array, z2: Array, temperature: Array, w1: Array, w2: Array, valid: Array):
    """The value, and what it is differentiated by: the gradient is linear in that of the value."""
    (across, within1, within2), gold = _logits(z1, z2, temperature, valid)
    sums1, sums2 = _log_sums(across, within1, within2)
    # A softmax times a weight is one exponential of a difference. The barrier keeps what is computed once a
    # row from being computed once an entry.
    rows, columns = jax.lax.optimization_barrier((sums1 - jnp.log(w1), sums2 - jnp.log(w2)))

    def derivatives(logits: Array, one: Array, other: Array) -> Array:
        return by_rows(jnp.exp(logits - one[:, None]) + jnp.exp(logits - other))

    # By the logits, without the pairs' own −(w1 + w2), which need no product. Both orders of two entities of
    # one side are one logit.
    d_across = derivatives(across, rows, columns)
    d_within1, d_within2 = derivatives(within1, rows, rows), derivatives(within2, columns, columns)
    pair = (w1 + w2)[:, None]
    d1 = (d_across @ z2 + d_within1 @ z1 - pair * z2) / temperature
    d2 = (d_across.T @ z1 + d_within2 @ z2 - pair * z1) / temperature
    # Every logit is a product over τ, so that ½ (z1·d1 + z2·d2) is the sum of logits times derivatives.
    d_temperature = -(jnp.vdot(z1, d1) + jnp.vdot(z2, d2)) / (2 * temperature)
    d_weights = (jnp.where(valid, sums - gold, 0.0) for sums in (sums1, sums2))
    return _total(gold, sums1, sums2, w1, w2, valid), (d1, d2, d_temperature, *d_weights)


def _backward(gradients: tuple[Array, ...], out: Array):
    # No gradient goes to ``valid``.
    return *(gradient * out for gradient in gradients), None


_weighted.defvjp(_with_gradient, _backward)

"""Attention over the words of a bag, guided by another modality (MSNEA, KDD 2022; docs/methods/msnea.md)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.nn.bags import SparseRows, entries_of, gather_rows


class GuidedBagEncoder(nn.Module):
    """``Σ_j α_j w_j`` over the words of an entity, ``α = softmax_j(w_j · q)`` for its query ``q``.

    A word that a bag holds ``v`` times counts as ``v`` words. A query of zeros gives the mean.

    Attributes:
      width: output width ``d``.
    """

    width: int

    @nn.compact
    def __call__(self, rows: SparseRows, entities: Array, queries: Array) -> Array:
        """float32[K, d] of ``entities`` int32[K] and ``queries`` float32[K, d]; 0 for an empty bag.

        NaN throughout if the rows hold more non-zeros than ``rows.capacity``.
        """
        # A mean of words, not a product with a row of counts: each word starts at unit length on average.
        words = self.param("words", nn.initializers.normal(self.width**-0.5), (rows.width, self.width))
        if not len(rows.values):
            return jnp.zeros((len(entities), self.width), words.dtype)
        owner, columns, values, fits = entries_of(rows, entities)
        own = gather_rows(words, columns)
        weights = segment_softmax(jnp.sum(own * queries[owner], axis=1), values, owner, len(entities))
        summed = jax.ops.segment_sum(weights[:, None] * own, owner, len(entities), indices_are_sorted=True)
        return jnp.where(fits, summed, jnp.nan)


def segment_softmax(scores: Array, counts: Array, owner: Array, segments: int) -> Array:
    """``c_j e^{s_j} / Σ c e^s`` within each segment, float32[C]; 0 where the count is 0.

    Args:
      scores: float32[C].
      counts: float32[C], not negative.
      owner: int32[C], the segment of each, ascending.
      segments: how many there are.
    """
    counted = counts > 0
    top = jax.ops.segment_max(
        jnp.where(counted, jax.lax.stop_gradient(scores), -jnp.inf), owner, segments, indices_are_sorted=True
    )
    # Slots of nothing are masked before the exponential: what they hold may be of any size.
    shifted = jnp.where(counted, scores - jnp.where(jnp.isfinite(top), top, 0.0)[owner], 0.0)
    powers = counts * jnp.exp(shifted)
    total = jax.ops.segment_sum(powers, owner, segments, indices_are_sorted=True)
    return powers / jnp.where(total > 0, total, 1.0)[owner]

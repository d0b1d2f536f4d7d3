"""Fusion of an entity's modal vectors by a transformer layer over its modalities (docs/methods/shared.md)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from mmea_jax.nn.beta import masked_softmax
from mmea_jax.nn.initial import initializers
from mmea_jax.nn.normalise import unit

# As published: small enough never to act in float32.
_EPSILON = 1e-12


@struct.dataclass
class Fused:
    """What a layer over the modalities of ``K`` entities gives.

    Attributes:
      hidden: float32[K, M, d], the tokens after the layer; the token of an absent modality is meaningless.
      confidence: float32[K, M], rows summing to 1, exactly 0 for an absent modality.
      joint: float32[K, M·d], ``⊕_m w_m ẑ_m`` scaled to unit rows.
    """

    hidden: Array
    confidence: Array
    joint: Array


class CrossModalFusion(nn.Module):
    """One post-norm transformer encoder layer over the modalities of an entity (MEAformer, UMAEA).

    Absent modalities are left out: no token attends to them, they ask nothing, and ``M`` in the
    temperature of the confidence counts the entity's own modalities. The order of modalities is free.

    Attributes:
      heads: attention heads; they divide the width ``d``.
      inner: width of the feed-forward part.
      dropout: rate on the attention, on its output, and on the feed-forward output.
      initial: how linear layers start, see ``nn/initial.py``.
    """

    heads: int = 1
    inner: int = 400
    dropout: float = 0.1
    initial: str = "normal"

    @nn.compact
    def __call__(self, vectors: list[Array], present: Array, train: bool = False) -> Fused:
        """Fuses ``M`` arrays of modal vectors float32[K, d], not normalised.

        Args:
          vectors: one array a modality.
          present: bool[K, M].
          train: whether to drop out; needs the random stream ``dropout``.

        Raises:
          ValueError: if the heads do not divide the width.
        """
        tokens = jnp.stack(vectors, axis=1)
        drop = nn.Dropout(self.dropout, deterministic=not train)
        mixed, attention = self._attend(tokens, present, drop)
        tokens = nn.LayerNorm(_EPSILON, name="attention_norm")(tokens + drop(mixed))
        # Exact, by the error function; the tanh form differs in the fourth digit.
        inner = jax.nn.gelu(self._linear("inner", self.inner, tokens), approximate=False)
        outer = self._linear("outer", tokens.shape[-1], inner)
        hidden = nn.LayerNorm(_EPSILON, name="outer_norm")(tokens + drop(outer))
        confidence = attention_confidence(attention, present)
        return Fused(hidden, confidence, weighted_joint(vectors, confidence))

    def _attend(self, tokens: Array, present: Array, drop: nn.Module) -> tuple[Array, Array]:
        """Mixed tokens float32[K, M, d] and attention float32[K, H, M, M] (query, key)."""
        size, count, width = tokens.shape
        if width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide the width {width}")
        query, key, value = (
            self._linear(name, width, tokens).reshape(size, count, self.heads, -1)
            for name in ("query", "key", "value")
        )
        scores = jnp.einsum("kqhd,kmhd->khqm", query, key) * (width // self.heads) ** -0.5
        attention = drop(masked_softmax(scores, present[:, None, None, :], axis=-1))
        mixed = jnp.einsum("khqm,kmhd->kqhd", attention, value).reshape(size, count, width)
        return self._linear("output", width, mixed), attention

    def _linear(self, name: str, width: int, x: Array) -> Array:
        kernel_init, bias_init = initializers(self.initial, x.shape[-1])
        return nn.Dense(width, kernel_init=kernel_init, bias_init=bias_init, name=name)(x)


def attention_confidence(attention: Array, present: Array) -> Array:
    """``softmax_m(Σ_heads Σ_queries A / √(M·H))`` over the entity's own modalities.

    Args:
      attention: float32[K, H, M, M], by head, query and key.
      present: bool[K, M].

    Returns:
      float32[K, M], exactly 0 for an absent modality.
    """
    asked = jnp.sum(attention * present[:, None, :, None], axis=(1, 2))
    own = jnp.maximum(jnp.sum(present, axis=1, keepdims=True), 1)
    return masked_softmax(asked / jnp.sqrt(own * attention.shape[1]), present, axis=1)


def weighted_joint(vectors: list[Array], weights: Array) -> Array:
    """Unit rows float32[K, M·d] of ``⊕_m w_m ẑ_m``, from ``M`` arrays float32[K, d] and float32[K, M]."""
    parts = [weights[:, k, None] * unit(z) for k, z in enumerate(vectors)]
    return unit(jnp.concatenate(parts, axis=1))

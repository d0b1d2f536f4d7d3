"""Fusion of an entity's modal vectors by a transformer layer over its modalities (docs/methods/shared.md)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from mmea_jax.nn.beta import masked_softmax
from mmea_jax.nn.initial import initializers
from mmea_jax.nn.normalise import unit
from mmea_jax.partition import parts

# As published: small enough never to act in float32.
_EPSILON = 1e-12
# Entities at once on CPU: what the layer computes for them stays in the cache, and no array of all of them
# but its own results is kept for the gradient.
_ROWS = 512


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
        size, count, width = len(vectors[0]), len(vectors), vectors[0].shape[1]
        if width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide the width {width}")
        tokens = jnp.stack(vectors, axis=1)
        shapes = (size, self.heads, count, count), tokens.shape, tokens.shape
        # Drawn for all entities at once: the draws do not depend on the parts.
        kept = tuple(self._kept(shape) for shape in shapes) if train and self.dropout > 0 else None
        hidden, attention = self._in_parts(tokens, present, kept)
        confidence = attention_confidence(attention, present)
        return Fused(hidden, confidence, weighted_joint(vectors, confidence))

    def _kept(self, shape: tuple[int, ...]) -> Array:
        """bool[...], what dropout leaves."""
        return jax.random.bernoulli(self.make_rng("dropout"), 1 - self.dropout, shape)

    def _in_parts(self, tokens: Array, present: Array, kept: tuple[Array, ...] | None) -> tuple[Array, Array]:
        """``_layer`` of some entities after others, what is between them not kept for the gradient."""
        size = len(tokens)
        if self.is_initializing() or size <= _ROWS or parts() > 1 or jax.default_backend() != "cpu":
            return self._layer(tokens, present, kept)

        def one(layer: CrossModalFusion, carry: None, part: tuple) -> tuple[None, tuple[Array, Array]]:
            return carry, layer._layer(*part)

        def cut(x: Array) -> Array:
            return jnp.pad(x, [(0, -size % _ROWS)] + [(0, 0)] * (x.ndim - 1)).reshape(-1, _ROWS, *x.shape[1:])

        over_parts = nn.scan(nn.remat(one), variable_broadcast="params", split_rngs={"params": False})
        _, found = over_parts(self, None, jax.tree.map(cut, (tokens, present, kept)))
        return tuple(x.reshape(-1, *x.shape[2:])[:size] for x in found)

    def _layer(self, tokens: Array, present: Array, kept: tuple[Array, ...] | None) -> tuple[Array, Array]:
        """Tokens float32[K, M, d] after the layer, and attention float32[K, H, M, M] (query, key)."""
        drop = (lambda x, at: jnp.where(kept[at], x / (1 - self.dropout), 0.0)) if kept else lambda x, at: x
        query, key, value = (
            self._linear(name, tokens.shape[2], tokens).reshape(*tokens.shape[:2], self.heads, -1)
            for name in ("query", "key", "value")
        )
        scores = jnp.einsum("kqhd,kmhd->khqm", query, key) * query.shape[-1] ** -0.5
        attention = drop(masked_softmax(scores, present[:, None, None, :], axis=-1), 0)
        mixed = jnp.einsum("khqm,kmhd->kqhd", attention, value).reshape(tokens.shape)
        mixed = self._linear("output", tokens.shape[2], mixed)
        tokens = nn.LayerNorm(_EPSILON, name="attention_norm")(tokens + drop(mixed, 1))
        # Exact, by the error function; the tanh form differs in the fourth digit.
        inner = jax.nn.gelu(self._linear("inner", self.inner, tokens), approximate=False)
        outer = self._linear("outer", tokens.shape[-1], inner)
        return nn.LayerNorm(_EPSILON, name="outer_norm")(tokens + drop(outer, 2)), attention

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

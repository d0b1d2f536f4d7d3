"""Fusion of modal vectors into one joint embedding an entity."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.nn.beta import Beta, BetaExpert, masked_softmax, product_of_experts
from mmea_jax.nn.normalise import unit


class StaticFusion(nn.Module):
    """Concatenation by weights that all entities share, ``⊕_m softmax(ω)_m ẑ_m`` (docs/methods/shared.md).

    Attributes:
      count: number ``M`` of modalities.
    """

    count: int

    @nn.compact
    def __call__(
        self, vectors: list[Array], present: Array, shown: Array | None = None
    ) -> tuple[Array, Array]:
        """Joint unit vectors float32[K, ΣD] and confidence float32[K, M].

        Args:
          vectors: ``M`` arrays of unit rows float32[K, D].
          present: bool[K, M]; an absent modality contributes zeros and the others share its weight.
          shown: bool[K, M], the modalities that enter the joint vector, where a training step hides some.
        """
        logits = self.param("modality_logits", nn.initializers.zeros, (self.count,))
        logits = jnp.broadcast_to(logits, present.shape)
        confidence = masked_softmax(logits, present, axis=1)
        weights = confidence if shown is None else masked_softmax(logits, shown, axis=1)
        parts = [weights[:, k, None] * z for k, z in enumerate(vectors)]
        return unit(jnp.concatenate(parts, axis=1)), confidence


class BetaFusion(nn.Module):
    """Probability-guided fusion: Beta experts and their weighted product (docs/methods/mimea.md).

    The joint distribution has ``M·d`` components, a block of ``d`` for each modality. A modality leads in its
    own block: its expert starts there as the identity and near zero elsewhere, and its attention has a head
    start. With all modalities in the same ``d`` components the joint embedding over-fitted the seed links
    (experiments/results/mimea.md, which also gives a conjecture why).

    Attributes:
      count: number ``M`` of modalities.
      width: ``d``.
      lead: head start of a modality's attention logits in its own block.
    """

    count: int
    width: int
    lead: float = 3.0

    def setup(self):
        self.experts = [
            BetaExpert(self.count * self.width, kernel_init=_own_block(k, self.width))
            for k in range(self.count)
        ]
        self.attention = nn.Sequential([nn.Dense(self.width), jax.nn.relu, nn.Dense(self.count * self.width)])
        self.leads = self.param(
            "leads", lambda _: self.lead * jnp.repeat(jnp.eye(self.count), self.width, axis=1)
        )

    def __call__(
        self, vectors: list[Array], present: Array, shown: Array | None = None
    ) -> tuple[list[Beta], Beta, Array]:
        """Uni-modal distributions, joint distributions and importance.

        Args:
          vectors: ``M`` arrays of unit rows float32[K, d].
          present: bool[K, M]; an absent expert has weight 0 exactly.
          shown: bool[K, M], the experts that enter the product, where a training step hides some of the
            present ones; importance is of all that are present.

        Returns:
          ``M`` distributions of ``d`` components (each modality's own block), one of ``M·d``, and the mean
          weight of each modality, float32[K, M].
        """
        # Rows of length √d/3: entries of a size that softplus bends a little.
        scale = self.width**0.5 / 3
        experts = [expert(scale * z) for expert, z in zip(self.experts, vectors, strict=True)]
        stacked = jax.tree.map(lambda *rows: jnp.stack(rows, axis=1), *experts)
        scores = self.attention(jnp.concatenate([stacked.alpha, stacked.beta], axis=-1)) + self.leads
        weights = masked_softmax(scores, present[:, :, None], axis=1)
        product = weights if shown is None else masked_softmax(scores, shown[:, :, None], axis=1)
        own = [
            jax.tree.map(lambda x, k=k: x[:, k * self.width : (k + 1) * self.width], expert)
            for k, expert in enumerate(experts)
        ]
        return own, product_of_experts(stacked, product), jnp.mean(weights, axis=-1)


def _own_block(block: int, width: int):
    """Initial kernel of an expert: ``α`` sees ``h`` and ``β`` sees ``−h`` in the modality's own block."""

    def init(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Array:
        half = shape[1] // 2
        own = jnp.zeros((shape[0], half), dtype)
        own = own.at[:, block * width : (block + 1) * width].set(jnp.eye(shape[0], width, dtype=dtype))
        return jnp.concatenate([own, -own], axis=1) + 0.01 * jax.random.normal(key, shape, dtype)

    return init


def hide_modalities(key: Array, present: Array, rate: float) -> Array:
    """Hides modalities of aligned pairs at random, the same of both entities and never all of them.

    Seeds are fitted better by structure than test entities will be; a fusion that always sees structure
    learns to trust it too much.

    Args:
      key: random key.
      present: bool[2B, M], rows of side 1 and then of side 2.
      rate: chance that a modality of a pair is hidden.
    """
    shown = jax.random.bernoulli(key, 1 - rate, (len(present) // 2, present.shape[1]))
    kept = present & jnp.concatenate([shown, shown])
    return jnp.where(jnp.any(kept, axis=1, keepdims=True), kept, present)

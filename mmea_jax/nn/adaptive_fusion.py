"""Adaptive fusion of modal vectors, and generators of fake ones (AdaMF-MAT; docs/methods/adamf_mat.md)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.nn.beta import masked_softmax


class AdaptiveFusion(nn.Module):
    """``Σ_m α_m e_m`` with ``α = softmax_m(aᵀ tanh(e_m))``, an absent modality's ``α`` being exactly 0.

    The original fills the features of absent modalities with random numbers and lets them take part; whoever
    wants that passes ``present`` all true.
    """

    @nn.compact
    def __call__(self, vectors: list[Array], present: Array) -> tuple[Array, Array]:
        """Joint vectors float32[K, D] and attention float32[K, M].

        Args:
          vectors: ``M`` arrays float32[K, D].
          present: bool[K, M].
        """
        # Uniform in ±√(3/D): the initial values of the original's linear layer have this spread.
        init = nn.initializers.variance_scaling(1.0, "fan_in", "uniform")
        attention = self.param("attention", init, (vectors[0].shape[-1], 1))
        scores = jnp.concatenate([jnp.tanh(e) @ attention for e in vectors], axis=1)
        weights = masked_softmax(scores, present, axis=1)
        joint = sum(weights[:, k, None] * e for k, e in enumerate(vectors))
        return joint, weights


class MeanFusion(nn.Module):
    """``AdaptiveFusion`` without attention: every modality that is present has the same weight."""

    def __call__(self, vectors: list[Array], present: Array) -> tuple[Array, Array]:
        """As ``AdaptiveFusion``; entities have one modality at least."""
        weights = present / present.sum(axis=1, keepdims=True)
        joint = sum(weights[:, k, None] * e for k, e in enumerate(vectors))
        return joint, weights


class Generator(nn.Module):
    """``G([noise ⊕ e]) = Linear(hidden) → LeakyReLU → Linear(width)``: a fake modal vector of an entity.

    Attributes:
      width: ``D``.
      hidden: width of the hidden layer.
    """

    width: int
    hidden: int = 512

    @nn.compact
    def __call__(self, noise: Array, entity: Array) -> Array:
        """float32[K, D], of noise float32[K, z] and structural vectors float32[K, D]."""
        x = nn.Dense(self.hidden)(jnp.concatenate([noise, entity], axis=1))
        return nn.Dense(self.width)(jax.nn.leaky_relu(x, 0.01))

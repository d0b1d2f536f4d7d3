"""Imagination of a missing modality from the others, a VAE (docs/methods/umaea.md)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from mmea_jax.nn.normalise import unit


@struct.dataclass
class Imagined:
    """What is imagined of ``K`` entities.

    Attributes:
      mean: float32[K, d], ``μ``.
      log_variance: float32[K, d], ``log σ²``.
      sampled: float32[K, d], ``v = μ + σ⊙ε``; ``μ`` itself without noise.
      reconstruction: float32[K, D], the decoder's ``ŷ`` from ``v``.
    """

    mean: Array
    log_variance: Array
    sampled: Array
    reconstruction: Array


class Imagination(nn.Module):
    """``y → (μ, log σ²) → v → ŷ``; the latent ``v`` is the imagined embedding of the missing modality.

    ``v = μ + σ⊙ε`` is the usual reparameterisation; the published code uses ``ε + μ⊙σ``.

    Attributes:
      width: of the hidden layers and of the latent, ``d``.
    """

    width: int = 300

    @nn.compact
    def __call__(self, hybrid: Array, noise: Array | None = None) -> Imagined:
        """Imagines from ``hybrid`` float32[K, D] and standard normal ``noise`` float32[K, d], if any."""
        inner = jax.nn.relu(nn.Dense(self.width, name="encoder_inner")(hybrid))
        mean, log_variance = jnp.split(nn.Dense(2 * self.width, name="encoder_outer")(inner), 2, axis=-1)
        sampled = mean if noise is None else mean + jnp.exp(0.5 * log_variance) * noise
        inner = jax.nn.relu(nn.Dense(self.width, name="decoder_inner")(sampled))
        # The published decoder has a ReLU after its last layer, too: ŷ is not negative.
        reconstruction = jax.nn.relu(nn.Dense(hybrid.shape[-1], name="decoder_outer")(inner))
        return Imagined(mean, log_variance, sampled, reconstruction)


def hybrid_vector(vectors: list[Array], present: Array) -> Array:
    """``norm(⊕ z_m)``, unit rows float32[K, M·d] from ``M`` arrays float32[K, d]; absent parts are zero.

    Args:
      vectors: modal vectors, not normalised.
      present: bool[K, M].
    """
    parts = [jnp.where(present[:, k, None], z, 0.0) for k, z in enumerate(vectors)]
    return unit(jnp.concatenate(parts, axis=1))

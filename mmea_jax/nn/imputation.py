"""Missing modalities imputed through a latent space that auto-encoders share (TMEA; docs/methods/tmea.md)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from mmea_jax.nn.initial import initializers


@struct.dataclass
class Code:
    """What a variational auto-encoder makes of ``K`` inputs.

    Attributes:
      given: float32[K, d], the inputs.
      mean: float32[K, l], ``μ``.
      log_variance: float32[K, l], ``log σ²``.
      sampled: float32[K, l], ``μ + σ⊙ε``; ``μ`` itself without noise.
      decoded: float32[K, d], the inputs again.
    """

    given: Array
    mean: Array
    log_variance: Array
    sampled: Array
    decoded: Array


class AutoEncoder(nn.Module):
    """A variational auto-encoder of two ReLU layers each way.

    Attributes:
      width: of what it encodes, ``d``.
      latent: width of the latent and of the layers, ``l``.
      initial: see ``nn/initial.py``.
    """

    width: int
    latent: int = 64
    initial: str = "normal"

    def setup(self):
        def dense(inputs: int, outputs: int) -> nn.Dense:
            kernel_init, bias_init = initializers(self.initial, inputs)
            return nn.Dense(outputs, kernel_init=kernel_init, bias_init=bias_init)

        self.encoder_0, self.encoder_1 = dense(self.width, self.latent), dense(self.latent, self.latent)
        self.mean, self.log_variance = (dense(self.latent, self.latent) for _ in range(2))
        self.decoder_0, self.decoder_1 = (dense(self.latent, self.latent) for _ in range(2))
        self.output = dense(self.latent, self.width)

    def __call__(self, given: Array, noise: Array | None = None) -> Code:
        """Encodes ``given`` float32[K, d], with normal ``noise`` float32[K, l] if any, and decodes."""
        hidden = jax.nn.relu(self.encoder_1(jax.nn.relu(self.encoder_0(given))))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        sampled = mean if noise is None else mean + jnp.exp(0.5 * log_variance) * noise
        return Code(given, mean, log_variance, sampled, self.decode(sampled))

    def decode(self, latent: Array) -> Array:
        """float32[K, d] of float32[K, l]."""
        return self.output(jax.nn.relu(self.decoder_1(jax.nn.relu(self.decoder_0(latent)))))


@struct.dataclass
class Imputed:
    """One modality of ``K`` entities, imputed.

    Attributes:
      vector: float32[K, d], decoded from what the other modalities say.
      own: code of the modality's own vector; it means something where there is one.
      others: code of the others'.
    """

    vector: Array
    own: Code
    others: Code


class Imputation(nn.Module):
    """Imputes one modality from others and structure: encoded as they, decoded as it.

    Both codes of an entity are to be alike, which ``losses/imputation.py`` sees to. What comes in carries no
    gradient: encoders are not to be moved to where they are easily reconstructed.

    Attributes:
      width: ``d``.
      latent: width of the latent space.
      initial: see ``nn/initial.py``.
    """

    width: int
    latent: int = 64
    initial: str = "normal"

    def setup(self):
        self.own = AutoEncoder(self.width, self.latent, self.initial)
        self.others = AutoEncoder(self.width, self.latent, self.initial)

    @nn.compact
    def __call__(self, vector: Array, sources: list[Array], noise: Array | None = None) -> Imputed:
        """Imputes for ``K`` entities.

        Args:
          vector: float32[K, d], the modality where there is one.
          sources: other modalities' vectors, then structure's, float32[K, d] each; absent rows are zero.
          noise: of the modality's own code and of the others', float32[2, K, l]; without, codes are means.
        """
        own, other = (None, None) if noise is None else noise
        joined = jax.lax.stop_gradient(jnp.concatenate(sources, axis=1))
        kernel_init, bias_init = initializers(self.initial, joined.shape[1])
        mapped = nn.Dense(self.width, kernel_init=kernel_init, bias_init=bias_init, name="join")(joined)
        others = self.others(mapped, other)
        return Imputed(self.own.decode(others.sampled), self.own(jax.lax.stop_gradient(vector), own), others)

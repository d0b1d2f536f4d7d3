"""Vectors of independent Beta distributions: experts, their product, and their divergence."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jax.scipy.special import betaln, digamma

from mmea_jax.nn.normalise import unit

# log(α + β) of an expert whose input is zero.
_CENTRE = 0.3963


@struct.dataclass
class Beta:
    """``d`` independent Beta distributions an entity.

    Attributes:
      alpha: float32[..., d], positive.
      beta: float32[..., d], positive.
    """

    alpha: Array
    beta: Array

    @property
    def mean(self) -> Array:
        """float32[..., d]."""
        return self.alpha / (self.alpha + self.beta)


class BetaExpert(nn.Module):
    """``(α, β) = softplus(h W + b) + floor`` (docs/methods/mimea.md).

    Attributes:
      width: number ``d`` of distributions.
      floor: keeps both parameters away from 0, where log-density is unbounded.
      kernel_init: initial ``W``.
    """

    width: int
    floor: float = 0.05
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, h: Array) -> Beta:
        """float32[K, d'] → parameters float32[K, d] each."""
        parameters = jax.nn.softplus(nn.Dense(2 * self.width, kernel_init=self.kernel_init)(h)) + self.floor
        alpha, beta = jnp.split(parameters, 2, axis=-1)
        return Beta(alpha, beta)


def product_of_experts(experts: Beta, weights: Array) -> Beta:
    """The normalised weighted product ``Π_m p_m^{π_m}``, closed under the Beta family.

    With ``Σ_m π_m = 1``: ``α = Σ_m π_m α_m`` and ``β = Σ_m π_m β_m``. A weight of exactly 0 removes an
    expert exactly.

    Args:
      experts: parameters float32[K, M, d].
      weights: float32[K, M, d], summing to 1 over ``M``.

    Returns:
      Parameters float32[K, d].
    """
    return Beta(jnp.sum(weights * experts.alpha, axis=1), jnp.sum(weights * experts.beta, axis=1))


def masked_softmax(scores: Array, present: Array, axis: int) -> Array:
    """Softmax over the present entries; absent ones get exactly 0, also in the gradient.

    Args:
      scores: float32[...].
      present: bool, broadcastable to ``scores``; where nothing is present the result is all 0.
      axis: the axis to normalise.
    """
    scores = jnp.where(present, scores, -jnp.inf)
    highest = jnp.max(scores, axis=axis, keepdims=True)
    highest = jax.lax.stop_gradient(jnp.where(jnp.isfinite(highest), highest, 0.0))
    exponentials = jnp.where(present, jnp.exp(jnp.where(present, scores - highest, 0.0)), 0.0)
    total = jnp.sum(exponentials, axis=axis, keepdims=True)
    return exponentials / jnp.where(total > 0, total, 1.0)


def symmetric_kl(p: Beta, q: Beta) -> Array:
    """``½[KL(p‖q) + KL(q‖p)]`` summed over the ``d`` distributions, in nats.

    The log-beta normalisers cancel in the symmetric form; what stays is
    ``½ Σ_d (Δα)(ψ(α_p) − ψ(α_q)) + (Δβ)(ψ(β_p) − ψ(β_q)) − (Δα + Δβ)(ψ(α_p+β_p) − ψ(α_q+β_q))``.

    Args:
      p, q: parameters float32[..., d], broadcastable.

    Returns:
      float32[...], non-negative.
    """
    p_total, q_total = p.alpha + p.beta, q.alpha + q.beta
    total = digamma(p_total) - digamma(q_total)
    terms = (p.alpha - q.alpha) * (digamma(p.alpha) - digamma(q.alpha))
    terms += (p.beta - q.beta) * (digamma(p.beta) - digamma(q.beta))
    terms -= (p_total - q_total) * total
    return 0.5 * jnp.sum(terms, axis=-1)


def kl(p: Beta, q: Beta) -> Array:
    """``KL(p‖q)`` summed over the ``d`` distributions, in nats (digamma and log-beta closed form).

    Args:
      p, q: parameters float32[..., d], broadcastable.

    Returns:
      float32[...], non-negative.
    """
    total = p.alpha + p.beta
    terms = betaln(q.alpha, q.beta) - betaln(p.alpha, p.beta)
    terms += (p.alpha - q.alpha) * digamma(p.alpha)
    terms += (p.beta - q.beta) * digamma(p.beta)
    terms += (q.alpha + q.beta - total) * digamma(total)
    return jnp.sum(terms, axis=-1)


def natural_parameters(p: Beta) -> Array:
    """``η = (α, β)`` as float32[..., 2d]: the density is ``exp(η·(log x, log(1−x)) − log B) / (x(1−x))``."""
    return jnp.concatenate([p.alpha, p.beta], axis=-1)


def mean_statistics(p: Beta) -> Array:
    """``(E[log x], E[log(1−x)])`` as float32[..., 2d]."""
    total = digamma(p.alpha + p.beta)
    return jnp.concatenate([digamma(p.alpha) - total, digamma(p.beta) - total], axis=-1)


def vector_form(p: Beta) -> Array:
    """Unit vectors float32[..., 2d] of a location and a log-precision part, 0 for an expert of input 0.

    The location is ``log α − log β``, the logit of the mean, which unlike the mean itself is centred at 0
    and does not saturate.
    """
    location = jnp.log(p.alpha) - jnp.log(p.beta)
    precision = jnp.log(p.alpha + p.beta) - _CENTRE
    return unit(jnp.concatenate([location, precision], axis=-1))

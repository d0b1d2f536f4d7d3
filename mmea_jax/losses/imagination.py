"""Losses of a variational auto-encoder that imagines a modality (docs/methods/umaea.md; UMAEA's CMMI)."""

import jax
import jax.numpy as jnp
from jax import Array


def softmax_divergence(target: Array, guess: Array, rows: Array) -> Array:
    """Mean over the ``rows`` of ``KL(softmax(target) ‖ softmax(guess))``.

    Args:
      target: float32[K, D].
      guess: float32[K, D].
      rows: bool[K]; 0 where there is none.
    """
    log_q, log_p = (jax.nn.log_softmax(x, axis=-1) for x in (target, guess))
    return _mean(jnp.sum(jnp.exp(log_q) * (log_q - log_p), axis=-1), rows)


def prior_divergence(mean: Array, log_variance: Array, width: int, rows: Array) -> Array:
    """``KL(N(μ, σ²) ‖ N(0, 1))``, summed over the latent, over ``width``, mean over the ``rows``.

    Args:
      mean: float32[K, d].
      log_variance: float32[K, d].
      width: of the auto-encoder's input.
      rows: bool[K]; 0 where there is none.
    """
    terms = 0.5 * (jnp.exp(log_variance) + mean**2 - 1 - log_variance)
    return _mean(jnp.sum(terms, axis=-1), rows) / width


def _mean(values: Array, rows: Array) -> Array:
    return jnp.sum(jnp.where(rows, values, 0.0)) / jnp.maximum(jnp.sum(rows), 1)

"""The self-adversarial log-sigmoid loss (Sun et al. 2019, arXiv 1902.10197; docs/methods/adamf_mat.md)."""

import jax
import jax.numpy as jnp
from jax import Array


def self_adversarial(
    positive: Array, negative: Array, temperature: float | None = 2.0, valid: Array | None = None
) -> Array:
    """``−½ [mean log σ(s⁺) + mean Σ_k p_k log σ(−s⁻_k)]``, ``p = softmax_k(T s⁻)`` without gradient.

    Args:
      positive: float32[B], scores of true triples.
      negative: float32[B, n], scores of their corruptions.
      temperature: T; None weighs all corruptions alike.
      valid: bool[B], false for padding; all by default.

    Returns:
      A scalar.
    """
    valid = jnp.ones(positive.shape, bool) if valid is None else valid
    if temperature is None:
        weight = jnp.full(negative.shape, 1 / negative.shape[1])
    else:
        weight = jax.lax.stop_gradient(jax.nn.softmax(temperature * negative, axis=1))
    corrupted = jnp.sum(weight * jax.nn.log_sigmoid(-negative), axis=1)
    both = jax.nn.log_sigmoid(positive) + corrupted
    return -0.5 * jnp.sum(jnp.where(valid, both, 0.0)) / jnp.maximum(jnp.sum(valid), 1)

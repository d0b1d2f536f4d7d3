"""Learnable weights of several losses (docs/methods/shared.md)."""

import jax.numpy as jnp
from jax import Array


def kendall(losses: Array, log_variances: Array) -> Array:
    """``Σ_k exp(−s_k) L_k + s_k`` (Kendall et al. 2018, as MCLEA uses it).

    Args:
      losses: float32[k].
      log_variances: float32[k], ``s``, learnable, initially 0.
    """
    return jnp.sum(jnp.exp(-log_variances) * losses + log_variances)


def automatic(losses: Array, scales: Array) -> Array:
    """``Σ_k L_k / (2 p_k²) + log(1 + p_k²)`` (Liebel and Körner 2018).

    Args:
      losses: float32[k].
      scales: float32[k], ``p``, learnable, initially 1.
    """
    squared = scales**2
    return jnp.sum(0.5 * losses / squared + jnp.log1p(squared))

"""Margin losses of methods that embed by translation (TransE; MSNEA, KDD 2022; TMEA, NeurIPS 2024)."""

import jax
import jax.numpy as jnp
from jax import Array


def translation_margin(positive: Array, negative: Array, margin: float, valid: Array | None = None) -> Array:
    """``Σ max(0, margin + ‖positive‖² − ‖negative‖²)`` (Bordes et al. 2013, TransE).

    Args:
      positive: float32[B, d], ``h + r − t`` of true triples.
      negative: float32[B, d], of their corruptions.
      margin: by how much a corruption's energy is to exceed its triple's.
      valid: bool[B], false for padding; all by default.

    Returns:
      A scalar, the sum.
    """
    true, corrupted = (jnp.sum(x * x, axis=1) for x in (positive, negative))
    excess = jax.nn.relu(margin + true - corrupted)
    return jnp.sum(excess if valid is None else jnp.where(valid, excess, 0.0))


def pair_margin(z1: Array, z2: Array, margin: float = 2.0, valid: Array | None = None) -> Array:
    """``mean((1−Y) S² + Y max(0, margin − S)²)`` with ``S = z1 z2ᵀ`` and ``Y = I``.

    ``Σ_ij (z1_i·z2_j)² = ⟨Z1ᵀZ1, Z2ᵀZ2⟩``: two ``[d, d]`` products do for the ``B²`` scores.

    Args:
      z1: float32[B, d], of side 1; row ``i`` is aligned with row ``i`` of ``z2``.
      z2: float32[B, d], of side 2.
      margin: that a pair's score is to reach; of unit rows above 1 it is out of reach, and they are pulled
        together for ever.
      valid: bool[B], false for padding, which is neither pair nor negative; all by default.

    Returns:
      A scalar, the mean over all scores of valid rows; 0 without any.
    """
    valid = jnp.ones(len(z1), bool) if valid is None else valid
    z1, z2 = (jnp.where(valid[:, None], z, 0.0) for z in (z1, z2))
    own = jnp.sum(z1 * z2, axis=1)
    every = jnp.vdot(z1.T @ z1, z2.T @ z2)
    pull = jnp.where(valid, jax.nn.relu(margin - own) ** 2 - own**2, 0.0)
    # As a float: the square of a large count overflows 32-bit integers.
    count = jnp.maximum(jnp.sum(valid), 1).astype(z1.dtype)
    return (every + jnp.sum(pull)) / count**2

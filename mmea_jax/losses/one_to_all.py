"""1vsAll: cross-entropy over all entities, with the N3 norm (Lacroix et al. 2018, arXiv 1806.07297)."""

import jax
import jax.numpy as jnp
from jax import Array


def one_to_all(scores: Array, answers: Array, valid: Array | None = None) -> Array:
    """Mean of ``−log softmax(scores)[answer]``.

    Args:
      scores: float32[B, N], of every entity.
      answers: int32[B].
      valid: bool[B], false for padding; all by default.
    """
    valid = jnp.ones(answers.shape, bool) if valid is None else valid
    right = jnp.take_along_axis(scores, answers[:, None], axis=1)[:, 0]
    missed = jax.nn.logsumexp(scores, axis=1) - right
    return jnp.sum(jnp.where(valid, missed, 0.0)) / jnp.maximum(jnp.sum(valid), 1)


def n3(vectors: Array, valid: Array | None = None, complex_halves: bool = True) -> Array:
    """Mean over rows of ``Σ_k |x_k|³``.

    Args:
      vectors: float32[B, D].
      valid: bool[B], false for padding; all by default.
      complex_halves: whether the first half of a row is the real part and the second the imaginary one.
    """
    valid = jnp.ones(len(vectors), bool) if valid is None else valid
    if complex_halves:
        real, imaginary = jnp.split(vectors, 2, axis=1)
        squared = real * real + imaginary * imaginary
    else:
        squared = vectors * vectors
    # x^(3/2), whose gradient at 0 is 0, but which autodiff computes as NaN there.
    positive = squared > 0
    cubes = jnp.where(positive, jnp.where(positive, squared, 1.0) ** 1.5, 0.0)
    return jnp.sum(jnp.where(valid, jnp.sum(cubes, axis=1), 0.0)) / jnp.maximum(jnp.sum(valid), 1)

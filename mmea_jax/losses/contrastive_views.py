"""ICL of several views of the same pairs at once, where some views are made of others' similarities.

A joint vector ``⊕_m a_m ẑ_m`` has the similarities ``Σ_m a_m a'_m ẑ_m·ẑ'_m``: those of the modalities, which
have losses of their own, weighed and added up. So the joint views cost no product of their width, which is
that of all modalities together. Both sides are one list of ``R = 2B`` rows, of which every two are compared
once, in tiles that stay in the cache; nothing of size ``B × B`` is kept. Of the products that ICL of every
view by itself takes, this takes little more than a third (docs/methods/shared.md).
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

# Rows of a tile at most: tiles of all views together stay in the last cache.
_TILE = 512
# Logits are at most 1/τ, which is taken off them instead of each row's largest: below this τ a sum of
# exponentials might vanish in float32.
SMALLEST_TEMPERATURE = 0.025


def icl_of_views(
    vectors: Array,
    mixes: Array,
    temperature: float,
    weights: Array | None = None,
    valid: Array | None = None,
) -> Array:
    """In-batch contrastive losses (``losses/contrastive.py``, ``a = ½``) of ``M`` views and ``J`` mixtures.

    Args:
      vectors: float32[M, 2B, d], rows of length at most 1; side 1, then side 2, row ``i`` of either aligned.
      mixes: float32[J, M, 2B], ``a``: the joint view ``j`` is ``⊕_m a_jm vectors_m``, again of length at
        most 1. ``J`` may be 0.
      temperature: τ, ``SMALLEST_TEMPERATURE`` at least.
      weights: float32[M + J, B], ``s`` ≥ 0; 1 by default.
      valid: bool[M + J, B], false for what is neither anchor nor negative in a view; all by default.

    Returns:
      float32[M + J], the mean over each view's valid pairs; 0 for a view without any.

    Raises:
      ValueError: for a smaller temperature.
    """
    if temperature < SMALLEST_TEMPERATURE:
        raise ValueError(f"the temperature is {temperature}, and must be {SMALLEST_TEMPERATURE} at least")
    shape = len(vectors) + len(mixes), vectors.shape[1] // 2
    valid = jnp.ones(shape, bool) if valid is None else valid
    weights = jnp.ones(shape, vectors.dtype) if weights is None else weights
    shares = 0.5 * jnp.where(valid, weights, 0.0) / jnp.maximum(jnp.sum(valid, axis=1, keepdims=True), 1)
    both_sides = jnp.tile(shares, 2), jnp.tile(valid, 2)
    away = _log_sums(vectors, mixes, *both_sides, temperature)
    return away - 2 * jnp.sum(shares * _similarities_of_pairs(vectors, mixes), axis=1) / temperature


def _similarities_of_pairs(vectors: Array, mixes: Array) -> Array:
    """float32[M + J, B]."""
    own = jnp.sum(jnp.multiply(*jnp.split(vectors, 2, axis=1)), axis=2)
    one, two = jnp.split(mixes, 2, axis=2)
    return jnp.concatenate([own, jnp.sum(one * two * own, axis=1)])


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _log_sums(vectors: Array, mixes: Array, shares: Array, valid: Array, temperature: float) -> Array:
    """``Σ_i shares_i log Σ_{j≠i} exp(s_ij/τ)`` float32[M + J] over the ``R`` rows of either side."""
    return _forward(vectors, mixes, shares, valid, temperature)[0]


def _forward(vectors, mixes, shares, valid, temperature: float):
    tiles = _Tiles(vectors, mixes, valid, temperature)

    def add(sums: Array, one: Array, two: Array, diagonal: bool) -> Array:
        exponentials = tiles.exponentials(tiles.similarities(one, two), one, two, diagonal)
        sums = sums.at[:, one].add(jnp.sum(exponentials, axis=2))
        return sums if diagonal else sums.at[:, two].add(jnp.sum(exponentials, axis=1))

    sums = tiles.visit(add, jnp.zeros(tiles.valid.shape))
    # Rows that are no negatives have no sum. Not the converse: NaN must come through.
    sums = jnp.where(sums == 0, 1.0, sums)
    logs = jnp.where(valid, tiles.whole(jnp.log(sums), 1) + 1 / temperature, 0.0)
    return jnp.sum(shares * logs, axis=1), (vectors, mixes, shares, valid, sums, logs)


def _backward(temperature: float, kept, out: Array):
    vectors, mixes, shares, valid, sums, logs = kept
    tiles = _Tiles(vectors, mixes, valid, temperature)
    rates = tiles.cut(out[:, None] * shares, 1) / sums
    count = len(vectors)

    def add(found: tuple[Array, Array], one: Array, two: Array, diagonal: bool) -> tuple[Array, Array]:
        by_vectors, by_mixes = found
        similar = tiles.similarities(one, two)
        exponentials = tiles.exponentials(similar, one, two, diagonal)
        # By s_ij, for both of the rows that it counts for.
        slopes = exponentials * (rates[:, one, :, None] + rates[:, two, None, :]) / temperature
        own, joint = slopes[:count], slopes[count:]
        left, right = tiles.mixes[:, :, one, :, None], tiles.mixes[:, :, two, None, :]
        total = own + sum(left[j] * right[j] * slope for j, slope in enumerate(joint))
        # Of J × M tiles; summed as they are made.
        moved = joint[:, None] * similar
        by_vectors = by_vectors.at[:, one].add(total @ tiles.vectors[:, two])
        by_mixes = by_mixes.at[:, :, one].add(jnp.einsum("jmpq,jmq->jmp", moved, right[..., 0, :]))
        if not diagonal:
            by_vectors = by_vectors.at[:, two].add(jnp.swapaxes(total, 1, 2) @ tiles.vectors[:, one])
            by_mixes = by_mixes.at[:, :, two].add(jnp.einsum("jmpq,jmp->jmq", moved, left[..., 0]))
        return by_vectors, by_mixes

    zeros = jnp.zeros(tiles.vectors.shape), jnp.zeros(tiles.mixes.shape)
    by_vectors, by_mixes = tiles.visit(add, zeros)
    # No gradient goes to ``valid``.
    return tiles.whole(by_vectors, 1), tiles.whole(by_mixes, 2), out[:, None] * logs, None


_log_sums.defvjp(_forward, _backward)


class _Tiles:
    """The rows in ``K`` blocks of ``T``, padded with invalid ones, and every two of the blocks.

    Attributes:
      vectors: float32[M, K, T, d].
      mixes: float32[J, M, K, T].
      valid: bool[M + J, K, T].
    """

    def __init__(self, vectors: Array, mixes: Array, valid: Array, temperature: float):
        self._rows, self._temperature = vectors.shape[1], temperature
        self._blocks = -(-self._rows // _TILE)
        self.vectors, self.mixes, self.valid = self.cut(vectors, 1), self.cut(mixes, 2), self.cut(valid, 1)

    def cut(self, x: Array, axis: int) -> Array:
        """The ``R`` rows along ``axis`` as ``K`` blocks."""
        size = -(-self._rows // self._blocks)
        padding = [(0, 0)] * x.ndim
        padding[axis] = (0, self._blocks * size - self._rows)
        return jnp.pad(x, padding).reshape(*x.shape[:axis], self._blocks, size, *x.shape[axis + 1 :])

    def whole(self, x: Array, axis: int) -> Array:
        """What ``cut`` was given, of blocks along ``axis``."""
        rows = x.reshape(*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2 :])
        return jax.lax.slice_in_dim(rows, 0, self._rows, axis=axis)

    def similarities(self, one: Array, two: Array) -> Array:
        """Of the ``M`` views, float32[M, T, T]."""
        return jnp.einsum("mpd,mqd->mpq", self.vectors[:, one], self.vectors[:, two])

    def exponentials(self, similar: Array, one: Array, two: Array, diagonal: bool) -> Array:
        """``exp((s − 1)/τ)`` of all views, float32[M + J, T, T]; 0 for what is no negative."""
        left, right = self.mixes[:, :, one, :, None], self.mixes[:, :, two, None, :]
        # Term by term: summed along an axis it would be slower by half.
        joint = [sum(left[j, m] * right[j, m] * s for m, s in enumerate(similar)) for j in range(len(left))]
        logits = (jnp.stack([*similar, *joint]) - 1) / self._temperature
        real = self.valid[:, one, :, None] & self.valid[:, two, None, :]
        if diagonal:
            real &= ~jnp.eye(similar.shape[1], dtype=bool)
        return jnp.where(real, jnp.exp(logits), 0.0)

    def visit(self, add: Callable[[Any, Array, Array, bool], Any], found: Any) -> Any:
        """``add(found, block, block, diagonal)`` for every block with itself, then for every two others."""
        pairs = {True: np.arange(self._blocks)[None], False: np.stack(np.triu_indices(self._blocks, 1))}
        for diagonal, at in pairs.items():
            if at.size:
                step = lambda found, at, diagonal=diagonal: (add(found, at[0], at[-1], diagonal), None)  # noqa: E731
                found, _ = jax.lax.scan(step, found, jnp.asarray(at.T))
        return found

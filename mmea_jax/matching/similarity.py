"""Scores of all pairs of two entity sets, visited in blocks of rows so that no ``n × m`` array exists.

Shapes here: ``n`` left entities (rows), ``m`` right entities (columns, the
candidates), ``b`` rows of one block.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mmea_jax import partition

# A block of this many scores (32 MiB) amortises the matrix product and still fits caches and small devices;
# each device has one of its own.
_BLOCK_SCORES = 1 << 23
_MAX_BLOCK_ROWS = 512

PyTree = Any
BlockFunction = Callable[[PyTree, PyTree], jax.Array]


def inner_product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Score ``[b, m]`` of rows ``[b, d]`` and ``[m, d]``; full float32 on every platform, as ranks need."""
    return jnp.einsum("id,jd->ij", left, right, precision=lax.Precision.HIGHEST)


@dataclasses.dataclass(frozen=True)
class ShiftedBlock:
    """``scale · inner + row shift + column shift``; equal whenever its fields are, so it never retraces."""

    inner: BlockFunction
    scale: float

    def __call__(self, left: PyTree, right: PyTree) -> jax.Array:
        left, row_shift = left
        right, column_shift = right
        return self.scale * self.inner(left, right) + row_shift[:, None] + column_shift[None, :]


@dataclasses.dataclass(frozen=True)
class SupportedBlock:
    """``inner`` plus sparse scores of the rows; equal whenever its field is, so it never retraces."""

    inner: BlockFunction

    def __call__(self, left: PyTree, right: PyTree) -> jax.Array:
        left, columns, values = left
        scores = self.inner(left, right)
        # Columns out of range, as those of padding are made, add nothing.
        columns = jnp.where(columns < 0, scores.shape[1], columns)
        return scores.at[jnp.arange(scores.shape[0])[:, None], columns].add(values, mode="drop")


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["left", "right", "left_open", "right_open"],
    meta_fields=["block", "block_rows"],
)
@dataclasses.dataclass(frozen=True)
class Scorer:
    """How well each left entity matches each right one; larger is better.

    Every score here is one of these: cosine of joint embeddings (the default, on
    unit rows), joint plus weighted uni-modal similarities
    (`concatenate_weighted`), or any ``block``, such as ``−½`` symmetric KL.

    Attributes:
      left: pytree of arrays ``[n, …]``.
      right: pytree of arrays ``[m, …]``.
      left_open: optional bool[n]; a closed row neither asks nor answers. Masks keep shapes fixed
        while the set of open entities shrinks, so that nothing recompiles.
      right_open: optional bool[m].
      block: static, ``(left rows, right) -> [b, m]`` of finite scores. Pass a module-level function or
        a hashable object: a fresh lambda per call compiles per call.
      block_rows: static, rows per block; by default as many as keep a block within 32 MiB, at most 512.
    """

    left: PyTree
    right: PyTree
    left_open: jax.Array | None = None
    right_open: jax.Array | None = None
    block: BlockFunction = inner_product
    block_rows: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """``(n, m)``."""
        return jax.tree.leaves(self.left)[0].shape[0], jax.tree.leaves(self.right)[0].shape[0]

    def rows_per_block(self) -> int:
        """The resolved ``block_rows``, never more than ``n``."""
        n, m = self.shape
        own = min(_MAX_BLOCK_ROWS, max(8, _BLOCK_SCORES // m // 8 * 8))
        rows = self.block_rows or own * partition.parts()
        return min(rows, n)

    def shifted(self, scale: float, row_shift: jax.Array, column_shift: jax.Array) -> "Scorer":
        """The scorer ``scale · s_ij + row_shift_i + column_shift_j``."""
        return dataclasses.replace(
            self,
            left=(self.left, row_shift),
            right=(self.right, column_shift),
            block=ShiftedBlock(self.block, float(scale)),
        )

    def supported(self, columns: jax.Array, values: jax.Array) -> "Scorer":
        """The scorer plus ``values`` float32[n, S] at ``columns`` int32[n, S]; negative columns are none."""
        return dataclasses.replace(
            self,
            left=(self.left, jnp.asarray(columns), jnp.asarray(values)),
            block=SupportedBlock(self.block),
        )

    def masked(self, left_open: jax.Array | None, right_open: jax.Array | None) -> "Scorer":
        """The scorer with only these rows and columns open; ``None`` opens all."""
        return dataclasses.replace(self, left_open=left_open, right_open=right_open)


def unit_rows(x: jax.Array) -> jax.Array:
    """Rows of length 1; a zero row stays zero, and so matches all candidates equally."""
    square = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    return x * jnp.where(square > 0, lax.rsqrt(jnp.where(square > 0, square, 1.0)), 0.0)


def concatenate_weighted(
    joint: jax.Array, modal: Mapping[str, jax.Array], importance: jax.Array
) -> jax.Array:
    """Vectors whose inner product is ``⟨J_i, J_j⟩ + Σ_m w_m(i) w_m(j) ⟨z_i, z_j⟩``.

    The weight of a pair is a product of its entities' weights, so each side
    scales its own rows and one matrix product gives the whole sum.

    Args:
      joint: ``[K, D]``.
      modal: per modality ``[K, d]``, in the order of the columns of ``importance``.
      importance: ``[K, M]``.

    Returns:
      ``[K, D + M·d]``.

    Raises:
      ValueError: if ``importance`` has another number of columns than ``modal`` has entries.
    """
    if importance.shape[1] != len(modal):
        raise ValueError(f"{importance.shape[1]} columns of importance for {len(modal)} modalities")
    scaled = [importance[:, m, None] * z for m, z in enumerate(modal.values())]
    return jnp.concatenate([joint, *scaled], axis=1)


class Block(NamedTuple):
    """What a visit sees of one block.

    Attributes:
      scores: ``[b, m]``; −inf in closed columns.
      start: int32 scalar, the first row.
      open_rows: bool[b], false for rows of padding and for closed rows.
    """

    scores: jax.Array
    start: jax.Array
    open_rows: jax.Array


def padded_rows(scorer: Scorer) -> int:
    """``n`` rounded up to a whole number of blocks: the length of a visit's per-row results."""
    rows = scorer.rows_per_block()
    return -(-scorer.shape[0] // rows) * rows


def sweep(scorer: Scorer, carry: PyTree, *visits: Callable[[PyTree, Block], PyTree]):
    """Runs each visit over all blocks, one visit after the other; call it under ``jit``.

    All visits take their scores from one and the same instruction of the
    compiled program: a score that an earlier visit stored equals, bit for bit, the
    one that a later visit sees, so ties are ties.

    Returns:
      The last carry, and whether all scores were finite (bool scalar).
    """
    n, _ = scorer.shape
    rows = scorer.rows_per_block()
    count = padded_rows(scorer) // rows

    def in_blocks(x):
        # Repeating the last row, not zeros, keeps the padding in the domain of any block function.
        x = jnp.pad(x, [(0, count * rows - n)] + [(0, 0)] * (x.ndim - 1), mode="edge")
        return x.reshape(count, rows, *x.shape[1:])

    left, left_open = jax.tree.map(in_blocks, (scorer.left, scorer.left_open))
    left = jax.tree.map(lambda x: partition.by_rows(x, axis=1), left)

    def step(state, index):
        carry, finite = state
        at = lax.rem(index, count)
        own_left, own_open = jax.tree.map(lambda x: x[at], (left, left_open))
        # The barrier stops the compiler from moving the product into the branches below.
        scores = lax.optimization_barrier(partition.by_rows(scorer.block(own_left, scorer.right)))
        finite &= jnp.isfinite(scores).all()
        open_rows = at * rows + jnp.arange(rows) < n
        if own_open is not None:
            open_rows &= own_open
        if scorer.right_open is not None:
            scores = jnp.where(scorer.right_open, scores, -jnp.inf)
        block = Block(scores, at * rows, open_rows)
        return (lax.switch(index // count, visits, carry, block), finite), None

    steps = jnp.arange(len(visits) * count, dtype=jnp.int32)
    (carry, finite), _ = lax.scan(step, (carry, jnp.array(True)), steps)
    return jax.tree.map(partition.everywhere, (carry, finite))


def best_of_columns(scores: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """The ``min(k, b)`` best of every column of ``[b, m]``: values and rows, [m, ·]; ties as ``lax.top_k``.

    Where several devices hold the rows, each finds its own best first, so that those alone are exchanged.
    """
    b, m = scores.shape
    parts = partition.parts()
    if parts == 1 or b % parts:
        return lax.top_k(scores.T, min(k, b))
    own = partition.by_rows(scores.reshape(parts, b // parts, m)).transpose(0, 2, 1)
    values, rows = lax.top_k(partition.by_rows(own), min(k, b // parts))
    rows += jnp.arange(0, b, b // parts, dtype=rows.dtype)[:, None, None]
    values, rows = (x.transpose(1, 0, 2).reshape(m, -1) for x in (values, rows))
    values, order = lax.top_k(values, min(k, b, values.shape[1]))
    return values, jnp.take_along_axis(rows, order, axis=1)


def put_rows(target: jax.Array, block: Block, values: jax.Array) -> jax.Array:
    """``target`` with ``values [b, …]`` written at the block's rows."""
    return lax.dynamic_update_slice_in_dim(target, values.astype(target.dtype), block.start, 0)


def take_rows(source: jax.Array, block: Block) -> jax.Array:
    """The block's rows of ``source``."""
    return lax.dynamic_slice_in_dim(source, block.start, block.open_rows.shape[0])


def require_finite(finite: jax.Array) -> None:
    """Refuses to rank by NaN or infinity.

    Raises:
      FloatingPointError: if ``finite`` is false.
    """
    if not bool(finite):
        raise FloatingPointError("scores hold NaN or infinity: the embeddings have diverged")


@partial(jax.jit, static_argnames="k")
@partition.whole
def _topk(scorer: Scorer, k: int):
    shape = (padded_rows(scorer), k)

    def visit(carry, block):
        values, indexes = lax.top_k(block.scores, k)
        values = jnp.where(block.open_rows[:, None], values, -jnp.inf)
        return put_rows(carry[0], block, values), put_rows(carry[1], block, indexes)

    return sweep(scorer, (jnp.zeros(shape), jnp.zeros(shape, jnp.int32)), visit)


def topk(scorer: Scorer, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The best candidates of every row, exactly.

    Args:
      scorer: of ``n`` rows and ``m`` columns.
      k: how many, at most ``m`` of them are found.

    Returns:
      Scores float32[n, k], descending, and columns int32[n, k]; among equals the lower column first. A
      row with fewer open candidates than ``k`` ends in scores of −inf, and a closed row has no other.

    Raises:
      FloatingPointError: for a score that is NaN or infinite.
    """
    n, m = scorer.shape
    (values, indexes), finite = _topk(scorer, min(k, m))
    require_finite(finite)
    return np.asarray(values)[:n], np.asarray(indexes)[:n]

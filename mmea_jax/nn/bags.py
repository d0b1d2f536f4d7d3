"""Encoders of single modalities: sparse bags of words and pre-computed vectors (docs/methods/shared.md)."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jax.sharding import PartitionSpec

from mmea_jax import partition
from mmea_jax.nn.initial import initializers


@struct.dataclass
class SparseRows:
    """A sparse matrix ``[N, width]`` in compressed rows, of which a few rows are read at a time.

    Attributes:
      offsets: int32[N+1].
      columns: int32[nnz].
      values: float32[nnz].
      width: number of columns.
      capacity: non-zeros that one call may read. Shapes are static on device, so the reader must
        know beforehand; ``with_capacity`` computes it for given sets of rows.
      part_capacity: non-zeros of an equal part of these rows, one a device; 0 where they are not split.
    """

    offsets: Array
    columns: Array
    values: Array
    width: int = struct.field(pytree_node=False)
    capacity: int = struct.field(pytree_node=False)
    part_capacity: int = struct.field(pytree_node=False, default=0)


def capacity_for(offsets: np.ndarray, rows: int, among: np.ndarray | None = None) -> int:
    """Non-zeros that any ``rows`` distinct entities (out of ``among``) can have together.

    Args:
      offsets: int[N+1] on the host.
      rows: how many entities one call reads.
      among: int[·], the entities that may be asked for; all by default.
    """
    counts = np.diff(np.asarray(offsets))
    counts = counts if among is None else counts[among]
    rows = min(rows, len(counts))
    largest = np.partition(counts, len(counts) - rows)[len(counts) - rows :] if rows else counts[:0]
    return max(1, int(largest.sum()))


def rows_times_matrix(rows: SparseRows, entities: Array, matrix: Array) -> Array:
    """``rows[entities] @ matrix`` from the non-zeros alone.

    Args:
      rows: ``[N, width]``.
      entities: int32[K]; a negative one is padding and has no entries.
      matrix: float32[width, d].

    Returns:
      float32[K, d]. NaN throughout if the rows hold more non-zeros than ``rows.capacity``: dropping
      some silently would train on wrong bags.
    """
    if not len(rows.values):
        return jnp.zeros((len(entities), matrix.shape[1]), matrix.dtype)
    if rows.part_capacity and partition.parts() > 1:
        return _in_parts(rows, entities, matrix)
    owner, columns, values, fits = entries_of(rows, entities)
    summed = _weighted_row_sum(matrix, columns, values, owner, len(entities))
    return jnp.where(fits, summed, jnp.nan)


def _in_parts(rows: SparseRows, entities: Array, matrix: Array) -> Array:
    """``rows_times_matrix`` in which every device reads the non-zeros of its share of ``entities``."""
    rows = dataclasses.replace(rows, capacity=rows.part_capacity, part_capacity=0)
    padding = partition.padded(len(entities)) - len(entities)
    by_part, everywhere = PartitionSpec(partition.AXIS), PartitionSpec()
    mapped = jax.shard_map(
        rows_times_matrix,
        in_specs=(everywhere, by_part, everywhere),
        out_specs=by_part,
        check_vma=False,
    )
    return mapped(rows, jnp.pad(entities, (0, padding), constant_values=-1), matrix)[: len(entities)]


def entries_of(rows: SparseRows, entities: Array) -> tuple[Array, Array, Array, Array]:
    """The non-zeros of ``rows[entities]`` in ``C = rows.capacity`` slots.

    Args:
      rows: ``[N, width]``, not without any non-zero.
      entities: int32[K]; a negative one is padding and has no entries.

    Returns:
      owner int32[C], ascending, the place in ``entities`` that a slot belongs to; column int32[C]; value
      float32[C], 0 in slots that hold nothing; and whether all non-zeros found a slot.
    """
    counts = jnp.where(entities >= 0, rows.offsets[entities + 1] - rows.offsets[entities], 0)
    starts = jnp.cumsum(counts) - counts
    owner = jnp.repeat(jnp.arange(len(entities)), counts, total_repeat_length=rows.capacity)
    slot = jnp.arange(rows.capacity)
    total = jnp.sum(counts)
    source = jnp.where(slot < total, rows.offsets[entities][owner] + slot - starts[owner], 0)
    values = jnp.where(slot < total, rows.values[source], 0.0)
    return owner, rows.columns[source], values, total <= rows.capacity


@jax.custom_vjp
def gather_rows(matrix: Array, columns: Array) -> Array:
    """``matrix[columns]`` float32[C, d] of a matrix of few rows that many of int32[C] ask for."""
    return matrix[columns]


def _gather_rows_forward(matrix, columns):
    return matrix[columns], (columns, matrix.shape[0])


def _gather_rows_backward(residual, g):
    # Sorting the few thousand columns first turns the scatter into a sum over sorted segments.
    columns, height = residual
    order = jnp.argsort(columns)
    return jax.ops.segment_sum(g[order], columns[order], height, indices_are_sorted=True), None


gather_rows.defvjp(_gather_rows_forward, _gather_rows_backward)


def _weighted_row_sum(matrix, columns, values, owner, num_rows: int):
    rows = gather_rows(matrix, columns) * values[:, None]
    return jax.ops.segment_sum(rows, owner, num_rows, indices_are_sorted=True)


class BagEncoder(nn.Module):
    """``z = bag · W + b`` of the asked entities.

    Attributes:
      width: output width ``d``.
      initial: see ``nn/initial.py``.
    """

    width: int
    initial: str = "normal"

    @nn.compact
    def __call__(self, rows: SparseRows, entities: Array) -> Array:
        """float32[K, d] of int32[K]."""
        kernel_init, bias_init = initializers(self.initial, rows.width)
        kernel = self.param("kernel", kernel_init, (rows.width, self.width))
        bias = self.param("bias", bias_init, (self.width,))
        return rows_times_matrix(rows, entities, kernel) + bias


class DenseEncoder(nn.Module):
    """A linear layer on pre-computed unit vectors.

    Attributes:
      width: output width ``d``.
      initial: see ``nn/initial.py``.
    """

    width: int
    initial: str = "normal"

    @nn.compact
    def __call__(self, features: Array, entities: Array) -> Array:
        """float32[K, d] of features float32[N, f] and int32[K]."""
        kernel_init, bias_init = initializers(self.initial, features.shape[1])
        return nn.Dense(self.width, kernel_init=kernel_init, bias_init=bias_init)(features[entities])

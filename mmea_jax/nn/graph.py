"""The structure graph as arrays: a jraph edge list and a plan that sums neighbours without scatter.

A scatter-add over edges is serial on CPU and slow on some GPUs. Here the edges are laid out once, on
the host, as rows of equal length: entities of similar degree share a bucket ``[n, width]``, so that a
sum over neighbours is a gather and a small batched product. Entities of very high degree are cut into
several rows, whose partial sums a short segment sum adds up.
"""

from typing import NamedTuple

import jax
import jraph
import numpy as np
from flax import struct
from jax import Array

# Row lengths of the buckets; padding is 16 % of the edges on DBP15K/zh_en.
_WIDTHS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 64)


@struct.dataclass
class Bucket:
    """Rows of at most ``width`` edges each.

    Attributes:
      entities: int32[n], the entity whose edges a row holds; repeats where it has more than one row.
      neighbours: int32[n, width]; padding points at entity 0.
      edges: int32[n, width], index into the edge list; padding is ``E``.
    """

    entities: Array
    neighbours: Array
    edges: Array


@struct.dataclass
class Graph:
    """A symmetric graph with self-loops, edges sorted by receiver.

    Attributes:
      edges: ``jraph.GraphsTuple`` with ``receivers`` and ``senders`` int32[E]; no features.
      reverse: int32[E], the index of the edge that runs the other way.
      buckets: the layout of the edges by degree.
      long: the rows of entities whose degree exceeds the widest bucket, by entity, or ``None``.
      long_segments: int32[n of ``long``], number of the entity that a row of ``long`` belongs to.
      order: int32[N], position of each entity among the rows of ``buckets`` and then ``long``.
      slots: int32[E], position of each edge in the flattened rows of ``buckets`` and then ``long``.
      num_long: entities in ``long``.
      num_entities: ``N``.
      slots_at_once: how many neighbour rows a sum gathers before it reduces them. Small on CPU, where
        they should stay in cache; large on accelerators.
      axis: of the mesh, where this is one device's part of a graph (`parted_graph.py`): receivers are then
        numbered within the part, senders and ``reverse`` throughout, and edges of padding have the
        receiver ``N``. ``None`` for a whole graph.
    """

    edges: jraph.GraphsTuple
    reverse: Array
    buckets: tuple[Bucket, ...]
    long: Bucket | None
    long_segments: Array | None
    order: Array
    slots: Array
    num_long: int = struct.field(pytree_node=False)
    num_entities: int = struct.field(pytree_node=False)
    slots_at_once: int = struct.field(pytree_node=False)
    axis: str | None = struct.field(pytree_node=False, default=None)

    @property
    def num_receivers(self) -> int:
        """``N``, and in a part one more, for the edges of padding."""
        return self.num_entities + (self.axis is not None)

    def whole(self, x: Array) -> Array:
        """Rows of all parts, in order, from those of this one."""
        return x if self.axis is None else jax.lax.all_gather(x, self.axis, tiled=True)


def make_graph(
    receivers: np.ndarray, senders: np.ndarray, num_entities: int, slots_at_once: int = 1024
) -> Graph:
    """Lays out a symmetric edge list.

    Args:
      receivers: int[E], ascending; every entity receives at least one edge (its self-loop).
      senders: int[E], ascending within a receiver.
      num_entities: ``N``.
      slots_at_once: see ``Graph``.

    Raises:
      ValueError: the edges are unsorted, name an entity outside ``[0, N)``, are not symmetric, or
        leave an entity without an edge. Gathers clamp such indices silently on device.
    """
    receivers, senders = np.asarray(receivers, np.int64), np.asarray(senders, np.int64)
    key = receivers * num_entities + senders
    if np.any(np.diff(key) <= 0):
        raise ValueError("edges must be sorted by (receiver, sender) and distinct")
    if senders.min() < 0 or senders.max() >= num_entities:
        raise ValueError("an edge names an entity outside [0, N)")
    reverse = np.searchsorted(key, senders * num_entities + receivers)
    if np.any(key[np.minimum(reverse, len(key) - 1)] != senders * num_entities + receivers):
        raise ValueError("the edge list is not symmetric")
    degree = np.bincount(receivers, minlength=num_entities)
    if len(degree) != num_entities or degree.min() == 0:
        raise ValueError("every entity needs an edge, its self-loop at least")

    layout = lay_out(np.concatenate([[0], np.cumsum(degree)]), senders)
    return Graph(
        edges=jraph.GraphsTuple(
            nodes=None,
            edges=None,
            receivers=receivers.astype(np.int32),
            senders=senders.astype(np.int32),
            globals=None,
            n_node=np.array([num_entities], np.int32),
            n_edge=np.array([len(key)], np.int32),
        ),
        reverse=reverse.astype(np.int32),
        buckets=layout.buckets,
        long=layout.long,
        long_segments=layout.long_segments,
        order=layout.order,
        slots=layout.slots,
        num_long=layout.num_long,
        num_entities=num_entities,
        slots_at_once=slots_at_once,
    )


class Layout(NamedTuple):
    """The fields of those names of a ``Graph``."""

    buckets: tuple[Bucket, ...]
    long: Bucket | None
    long_segments: np.ndarray | None
    order: np.ndarray
    slots: np.ndarray
    num_long: int


def row_counts(degree: np.ndarray) -> np.ndarray:
    """Rows that entities int[N] of so many edges fill: in every bucket, long rows, and entities in those."""
    buckets = np.bincount(np.searchsorted(_WIDTHS, degree), minlength=len(_WIDTHS) + 1)
    pieces = -(-degree[degree > _WIDTHS[-1]] // _WIDTHS[-1])
    return np.array([*buckets[:-1], pieces.sum(), buckets[-1]])


def lay_out(offsets: np.ndarray, senders: np.ndarray, counts: np.ndarray | None = None) -> Layout:
    """Sorts entities into buckets by degree.

    Args:
      offsets: int[N+1], where each entity's edges begin.
      senders: int[E], with padding at the end where ``E`` exceeds ``offsets[-1]``.
      counts: rows to fill as ``row_counts`` has them; those that exceed what there is are padding.
    """
    degree = np.diff(offsets)
    counts = row_counts(degree) if counts is None else counts
    kind = np.searchsorted(_WIDTHS, degree)
    buckets, used, row = [], 0, 0
    order = np.zeros(len(degree), np.int32)
    slots = np.full(len(senders), np.iinfo(np.int32).max, np.int64)
    for k, width in enumerate(_WIDTHS):
        if not counts[k]:
            continue
        rows = np.flatnonzero(kind == k)
        order[rows] = row + np.arange(len(rows))
        buckets.append(_bucket(rows, offsets[rows], offsets[rows + 1], width, senders, counts[k]))
        used = _note_slots(slots, buckets[-1].edges, used)
        row += counts[k]
    pieces, num_long = counts[-2:]
    long, segments = None, None
    if num_long:
        rows = np.flatnonzero(kind == len(_WIDTHS))
        order[rows] = row + np.arange(len(rows))
        long, segments = _long_rows(rows, offsets, _WIDTHS[-1], senders, pieces)
        segments = np.pad(segments, (0, pieces - len(segments)), constant_values=num_long)
        _note_slots(slots, long.edges, used)
    return Layout(tuple(buckets), long, segments, order, slots.astype(np.int32), int(num_long))


def _bucket(entities, first, last, width: int, senders, count: int) -> Bucket:
    """``count`` rows of edges ``first[i]:last[i]``, padded to ``width``."""
    entities, first, last = (np.pad(x, (0, count - len(entities))) for x in (entities, first, last))
    index = first[:, None] + np.arange(width)
    filled = index < last[:, None]
    return Bucket(
        entities=entities.astype(np.int32),
        neighbours=np.where(filled, senders[np.where(filled, index, 0)], 0).astype(np.int32),
        edges=np.where(filled, index, len(senders)).astype(np.int32),
    )


def _long_rows(rows, offsets, width: int, senders, count: int) -> tuple[Bucket, np.ndarray]:
    """Cuts the edges of high-degree entities into rows of ``width``; whose they are, but for padding."""
    pieces = -(-(offsets[rows + 1] - offsets[rows]) // width)
    segments = np.repeat(np.arange(len(rows)), pieces)
    piece = np.arange(len(segments)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    first = offsets[rows][segments] + piece * width
    bucket = _bucket(rows[segments], first, offsets[rows + 1][segments], width, senders, count)
    return bucket, segments.astype(np.int32)


def _note_slots(slots: np.ndarray, edges: np.ndarray, used: int) -> int:
    """Writes where each edge of a bucket sits in the flattened rows; returns the slots used so far."""
    flat = edges.reshape(-1)
    filled = np.flatnonzero(flat < len(slots))
    slots[flat[filled]] = used + filled
    return used + len(flat)

"""A graph split over devices by receiver, so that each sums up what its own entities receive."""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import jraph
import numpy as np
from flax import struct
from jax import Array
from jax.sharding import PartitionSpec

from mmea_jax.nn.graph import Graph, lay_out, row_counts
from mmea_jax.partition import AXIS


@struct.dataclass
class PartedGraph:
    """Parts of equal shapes, one a device: entities in order, ``rows / parts`` each, with their edges.

    A sum over neighbours then needs the rows of all entities, which are gathered, and no other exchange: no
    part adds to what another owns, forwards or backwards.

    Attributes:
      part: the arrays of all parts one after the other, to be split along the first axis.
      num_entities: ``N``.
      rows: ``N`` rounded up to a multiple of the parts. What exceeds ``N`` has a self-loop and nothing else.
    """

    part: Graph
    num_entities: int = struct.field(pytree_node=False)
    rows: int = struct.field(pytree_node=False)

    def padded(self, x: Array) -> Array:
        """``x`` [N, …] with rows of 0 up to ``rows``."""
        return jnp.pad(x, [(0, self.rows - self.num_entities)] + [(0, 0)] * (x.ndim - 1))

    def in_parts(
        self, function: Callable, own: tuple[Array, ...] = (), shared: tuple[Array, ...] = ()
    ) -> Array:
        """``function(part, *own, *shared)`` of each part, one after the other.

        Args:
          function: pure; gets a ``Graph`` of one part and gives an array of its rows or edges.
          own: arrays by row or by edge, of which each part gets its share.
          shared: arrays that all parts get whole.
        """

        def on_device(part, own, shared):
            return function(part, *own, *shared)

        split = PartitionSpec(AXIS)
        # Types that say what differs from device to device are of no use to a custom gradient.
        mapped = jax.shard_map(
            on_device, in_specs=(split, split, PartitionSpec()), out_specs=split, check_vma=False
        )
        return mapped(self.part, own, shared)


def part_graph(graph: Graph, parts: int) -> PartedGraph:
    """Splits ``graph``, on the host, into ``parts`` of equal shapes.

    Every part is as long as the longest: an entity of very high degree makes all parts longer.
    """
    rows = -(-graph.num_entities // parts)
    loops = np.arange(graph.num_entities, rows * parts)
    receivers = np.concatenate([np.asarray(graph.edges.receivers, np.int64), loops])
    senders = np.concatenate([np.asarray(graph.edges.senders, np.int64), loops])
    reverse = np.concatenate(
        [np.asarray(graph.reverse, np.int64), len(graph.reverse) + np.arange(len(loops))]
    )
    degree = np.bincount(receivers, minlength=rows * parts)
    starts = np.concatenate([[0], np.cumsum(degree)])[::rows][: parts + 1]
    longest = int(np.diff(starts).max())
    counts = np.max([row_counts(own) for own in degree.reshape(parts, rows)], axis=0)
    # Where an edge lies among those of all parts, which padding has moved apart.
    owner = receivers // rows
    place = np.arange(len(receivers)) - starts[owner] + owner * longest
    pieces = [
        _piece(
            receivers[first:last] - index * rows,
            senders[first:last],
            place[reverse[first:last]],
            (index * longest, longest, rows),
            counts,
            graph.slots_at_once,
        )
        for index, (first, last) in enumerate(itertools.pairwise(starts))
    ]
    joined = jax.tree.map(lambda *arrays: np.concatenate(arrays), *pieces)
    return PartedGraph(joined, graph.num_entities, rows * parts)


def _piece(receivers, senders, reverse, extent: tuple[int, int, int], counts, slots_at_once: int) -> Graph:
    """One part; ``extent`` has its first place among all edges, its edges with padding, and its rows."""
    first, length, rows = extent
    padding = length - len(receivers)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(receivers, minlength=rows))])
    senders = np.pad(senders, (0, padding))
    # An edge of padding is its own reverse.
    reverse = np.concatenate([reverse, first + np.arange(len(receivers), length)])
    layout = lay_out(offsets, senders, counts)
    return Graph(
        edges=jraph.GraphsTuple(
            nodes=None,
            edges=None,
            receivers=np.pad(receivers, (0, padding), constant_values=rows).astype(np.int32),
            senders=senders.astype(np.int32),
            globals=None,
            n_node=np.array([rows], np.int32),
            n_edge=np.array([offsets[-1]], np.int32),
        ),
        reverse=reverse.astype(np.int32),
        **layout._asdict(),
        num_entities=rows,
        slots_at_once=slots_at_once,
        axis=AXIS,
    )

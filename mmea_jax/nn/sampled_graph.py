"""Sampled neighbourhoods of static shape, for graphs that are too large to go through at every step.

As in GraphSAGE (Hamilton et al., 2017, arXiv 1706.02216), an entity sees some of its neighbours and some of
theirs. Nothing but the rows of a batch and its sample is read or gets a gradient.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from mmea_jax.nn.graph import Graph


@struct.dataclass
class SampledGraph:
    """Neighbours by entity, to be drawn from.

    Attributes:
      offsets: int32[N+1]; entity ``i`` has the neighbours ``senders[offsets[i]:offsets[i+1]]``.
      senders: int32[E], without the entity itself.
      size: neighbours that one draw gives at most, besides the entity itself.
    """

    offsets: Array
    senders: Array
    size: int = struct.field(pytree_node=False)

    def draw(self, key: Array, entities: Array) -> tuple[Array, Array]:
        """Some neighbours of each of ``entities`` int32[…].

        An entity with at most ``size`` neighbours gets all of them. Of more, its list is cut into ``size``
        equal stretches and one is drawn from each, so that none comes twice.

        Returns:
          int32[…, size + 1], the entity itself first, and bool of that shape, false where there is none.
        """
        first = self.offsets[entities][..., None]
        degree = self.offsets[entities + 1][..., None] - first
        place = jnp.arange(self.size)
        inside = jax.random.uniform(key, (*entities.shape, self.size))
        # Whole numbers as far as they go: float32 ends at 2²⁴, and hubs do not.
        start, end = place * degree // self.size, (place + 1) * degree // self.size
        drawn = start + jnp.minimum((inside * (end - start)).astype(start.dtype), end - start - 1)
        chosen = jnp.where(degree > self.size, drawn, place)
        found = place < degree
        neighbours = jnp.where(found, self.senders[jnp.where(found, first + chosen, 0)], 0)
        itself = entities[..., None]
        return (
            jnp.concatenate([itself, neighbours.astype(itself.dtype)], axis=-1),
            jnp.concatenate([jnp.ones(itself.shape, bool), found], axis=-1),
        )


@struct.dataclass
class Tree:
    """Entities, their sampled neighbours, those of these, and so on.

    Attributes:
      levels: int32[K], [K, F], [K, F, F], …, with ``F = size + 1``; the first of its children is the entity.
      real: which children there are, bool[K, F], [K, F, F], ….
    """

    levels: tuple[Array, ...]
    real: tuple[Array, ...]


def make_sampled(graph: Graph, size: int) -> SampledGraph:
    """What ``graph`` (on the host) has, for draws of ``size`` neighbours.

    Raises:
      ValueError: ``size`` is below 1.
    """
    if size < 1:
        raise ValueError(f"at least one neighbour is to be drawn, not {size}")
    receivers, senders = (np.asarray(x) for x in (graph.edges.receivers, graph.edges.senders))
    other = receivers != senders
    degree = np.bincount(receivers[other], minlength=graph.num_entities)
    offsets = np.concatenate([[0], np.cumsum(degree)]).astype(np.int32)
    # A graph without any edge still needs something to point at.
    return SampledGraph(offsets, senders[other] if other.any() else np.zeros(1, np.int32), size)


def grow(graph: SampledGraph, key: Array, entities: Array, depth: int) -> Tree:
    """The tree of ``depth`` draws over ``entities`` int32[K]; negative ones, padding, stand for entity 0."""
    levels, real = [jnp.maximum(entities, 0)], []
    for own in jax.random.split(key, depth):
        children, there = graph.draw(own, levels[-1])
        levels.append(children)
        real.append(there)
    return Tree(tuple(levels), tuple(real))


def attend(rows: list[Array], real: tuple[Array, ...], w: Array, a: Array) -> list[Array]:
    """One layer of diagonal graph attention on a tree (`attention.attention_coefficients`, `neighbour_sum`).

    Args:
      rows: float32[K, d], [K, F, d], … of its levels.
      real: of ``Tree``.
      w: float32[H, d], diagonal weights.
      a: float32[H, 2d], the query half first.

    Returns:
      The same without the last level.
    """
    query_half, key_half = jnp.split(a, 2, axis=1)
    out = []
    for own, children, there in zip(rows[:-1], rows[1:], real, strict=False):
        query, key = own @ (w * query_half).T, children @ (w * key_half).T
        scores = -nn.leaky_relu(query[..., None, :] + key, 0.2)
        alpha = jax.nn.softmax(jnp.where(there[..., None], scores, -1e9), axis=-2)
        summed = jnp.einsum("...fd,...fh->...hd", children, alpha)
        out.append(jnp.einsum("...hd,hd->...d", summed, w) / w.shape[0])
    return out

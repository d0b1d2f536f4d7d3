"""Embeddings of any set of entities, block by block."""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mmea_jax.models.embeddings import Embeddings
from mmea_jax.nn.graph import Graph
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.neighbour_sum import neighbour_sum
from mmea_jax.nn.normalise import unit
from mmea_jax.training.inputs import with_capacity_for

_BLOCK = 4096


class Embedder:
    """Compiled inference of one model on one pair of graphs.

    The structure encoder runs once over the graph for each set of parameters; everything else runs on the
    entities asked for, in blocks of one static size.

    Args:
      model: with methods ``structure`` and ``embed``.
      inputs: of the model.
      context: weight of the similarity of the neighbours' joint embeddings in comparisons; where it is
        not 0, all entities are embedded for it.
    """

    def __init__(self, model: nn.Module, inputs: Inputs, context: float = 0.0):
        self._inputs, self._weight = inputs, context
        self._structure = jax.jit(lambda params, inputs: model.apply(params, inputs, method="structure"))

        def embed(params, inputs, entities, structure, flags):
            return model.apply(params, inputs, entities, structure, **dict(flags), method="embed")

        self._embed = jax.jit(embed, static_argnums=4)
        # A program of its own leaves out what the joint embedding does not need.
        self._joint = jax.jit(lambda *arguments: embed(*arguments).joint, static_argnums=4)

    def __call__(self, params, *entity_sets: np.ndarray, flags: Mapping | None = None) -> list[Embeddings]:
        """Embeddings of each of the sets of entities int[·]; ``flags`` go to the model's ``embed``."""
        flags = tuple(sorted((flags or {}).items()))
        structure = self._structure(params, self._inputs)
        if not self._weight:
            return self._of(params, entity_sets, structure, flags, self._embed)
        graph = self._inputs.graph
        (joint,) = self._of(params, [np.arange(graph.num_entities)], structure, flags, self._joint)
        context = self._weight**0.5 * _context(graph, joint)
        found = self._of(params, entity_sets, structure, flags, self._embed)
        return [e.replace(context=context[own]) for e, own in zip(found, entity_sets, strict=True)]

    def _of(self, params, entity_sets, structure: jax.Array, flags: tuple, embed) -> list:
        size = min(_BLOCK, max(len(entities) for entities in entity_sets))
        cut = [_blocks(np.asarray(entities, np.int32), size) for entities in entity_sets]
        inputs = with_capacity_for(self._inputs, [block for blocks in cut for block in blocks])
        parts = [[embed(params, inputs, block, structure, flags) for block in own] for own in cut]
        sizes = [len(entities) for entities in entity_sets]
        return [_joined(blocks, rows) for blocks, rows in zip(parts, sizes, strict=True)]


def _joined(blocks: list, rows: int):
    """One pytree of ``rows`` rows from the blocks'."""
    return jax.tree.map(lambda *parts: jnp.concatenate(parts)[:rows], *blocks)


def _blocks(entities: np.ndarray, size: int) -> np.ndarray:
    """int32[·, size], the last block padded with −1."""
    padding = -len(entities) % size
    return np.pad(entities, (0, padding), constant_values=-1).reshape(-1, size)


@jax.jit
def _context(graph: Graph, joint: jax.Array) -> jax.Array:
    """Unit rows float32[N, D]: the neighbours' joint embeddings, summed by ``degree^−½``.

    One explicit step of the feature propagation that DESAlign (arXiv 2401.17859) and TFP (arXiv 2401.12798)
    decode with. An entity whose own embedding says little may be recognised by its neighbours'; one of high
    degree says less.
    """
    receivers, senders = graph.edges.receivers, graph.edges.senders
    others = (receivers != senders).astype(joint.dtype)
    degree = jax.ops.segment_sum(others, receivers, graph.num_entities, indices_are_sorted=True)
    weights = others * jax.lax.rsqrt(jnp.maximum(degree, 1))[senders]
    return unit(neighbour_sum(graph, joint, weights[:, None], jnp.ones((1, joint.shape[1]), joint.dtype)))

"""Embeddings of any set of entities, block by block."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mmea_jax.models.embeddings import Embeddings
from mmea_jax.nn.inputs import Inputs
from mmea_jax.training.inputs import with_capacity_for

_BLOCK = 4096


class Embedder:
    """Compiled inference of one model on one pair of graphs.

    The structure encoder runs once over the graph for each set of parameters; everything else runs on the
    entities asked for, in blocks of one static size.
    """

    def __init__(self, model: nn.Module, inputs: Inputs):
        self._inputs = inputs
        self._structure = jax.jit(lambda params, inputs: model.apply(params, inputs, method="structure"))
        self._embed = jax.jit(
            lambda params, inputs, entities, structure: model.apply(
                params, inputs, entities, structure, method="embed"
            )
        )

    def __call__(self, params, *entity_sets: np.ndarray) -> list[Embeddings]:
        """Embeddings of each of the sets of entities int[·]."""
        structure = self._structure(params, self._inputs)
        size = min(_BLOCK, max(len(entities) for entities in entity_sets))
        cut = [_blocks(np.asarray(entities, np.int32), size) for entities in entity_sets]
        inputs = with_capacity_for(self._inputs, [block for blocks in cut for block in blocks])
        parts = [[self._embed(params, inputs, block, structure) for block in blocks] for blocks in cut]
        sizes = [len(entities) for entities in entity_sets]
        return [_joined(blocks, rows) for blocks, rows in zip(parts, sizes, strict=True)]


def _joined(blocks: list[Embeddings], rows: int) -> Embeddings:
    return jax.tree.map(lambda *parts: jnp.concatenate(parts)[:rows], *blocks)


def _blocks(entities: np.ndarray, size: int) -> np.ndarray:
    """int32[·, size], the last block padded with −1."""
    padding = -len(entities) % size
    return np.pad(entities, (0, padding), constant_values=-1).reshape(-1, size)

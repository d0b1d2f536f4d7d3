"""Embeddings of any set of entities, block by block."""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mmea_jax.models.embeddings import Embeddings
from mmea_jax.nn.inputs import Inputs
from mmea_jax.training.inputs import with_capacity_for
from mmea_jax.training.sharding import Sharding

_BLOCK = 4096


class Embedder:
    """Compiled inference of one model on one pair of graphs.

    The structure encoder runs once over the graph for each set of parameters; everything else runs on the
    entities asked for, in blocks of one static size.

    Args:
      model: with methods ``structure`` and ``embed``.
      inputs: of the model, placed where ``sharding`` says.
      sharding: where arrays lie; by default on one device. What is returned lies on every device.
      distributions: whether to return the joint distributions of methods that have them. They are a third of
        all that there is to keep, and only the comparison by divergence asks for them.

    Attributes:
      weights: which all embeddings get, see ``Embeddings``.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Inputs,
        sharding: Sharding | None = None,
        distributions: bool = True,
    ):
        self._inputs, self.weights = inputs, ()
        self._sharding = sharding or Sharding(1, model.num_entities)

        def structure(params, inputs):
            return model.apply(params, inputs, method="structure")

        def embed(params, inputs, entities, structure, flags):
            found = model.apply(params, inputs, entities, structure, **dict(flags), method="embed")
            return found if distributions else found.replace(distribution=None)

        self._structure = jax.jit(structure, out_shardings=self._sharding.everywhere)
        self._embed = jax.jit(embed, static_argnums=4, out_shardings=self._sharding.everywhere)

    def __call__(self, params, *entity_sets: np.ndarray, flags: Mapping | None = None) -> list[Embeddings]:
        """Embeddings of each of the sets of entities int[·]; ``flags`` go to the model's ``embed``."""
        flags = tuple(sorted((flags or {}).items()))
        params = self._sharding.whole(params)
        structure = self._structure(params, self._inputs)
        size = min(_BLOCK, max(len(entities) for entities in entity_sets))
        cut = [_blocks(np.asarray(entities, np.int32), size) for entities in entity_sets]
        blocks = [block for own in cut for block in own]
        cut = self._sharding.copied([list(own) for own in cut])
        inputs = with_capacity_for(self._inputs, blocks, self._sharding.parts)
        parts = [[self._embed(params, inputs, block, structure, flags) for block in own] for own in cut]
        sizes = [len(entities) for entities in entity_sets]
        found = [_joined(blocks, rows) for blocks, rows in zip(parts, sizes, strict=True)]
        return [embeddings.replace(weights=self.weights) for embeddings in found]


def _joined(blocks: list, rows: int):
    """One pytree of ``rows`` rows from the blocks'."""
    return jax.tree.map(lambda *parts: jnp.concatenate(parts)[:rows], *blocks)


def _blocks(entities: np.ndarray, size: int) -> np.ndarray:
    """int32[·, size], the last block padded with −1."""
    padding = -len(entities) % size
    return np.pad(entities, (0, padding), constant_values=-1).reshape(-1, size)

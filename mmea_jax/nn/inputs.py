"""What every alignment model reads: the graph and its modalities as one pytree of arrays."""

import jax.numpy as jnp
from flax import struct
from jax import Array

from mmea_jax.nn.bags import SparseRows
from mmea_jax.nn.graph import Graph
from mmea_jax.nn.sampled_graph import SampledGraph, Tree
from mmea_jax.nn.triples import Triples
from mmea_jax.vocabulary import STRUCTURE


@struct.dataclass
class Inputs:
    """Arrays of two knowledge graphs in one index space.

    Attributes:
      graph: structure; within a training step perhaps a sample alone, drawn for its very entities.
      bags: sparse modalities by name (relation, attribute, char, name).
      dense: pre-computed unit vectors by modality, float32[N, f]; rows of absent entities are zero.
      present: bool[N] by modality, for every modality but structure.
      triples: what methods that embed by translation read of structure.
    """

    graph: Graph | SampledGraph | Tree
    bags: dict[str, SparseRows]
    dense: dict[str, Array]
    present: dict[str, Array]
    triples: Triples | None = None

    def presence(self, modalities: tuple[str, ...], entities: Array) -> Array:
        """bool[K, M]: which of ``modalities`` each of ``entities`` int32[K] has."""
        everywhere = jnp.ones(entities.shape, bool)
        columns = [everywhere if m == STRUCTURE else self.present[m][entities] for m in modalities]
        return jnp.stack(columns, axis=1)

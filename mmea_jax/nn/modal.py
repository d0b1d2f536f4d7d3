"""Multi-modal knowledge embedding: one vector a modality (docs/methods/shared.md)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.errors import InputError, closest
from mmea_jax.nn.attention import DiagonalAttention, GraphConvolution
from mmea_jax.nn.bags import BagEncoder, DenseEncoder
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.normalise import unit
from mmea_jax.nn.sampled_graph import SampledGraph, Tree, grow
from mmea_jax.partition import by_rows
from mmea_jax.vocabulary import STRUCTURE

_ENCODERS = ("attention", "convolution", "translation")


class ModalEncoder(nn.Module):
    """Encodes each modality of the asked entities into a vector of the same width.

    Attributes:
      modalities: which to encode, in order; ``structure`` always among them.
      num_entities: ``N``, rows of the learnable entity table.
      width: hidden width ``d``.
      encoder: structure encoder, ``attention`` or ``convolution`` over the graph, or ``translation``: the
        unit rows of the entity table themselves, which learn from triples (TransE).
      layers: layers of the structure encoder.
      heads: attention heads.
      entity_dropout: share of the entity table's rows that a training step hides. The row of a seed
        entity is fitted to its counterpart's directly, that of a test entity never is: without hiding
        some, structure looks more reliable in training than it is afterwards.
      initial: how linear layers start, see ``nn/initial.py``.
    """

    modalities: tuple[str, ...]
    num_entities: int
    width: int = 300
    encoder: str = "attention"
    layers: int = 2
    heads: int = 2
    entity_dropout: float = 0.0
    initial: str = "normal"

    def setup(self):
        if self.encoder not in _ENCODERS:
            raise InputError(
                f"the structure encoder {self.encoder!r}{closest(self.encoder, _ENCODERS)}",
                expected=f"one of {', '.join(_ENCODERS)}",
                mend="correct --config.model.encoder",
            )
        self.entities = self.param(
            "entities",
            lambda key, shape: jax.random.normal(key, shape) * self.num_entities**-0.5,
            (self.num_entities, self.width),
        )
        if self.encoder == "attention":
            self.structure_encoder = DiagonalAttention(self.layers, self.heads)
        elif self.encoder == "convolution":
            self.structure_encoder = GraphConvolution((self.width,) * self.layers)
        # Whether a modality is sparse or dense shows in the inputs; an encoder gets parameters when called.
        self.bag_encoders = {m: BagEncoder(self.width, self.initial) for m in self.modalities[1:]}
        self.dense_encoders = {m: DenseEncoder(self.width, self.initial) for m in self.modalities[1:]}

    def structure(self, inputs: Inputs, train: bool = False) -> Array:
        """Structure vectors float32[N, d] of all entities; of a sampled graph, what they are made of."""
        table = by_rows(self.entities)
        if train and self.entity_dropout > 0:
            shown = jax.random.bernoulli(self.make_rng("dropout"), 1 - self.entity_dropout, (len(table), 1))
            table = jnp.where(shown, table, 0.0)
        if self.encoder == "translation":
            return unit(table)
        if isinstance(inputs.graph, SampledGraph | Tree):
            return table
        return by_rows(self.structure_encoder(inputs.graph, table))

    def __call__(
        self, inputs: Inputs, entities: Array, structure: Array, rows: dict[str, Array] | None = None
    ) -> dict[str, Array]:
        """Modal vectors float32[K, d] of ``entities`` int32[K], by modality.

        ``structure`` float32[N, d] is what the method of that name returns. ``rows`` gives features
        float32[K, f] of the entities by dense modality, to be read in place of the inputs' own.
        """
        entities = by_rows(entities)
        encoded = {m: self._encode(m, inputs, entities, structure, rows or {}) for m in self.modalities}
        return {m: by_rows(vectors) for m, vectors in encoded.items()}

    def _encode(self, modality: str, inputs: Inputs, entities: Array, structure: Array, rows) -> Array:
        if modality == STRUCTURE and isinstance(inputs.graph, SampledGraph) and self.encoder == "attention":
            tree = grow(inputs.graph, self.make_rng("dropout"), entities, self.layers)
            return self.structure_encoder(tree, structure)
        if modality == STRUCTURE and isinstance(inputs.graph, Tree):
            # Drawn for these entities.
            return self.structure_encoder(inputs.graph, structure)
        if modality == STRUCTURE:
            return structure[entities]
        if modality in rows:
            return self.dense_encoders[modality](rows[modality], jnp.arange(len(entities)))
        if modality in inputs.bags:
            return self.bag_encoders[modality](inputs.bags[modality], entities)
        return self.dense_encoders[modality](inputs.dense[modality], entities)

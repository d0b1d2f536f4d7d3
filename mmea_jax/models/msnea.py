"""MSNEA: multi-modal Siamese network for entity alignment (KDD 2022; docs/methods/msnea.md)."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from mmea_jax.losses.margin import pair_margin, translation_margin
from mmea_jax.models.embeddings import Embeddings
from mmea_jax.models.terms import read_pairs
from mmea_jax.nn.bags import BagEncoder, DenseEncoder
from mmea_jax.nn.guided_bag import GuidedBagEncoder
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.normalise import unit
from mmea_jax.nn.translation import RelationTable, three_ends, translations
from mmea_jax.nn.triples import TripleBatch
from mmea_jax.vocabulary import ATTRIBUTE, STRUCTURE, VISUAL


class Msnea(nn.Module):
    """Structure by translation, which images take part in and, for attributes, say what to attend to.

    Relations translate heads to tails, of entity vectors and of image vectors alike. Published MSNEA knows
    structure, images and attributes; what else the data offer is encoded linearly, and aligned and joined
    like these.

    Attributes:
      modalities: what the data offer, structure first.
      num_entities: ``N``.
      width: hidden width ``d`` of every modality.
      initial: how linear layers start, ``normal`` or ``uniform``.
      margin: of the energies of a triple and of its corruption.
      pair_margin: that the score of an aligned pair is to reach.
      translation: weight of the translation loss of entity vectors.
      visual_translation: weight of that of image vectors; 0 leaves it out.
      alignment: weight of the losses of aligned pairs.
      modal_losses: whether each modality has such a loss besides the joint vectors.
      guided: whether images guide the attention over an entity's attributes; if not, all count alike.
      shared_projection: whether image vectors that relations translate are those that are aligned; the
        published code projects images a second time.
    """

    modalities: tuple[str, ...]
    num_entities: int
    width: int = 100
    initial: str = "normal"
    margin: float = 1.0
    pair_margin: float = 2.0
    translation: float = 1.0
    visual_translation: float = 1.0
    alignment: float = 1.0
    modal_losses: bool = True
    guided: bool = True
    shared_projection: bool = False

    @property
    def reads_triples(self) -> bool:
        """Whether ``loss`` takes a batch of triples."""
        return True

    def setup(self):
        self.encode = MsneaEncoder(
            self.modalities, self.num_entities, self.width, self.initial, self.guided, self._own_projection
        )
        self.relations = RelationTable(self.width)

    @property
    def _translates_images(self) -> bool:
        return self.visual_translation > 0 and VISUAL in self.modalities

    @property
    def _own_projection(self) -> bool:
        return self._translates_images and not self.shared_projection

    def structure(self, inputs: Inputs) -> Array:
        """Structure vectors float32[N, d], unit rows, which ``embed`` can be given."""
        return self.encode.structure(jnp.arange(self.num_entities))

    def embed(self, inputs: Inputs, entities: Array, structure: Array | None = None) -> Embeddings:
        """Embeddings of ``entities`` int32[K]; negative ones are padding.

        ``modal`` is float32[K, d], ``joint`` float32[K, Md], and ``confidence`` float32[K, M] the same for
        all modalities that an entity has.
        """
        modal = self.encode(inputs, entities, structure)
        present = inputs.presence(self.modalities, entities)
        confidence = present / jnp.sum(present, axis=1, keepdims=True)
        parts = [confidence[:, k, None] * modal[m] for k, m in enumerate(self.modalities)]
        return Embeddings(modal, unit(jnp.concatenate(parts, axis=1)), confidence, modalities=self.modalities)

    def loss(
        self, inputs: Inputs, pairs: Array, triples: TripleBatch | None = None
    ) -> tuple[Array, dict[str, Array]]:
        """Total loss and its terms on ``pairs`` int32[B, 2] (rows of −1 are padding) and on ``triples``."""
        terms = self._alignment(inputs, pairs)
        total = self.alignment * sum(terms.values())
        if triples is None or self.is_initializing():
            # The table's parameters must come to be without any triple, too.
            self.relations(jnp.zeros(1, jnp.int32), inputs.triples.num_relations)
            if self._own_projection:
                self.encode.translated_images(inputs, pairs[:, 0])
        if triples is None:
            return total, terms
        relations = self.relations(triples.positive[:, 1], inputs.triples.num_relations)
        ends = three_ends(triples)
        if self.translation > 0:
            moved = translations(self.encode.structure(ends), relations, triples)
            terms["translation"] = translation_margin(*moved, self.margin, triples.valid)
            total += self.translation * terms["translation"]
        if self._translates_images:
            moved = translations(self.encode.translated_images(inputs, ends), relations, triples)
            seen = jnp.all(jnp.stack(jnp.split(inputs.present[VISUAL][ends], 3)), axis=0)
            terms["visual_translation"] = translation_margin(*moved, self.margin, triples.valid & seen)
            total += self.visual_translation * terms["visual_translation"]
        return total, terms

    def _alignment(self, inputs: Inputs, pairs: Array) -> dict[str, Array]:
        """Losses of aligned pairs: of the joint vectors and of each modality's that both entities have."""
        batch = read_pairs(inputs, self.modalities, pairs)
        embeddings = self.embed(inputs, batch.entities)
        terms = {"joint": pair_margin(*jnp.split(embeddings.joint, 2), self.pair_margin, batch.real)}
        if self.modal_losses:
            for k, (m, z) in enumerate(embeddings.ordered().items()):
                terms[m] = pair_margin(*jnp.split(z, 2), self.pair_margin, batch.shared[:, k])
        return terms


class MsneaEncoder(nn.Module):
    """Unit vectors of the modalities; attributes by what the entity's image attends to.

    Attributes:
      modalities: which to encode, in order.
      num_entities: ``N``.
      width: ``d``.
      initial: see ``nn/initial.py``.
      guided: whether images guide attention.
      own_projection: whether ``translated_images`` has a linear layer of its own.
    """

    modalities: tuple[str, ...]
    num_entities: int
    width: int
    initial: str
    guided: bool
    own_projection: bool

    def setup(self):
        shape = (self.num_entities, self.width)
        self.entities = self.param("entities", nn.initializers.xavier_normal(), shape)
        # Whether a modality is sparse or dense shows in the inputs; an encoder gets parameters when called.
        others = [m for m in self.modalities if m != STRUCTURE]
        self.bag_encoders = {m: BagEncoder(self.width, self.initial) for m in others if m != ATTRIBUTE}
        self.dense_encoders = {m: DenseEncoder(self.width, self.initial) for m in others}
        if ATTRIBUTE in others:
            self.attributes = GuidedBagEncoder(self.width)
        if self.own_projection:
            self.translated = DenseEncoder(self.width, self.initial)

    def structure(self, entities: Array) -> Array:
        """float32[K, d] of int32[K]."""
        return unit(self.entities[entities])

    def translated_images(self, inputs: Inputs, entities: Array) -> Array:
        """Image vectors that relations translate, float32[K, d]; meaningless for an entity without image."""
        encode = self.translated if self.own_projection else self.dense_encoders[VISUAL]
        return unit(encode(inputs.dense[VISUAL], entities))

    def __call__(self, inputs: Inputs, entities: Array, structure: Array | None) -> dict[str, Array]:
        """float32[K, d] by modality; a row of an entity without it is meaningless."""
        found = {STRUCTURE: self.structure(entities) if structure is None else structure[entities]}
        for m in self.modalities:
            if m in inputs.dense:
                found[m] = unit(self.dense_encoders[m](inputs.dense[m], entities))
            elif m in inputs.bags and m != ATTRIBUTE:
                found[m] = unit(self.bag_encoders[m](inputs.bags[m], entities))
        if ATTRIBUTE in inputs.bags and ATTRIBUTE in self.modalities:
            queries = self._queries(inputs, entities, found.get(VISUAL))
            found[ATTRIBUTE] = unit(self.attributes(inputs.bags[ATTRIBUTE], entities, queries))
        return found

    def _queries(self, inputs: Inputs, entities: Array, images: Array | None) -> Array:
        """What the attention over attributes asks for: the image vector, or nothing without an image."""
        nothing = jnp.zeros((len(entities), self.width))
        if images is None or not self.guided:
            return nothing
        return jnp.where(inputs.present[VISUAL][entities][:, None], images, nothing)

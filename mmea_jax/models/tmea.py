"""TMEA: uncertain correspondences (NeurIPS 2024, OpenReview IAse6CAG26; docs/methods/tmea.md)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from mmea_jax.errors import InputError, closest
from mmea_jax.losses.imputation import code_loss, squared_error
from mmea_jax.losses.margin import pair_margin, translation_margin
from mmea_jax.losses.orthogonal import orthogonal
from mmea_jax.models.embeddings import Embeddings
from mmea_jax.nn.commonality import CommonalityEnhancement, Enhanced
from mmea_jax.nn.imputation import Imputation, Imputed
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.modal import ModalEncoder
from mmea_jax.nn.normalise import unit
from mmea_jax.nn.translation import RelationTable, three_ends, translations
from mmea_jax.nn.triples import TripleBatch
from mmea_jax.vocabulary import ATTRIBUTE, MODALITIES, STRUCTURE, VISUAL


@struct.dataclass
class _Views:
    """Modal vectors of ``K`` entities.

    Attributes:
      vectors: ``M`` arrays float32[K, d]; what was imputed where it was, meaningless where nothing is.
      has: bool[K, M], which modalities the data give; none for padding.
      there: bool[K, M], those and the imputed ones.
      imputed: by modality that is imputed where absent, for all ``K``.
    """

    vectors: list[Array]
    has: Array
    there: Array
    imputed: dict[str, Imputed]


class Tmea(nn.Module):
    """Structure by translation; missing modalities imputed; what modalities have in common enhanced.

    The published method knows structure, images and attributes. Whatever else the data offer is encoded
    linearly and takes part in the exchange between modalities, the losses and the joint vector.

    Attributes:
      modalities: what the data offer, structure first.
      num_entities: ``N``.
      width: hidden width ``d`` of every modality.
      initial: how linear layers start, ``normal`` or, as in the published code, ``uniform``.
      margin: of the energies of a triple and of its corruption.
      pair_margin: that the score of an aligned pair is to reach.
      translation: weight of the translation loss.
      alignment: weight of the losses of aligned pairs.
      pseudo: weight of those of pseudo-links, relative to seed links.
      imputes: modalities imputed where an entity lacks them; each needs another of them, or is imputed from
        structure alone. None is the variant without imputation, in which what is absent stays out.
      latent: width of the auto-encoders' latent space.
      prior: weight of their divergence from the prior, per entity.
      shared_latent: weight of the distance between a modality's code and the others' code of it.
      imputation: weight of all losses of the auto-encoders.
      commonality: whether modalities exchange by cross-attention before they are joined.
      heads: of each cross-attention.
      num_tokens: parts that a vector is cut into for it; with one, there is nothing to attend to.
      orthogonal: weight of the constraint that keeps what is specific to a modality apart.
    """

    modalities: tuple[str, ...]
    num_entities: int
    width: int = 100
    initial: str = "normal"
    margin: float = 1.0
    pair_margin: float = 2.0
    translation: float = 1.0
    alignment: float = 1.0
    pseudo: float = 0.1
    imputes: tuple[str, ...] = (VISUAL, ATTRIBUTE)
    latent: int = 64
    prior: float = 1.0
    shared_latent: float = 0.01
    imputation: float = 1.0
    commonality: bool = True
    heads: int = 2
    num_tokens: int = 1
    orthogonal: float = 0.01

    @property
    def reads_triples(self) -> bool:
        """Whether ``loss`` takes a batch of triples."""
        return True

    @property
    def targets(self) -> tuple[str, ...]:
        """The modalities to impute, of those that the data have, in order."""
        return tuple(m for m in self.modalities if m in self.imputes)

    def setup(self):
        for m in self.imputes:
            if m not in MODALITIES[1:]:
                raise InputError(
                    f"model.imputes = {m!r}{closest(m, MODALITIES[1:])}",
                    expected=f"{', '.join(MODALITIES[1:])}",
                    mend="correct --config.model.imputes",
                )
        self.encode = ModalEncoder(
            self.modalities, self.num_entities, self.width, "translation", initial=self.initial
        )
        self.relations = RelationTable(self.width)
        self.impute = {m: Imputation(self.width, self.latent, self.initial) for m in self.targets}
        if self.commonality:
            self.exchange = CommonalityEnhancement(
                self.modalities, self.width, self.heads, self.num_tokens, self.initial
            )

    def structure(self, inputs: Inputs) -> Array:
        """Structure vectors float32[N, d], unit rows, which ``embed`` can be given."""
        return self.encode.structure(inputs)

    def embed(self, inputs: Inputs, entities: Array, structure: Array | None = None) -> Embeddings:
        """Embeddings of ``entities`` int32[K]; negative ones are padding.

        ``modal`` is float32[K, d], ``joint`` float32[K, Md]. ``confidence`` float32[K, M] is the share of
        each part in the squared length of those parts of the joint vector that are not imputed.
        """
        structure = self.encode.structure(inputs) if structure is None else structure
        views = self._see(inputs, entities, structure, noisy=False)
        parts = self._joined(views).parts
        squares = jnp.stack([jnp.sum(part**2, axis=1) for part in parts], axis=1)
        # What is imputed takes part in the joint vector; on its own it would be compared as if it were known.
        squares = jnp.where(views.has, squares, 0.0)
        total = jnp.sum(squares, axis=1, keepdims=True)
        modal = {m: unit(z) for m, z in zip(self.modalities, views.vectors, strict=True)}
        return Embeddings(
            modal,
            unit(jnp.concatenate(parts, axis=1)),
            squares / jnp.where(total > 0, total, 1.0),
            modalities=self.modalities,
        )

    def loss(
        self,
        inputs: Inputs,
        pairs: Array,
        triples: TripleBatch | None = None,
        pseudo: Array | None = None,
    ) -> tuple[Array, dict[str, Array]]:
        """Total loss and its terms.

        Args:
          inputs: arrays of the graphs.
          pairs: int32[B, 2], seed links; rows of −1 are padding.
          triples: true triples and their corruptions; the terms without the translation loss if not given.
          pseudo: int32[P, 2], links that training found, apart from the seeds; rows of −1 are padding.
        """
        pseudo = jnp.zeros((0, 2), jnp.int32) if pseudo is None else pseudo
        structure = self.encode.structure(inputs, train=True)
        entities = jnp.concatenate([pairs.T.reshape(-1), pseudo.T.reshape(-1)])
        views = self._see(inputs, entities, structure, noisy=True)
        joined = self._joined(views)
        terms = self._alignment(views, joined, 0, len(pairs))
        total = self.alignment * sum(terms.values())
        if len(pseudo):
            found = self._alignment(views, joined, 2 * len(pairs), len(pseudo))
            terms["pseudo"] = sum(found.values())
            total += self.pseudo * self.alignment * terms["pseudo"]
        if joined.specific:
            terms["orthogonal"] = self._orthogonal(views, joined)
            total += self.orthogonal * terms["orthogonal"]
        if views.imputed:
            terms["imputation"] = sum(self._imputation(m, views) for m in self.targets)
            total += self.imputation * terms["imputation"]
        if triples is None:
            # The table's parameters must come to be without any triple, too.
            self.relations(jnp.zeros(1, jnp.int32), inputs.triples.num_relations)
            return total, terms
        relations = self.relations(triples.positive[:, 1], inputs.triples.num_relations)
        moved = translations(structure[three_ends(triples)], relations, triples)
        terms["translation"] = translation_margin(*moved, self.margin, triples.valid)
        return total + self.translation * terms["translation"], terms

    def _see(self, inputs: Inputs, entities: Array, structure: Array, noisy: bool) -> _Views:
        """The modal views of ``entities``, with what is absent imputed where it can be."""
        encoded = self.encode(inputs, entities, structure)
        real = (entities >= 0)[:, None]
        has = inputs.presence(self.modalities, entities) & real
        # Structure vectors are unit rows already.
        vectors = [encoded[m] if m == STRUCTURE else unit(encoded[m]) for m in self.modalities]
        imputed = {m: self._impute(m, vectors, has, noisy) for m in self.targets}
        there = has | (jnp.array([m in imputed for m in self.modalities]) & real)
        vectors = [
            jnp.where(has[:, k, None], vectors[k], imputed[m].vector) if m in imputed else vectors[k]
            for k, m in enumerate(self.modalities)
        ]
        return _Views(vectors, has, there, imputed)

    def _impute(self, modality: str, vectors: list[Array], has: Array, noisy: bool) -> Imputed:
        """Imputes ``modality`` from the others that are imputed, and structure."""
        own = vectors[self.modalities.index(modality)]
        at = [self.modalities.index(m) for m in self.targets if m != modality]
        others = [jnp.where(has[:, k, None], vectors[k], 0.0) for k in at]
        noise = None
        if noisy:
            noise = jax.random.normal(self.make_rng("dropout"), (2, len(own), self.latent))
        return self.impute[modality](own, [*others, vectors[0]], noise)

    def _joined(self, views: _Views) -> Enhanced:
        """The parts of the joint vector, before they are put side by side."""
        if self.commonality:
            return self.exchange(views.vectors, views.there)
        parts = [jnp.where(views.there[:, k, None], z, 0.0) for k, z in enumerate(views.vectors)]
        return Enhanced(parts, {})

    def _alignment(self, views: _Views, joined: Enhanced, start: int, count: int) -> dict[str, Array]:
        """Losses of ``count`` pairs: from ``start`` on their entities of KG 1, then those of KG 2."""

        def loss(vectors: Array, valid: Array) -> Array:
            return pair_margin(*jnp.split(vectors[rows], 2), self.pair_margin, valid)

        rows = slice(start, start + 2 * count)
        shared = jnp.logical_and(*jnp.split(views.there[rows], 2))
        # Structure is there for everything but padding.
        terms = {"joint": loss(jnp.concatenate(joined.parts, axis=1), shared[:, 0])}
        for k, m in enumerate(self.modalities):
            terms[m] = loss(views.vectors[k], shared[:, k])
        return terms

    def _orthogonal(self, views: _Views, joined: Enhanced) -> Array:
        """The constraint over all ordered pairs of modalities, on entities that have or are given both."""
        return sum(
            orthogonal(views.vectors[other], specific, views.there[:, own] & views.there[:, other])
            for (own, other), specific in joined.specific.items()
        )

    def _imputation(self, modality: str, views: _Views) -> Array:
        """The losses of both of a modality's auto-encoders, on entities that have all that is imputed."""
        found = views.imputed[modality]
        rows = jnp.all(views.has[:, jnp.array([self.modalities.index(m) for m in self.targets])], axis=1)
        reconstruction = sum(
            code_loss(code.given, code.decoded, code.mean, code.log_variance, rows, self.prior)
            for code in (found.own, found.others)
        )
        return reconstruction + self.shared_latent * squared_error(
            found.own.sampled, found.others.sampled, rows
        )

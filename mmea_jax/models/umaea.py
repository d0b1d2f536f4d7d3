"""UMAEA: uncertainly missing and ambiguous modalities (arXiv 2307.16210; docs/methods/umaea.md)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from mmea_jax.losses.alignment import ial
from mmea_jax.losses.imagination import prior_divergence, softmax_divergence
from mmea_jax.losses.weighing import automatic
from mmea_jax.models.base import AlignmentModel, check_choices
from mmea_jax.models.embeddings import Embeddings
from mmea_jax.models.terms import (
    Pairs,
    contrasts,
    kendall_of_shared,
    named,
    smaller_confidence,
)
from mmea_jax.nn.filling import filled_rows, with_filled
from mmea_jax.nn.fusion import StaticFusion
from mmea_jax.nn.imagination import Imagination, Imagined, hybrid_vector
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.normalise import unit
from mmea_jax.nn.transformer import CrossModalFusion, Fused
from mmea_jax.vocabulary import MODALITIES, VISUAL

_INFERENCES = ("static", "dynamic")


@struct.dataclass
class _Guess:
    """An imagined modality of ``K`` entities.

    Attributes:
      hybrid: ``y`` float32[K, D], unit rows, what it is imagined from.
      code: what the auto-encoder made of it.
      vector: ``v̂`` float32[K, d], unit rows, what stands for the modality where it is absent.
    """

    hybrid: Array
    code: Imagined
    vector: Array


@struct.dataclass
class _Views:
    """Modal views of ``K`` entities before fusion.

    Attributes:
      vectors: ``M`` arrays float32[K, d], not normalised.
      has: bool[K, M], which modalities the data give; none for padding.
      there: bool[K, M], those and the ones filled or imagined.
      guesses: by imagined modality.
    """

    vectors: list[Array]
    has: Array
    there: Array
    guesses: dict[str, _Guess]

    @property
    def units(self) -> list[Array]:
        """``ẑ_m``."""
        return [unit(z) for z in self.vectors]


class Umaea(AlignmentModel):
    """Multi-scale modality hybrid, and imagination of missing modalities (CMMI).

    What an entity lacks is in stage 1 either left out of the fusion and of its modality's losses, with a
    confidence of exactly 0, or filled (``fills``): the published code fills everything. From stage 2 on,
    which passes ``imagine=True``, the modalities ``imagines`` are imagined where they are absent.

    Attributes (further ones in ``AlignmentModel``):
      fills: modalities whose absent rows are filled in stage 1: dense ones by a draw from N(mean, std) of the
        known rows, sparse ones by an empty bag.
      imagines: modalities imagined where absent; none is the variant without CMMI.
      refinement: whether the hidden tokens are aligned too (``L_IIR``).
      confident: whether a pair's losses of entity-level alignment weigh by confidence.
      inference: joint embedding at inference: ``static``, by weights that all entities share, or
        ``dynamic``, by each entity's confidence.
      compare_absent: whether inference compares what was filled or imagined too, as published. Where not, it
        adds nothing to the joint embedding, which matters for pairs of which one entity has the modality.
      fusion_heads: heads of the transformer layer.
      inner: width of its feed-forward part.
      dropout: its rate.
      temperature: τ of the contrastive losses.
      align_temperature: τ₂ of ``L_Sim``.
      imagination_weights: of ``L_Re^vis``, ``L_Re^hyb``, ``L_Sim`` and ``L_KL``.
      fill_seed: of the drawn rows.
    """

    fills: tuple[str, ...] = (VISUAL,)
    imagines: tuple[str, ...] = (VISUAL,)
    refinement: bool = True
    confident: bool = True
    inference: str = "static"
    compare_absent: bool = True
    fusion_heads: int = 1
    inner: int = 400
    dropout: float = 0.1
    temperature: float = 0.1
    align_temperature: float = 1.0
    imagination_weights: tuple[float, float, float, float] = (6000.0, 6000.0, 6000.0, 3000.0)
    fill_seed: int = 0

    @property
    def targets(self) -> tuple[str, ...]:
        """The modalities to imagine, of those that the data have."""
        return tuple(m for m in self.modalities if m in self.imagines)

    @property
    def can_imagine(self) -> bool:
        """Whether the stages of CMMI have anything to do."""
        return bool(self.targets)

    def setup(self):
        super().setup()
        check_choices("fills", self.fills, MODALITIES[1:])
        check_choices("imagines", self.imagines, MODALITIES[1:])
        check_choices("inference", (self.inference,), _INFERENCES)
        count = len(self.modalities)
        self.fuse = CrossModalFusion(self.fusion_heads, self.inner, self.dropout, self.initial)
        self.fuse_static = StaticFusion(count)
        # One weight a modality for its losses before and after the fusion, as in the published code.
        self.log_variances = self.param("log_variances", nn.initializers.zeros, (count,))
        self.loss_scales = self.param("loss_scales", nn.initializers.ones, (3,))
        self.imaginations = {m: Imagination(self.width) for m in self.targets}
        if self.targets:
            shape = (len(self.targets), 4)
            self.imagination_scales = self.param("imagination_loss_scales", nn.initializers.ones, shape)

    def embed(
        self,
        inputs: Inputs,
        entities: Array,
        structure: Array | None = None,
        train: bool = False,
        imagine: bool = False,
    ) -> Embeddings:
        """Embeddings of ``entities`` int32[K]; negative ones are padding.

        ``modal`` is float32[K, d], ``joint`` float32[K, Md]. ``confidence`` float32[K, M] is always the
        transformer's; a modality that is filled or, with ``imagine``, imagined has some.
        """
        views = self._see(inputs, entities, structure, train, imagine)
        fused = self.fuse(views.vectors, views.there, train)
        units = views.units
        joint = fused.joint if self.inference == "dynamic" else self.fuse_static(units, views.there)[0]
        if not self.compare_absent:
            # One block of the joint embedding a modality.
            joint = unit(joint * jnp.repeat(views.has, self.width, axis=1))
        modal = dict(zip(self.modalities, units, strict=True))
        return Embeddings(modal, joint, fused.confidence, modalities=self.modalities)

    def loss(
        self, inputs: Inputs, pairs: Array, imagine: bool = False, reconstruct: bool = False
    ) -> tuple[Array, dict[str, Array]]:
        """Total loss and its terms on ``pairs`` int32[B, 2]; rows of −1 are padding.

        Args:
          inputs: arrays of the graphs.
          pairs: the batch.
          imagine: imagine what is absent, and align what is imagined as one more view.
          reconstruct: add the auto-encoder's own losses; they need ``imagine``.
        """
        if self.is_initializing():
            imagine = reconstruct = bool(self.targets)
        views = self._see(inputs, pairs.T.reshape(-1), None, True, imagine)
        fused = self.fuse(views.vectors, views.there, True)
        losses, terms = self._hybrid_losses(views, fused, _pairs(views, pairs))
        total = automatic(losses, self.loss_scales[: len(losses)])
        if not reconstruct:
            return total, terms
        own, own_terms = self._imagination_losses(views)
        return total + automatic(own.ravel(), self.imagination_scales.ravel()), terms | own_terms

    def sensitivity(self, inputs: Inputs, entities: Array, imagine: bool = False) -> tuple[Array, Array]:
        """``Σ ‖Jˢ‖² + ‖w‖²`` over those of ``entities`` that have what can be imagined, and their number."""
        views = self._see(inputs, entities, None, False, imagine)
        confidence = self.fuse(views.vectors, views.there, False).confidence
        # The parts of Jˢ have length 1 before their weights.
        shared = self.fuse_static(views.units, views.there)[1]
        having = jnp.all(jnp.stack([views.has[:, self.modalities.index(m)] for m in self.targets]), axis=0)
        lengths = jnp.sum(confidence**2 + shared**2, axis=1)
        return jnp.sum(jnp.where(having, lengths, 0.0)), jnp.sum(having)

    def _see(
        self, inputs: Inputs, entities: Array, structure: Array | None, train: bool, imagine: bool
    ) -> _Views:
        """The modal views of ``entities``, with what is absent filled or imagined."""
        structure = self.encode.structure(inputs, train) if structure is None else structure
        encoded = self.encode(
            inputs, entities, structure, filled_rows(inputs, self.fills, entities, self.fill_seed)
        )
        vectors = [encoded[m] for m in self.modalities]
        has = inputs.presence(self.modalities, entities) & (entities >= 0)[:, None]
        there = with_filled(has, entities, self.modalities, self.fills)
        if not imagine:
            return _Views(vectors, has, there, {})
        guesses = {m: self._imagine(m, vectors, there, train) for m in self.targets}
        for m, guess in guesses.items():
            k = self.modalities.index(m)
            vectors[k] = jnp.where(has[:, k, None], vectors[k], guess.vector)
        there = with_filled(there, entities, self.modalities, self.targets)
        return _Views(vectors, has, there, guesses)

    def _imagine(self, modality: str, vectors: list[Array], there: Array, train: bool) -> _Guess:
        """Imagines ``modality`` from all others; its own vectors are not looked at."""
        others = [k for k, m in enumerate(self.modalities) if m != modality]
        hybrid = hybrid_vector([vectors[k] for k in others], there[:, jnp.array(others)])
        noise = None
        if train:
            noise = jax.random.normal(self.make_rng("dropout"), (len(hybrid), self.width))
        code = self.imaginations[modality](hybrid, noise)
        return _Guess(hybrid, code, unit(code.sampled))

    def _hybrid_losses(self, views: _Views, fused: Fused, batch: Pairs) -> tuple[Array, dict[str, Array]]:
        """``L_GMI``, ``L_ECIA`` and, if any, ``L_IIR``, and the terms that they are made of."""
        units, count = views.units, len(self.modalities)
        _, static = self.fuse_static(units, views.there)
        # Confidence times the number of the entity's modalities: 1 on average. It has a gradient, too.
        own = jnp.sum(views.there, axis=1, keepdims=True)
        weights = smaller_confidence(fused.confidence * own)
        if not self.confident:
            weights = jnp.ones_like(weights)
        modal, joint = contrasts(units, batch, self.temperature, weights, [fused.confidence, static])
        guessed = self._guessed_contrasts(views, batch, weights)
        entity = kendall_of_shared(modal, self.log_variances, batch) + jnp.sum(guessed)
        losses = [jnp.sum(joint), entity]
        terms = {"joint": joint[0], "static": joint[1]} | named(modal, self.modalities)
        if self.refinement:
            hidden = [unit(fused.hidden[:, k]) for k in range(count)]
            refined, _ = contrasts(hidden, batch, self.temperature)
            losses.append(kendall_of_shared(refined, self.log_variances, batch))
            terms |= named(refined, self.modalities, "hidden_")
        return jnp.stack(losses), terms | named(guessed, tuple(views.guesses), "imagined_")

    def _guessed_contrasts(self, views: _Views, batch: Pairs, weights: Array) -> Array:
        """ICL of what is imagined, over all real pairs, float32[T]."""
        if not views.guesses:
            return jnp.zeros(0)
        at = jnp.array([self.modalities.index(m) for m in views.guesses])
        real = jnp.broadcast_to(batch.real[:, None], (len(batch.real), len(at)))
        vectors = [guess.vector for guess in views.guesses.values()]
        return contrasts(vectors, batch._replace(shared=real), self.temperature, weights[:, at])[0]

    def _imagination_losses(self, views: _Views) -> tuple[Array, dict[str, Array]]:
        """The weighted losses of CMMI float32[targets, 4], and as terms; on entities with the modality."""
        losses = jnp.stack([self._losses_of(m, views) for m in self.targets])
        names = ("reconstruct_modality", "reconstruct_hybrid", "similarity", "prior")
        return losses, {
            f"{name}_{m}": losses[t, k] for t, m in enumerate(self.targets) for k, name in enumerate(names)
        }

    def _losses_of(self, modality: str, views: _Views) -> Array:
        k, guess = self.modalities.index(modality), views.guesses[modality]
        rows, code = views.has[:, k], guess.code
        # Targets are constants: they must not move to where they are easily guessed.
        known, hybrid = jax.lax.stop_gradient((views.vectors[k], guess.hybrid))
        similar = ial(
            *jnp.split(guess.vector, 2),
            *jnp.split(hybrid, 2),
            self.align_temperature,
            rows[: len(rows) // 2],
            valid2=rows[len(rows) // 2 :],
        )
        losses = (
            softmax_divergence(known, guess.vector, rows),
            softmax_divergence(hybrid, unit(code.reconstruction), rows),
            similar,
            prior_divergence(code.mean, code.log_variance, hybrid.shape[1], rows),
        )
        return jnp.array(self.imagination_weights) * jnp.stack(losses)


def _pairs(views: _Views, pairs: Array) -> Pairs:
    """The batch as the losses read it: a modality is shared where both entities have it or are given it."""
    one, two = jnp.split(views.there, 2)
    return Pairs(pairs.T.reshape(-1), views.there, pairs[:, 0] >= 0, one & two)

"""MIMEA: multi-grained interaction (arXiv 2404.17590; docs/methods/mimea.md)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.losses.transport import transport_loss
from mmea_jax.models.base import AlignmentModel
from mmea_jax.models.embeddings import Embeddings
from mmea_jax.models.terms import (
    Pairs,
    joint_contrast,
    kendall_of_shared,
    modal_contrasts,
    named,
    read_pairs,
    smaller_confidence,
)
from mmea_jax.nn.beta import vector_form
from mmea_jax.nn.fusion import BetaFusion, StaticFusion, hide_modalities
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.normalise import unit

# Temperatures learn in log space within these bounds (docs/methods/mimea.md).
_TEMPERATURES = (0.01, 1.0)


class Mimea(AlignmentModel):
    """Beta experts, transport alignment and modal-adaptive contrast over a multi-modal encoder.

    Attributes (further ones in ``AlignmentModel``; ``width`` is also the number of Beta distributions of a
    modality):
      modality_dropout: share of a pair's modalities that the fusion does not see in training.
      fusion: ``beta``, or ``static`` for a concatenation by shared weights, without distributions.
      temperature: initial τ of every contrastive loss.
      learn_temperature: whether the temperatures train.
      adaptive: whether a pair's uni-modal losses are weighed by the modality's importance to it.
      transport: γ, weight of the transport loss; 0 leaves it out.
      transport_entities: pairs of the batch that the transport problems are solved on.
    """

    modality_dropout: float = 0.0
    fusion: str = "beta"
    temperature: float = 0.1
    learn_temperature: bool = True
    adaptive: bool = True
    transport: float = 0.1
    transport_entities: int = 512

    @property
    def has_distribution(self) -> bool:
        """Whether inference may compare the joint Beta distributions themselves."""
        return self.fusion == "beta"

    def setup(self):
        super().setup()
        count = len(self.modalities)
        self.fuse = BetaFusion(count, self.width) if self.fusion == "beta" else StaticFusion(count)
        self.log_variances = self.param("log_variances", nn.initializers.zeros, (count,))
        initial = nn.initializers.constant(jnp.log(self.temperature))
        self.log_temperatures = self.param("log_temperatures", initial, (count + 1,))
        if self.transport > 0:
            self.modal_maps = [nn.Dense(self.width, use_bias=False) for _ in self.modalities]
            self.joint_map = nn.Dense(self.width, use_bias=False)

    def embed(
        self, inputs: Inputs, entities: Array, structure: Array | None = None, train: bool = False
    ) -> Embeddings:
        """Embeddings of ``entities`` int32[K]; negative ones are padding.

        ``modal`` is float32[K, 2d], ``joint`` float32[K, 2Md], and ``confidence`` float32[K, M] the mean of
        the experts' weights over all distributions.
        """
        vectors = [unit(z) for z in self.modal_vectors(inputs, entities, structure, train)]
        present = inputs.presence(self.modalities, entities)
        shown = present
        if train and self.modality_dropout > 0:
            shown = hide_modalities(self.make_rng("dropout"), present, self.modality_dropout)
        if self.fusion == "static":
            joint, confidence = self.fuse(vectors, present, shown)
            modal = dict(zip(self.modalities, vectors, strict=True))
            return Embeddings(modal, joint, confidence, modalities=self.modalities)
        experts, joint, importance = self.fuse(vectors, present, shown)
        return Embeddings(
            modal={m: vector_form(p) for m, p in zip(self.modalities, experts, strict=True)},
            joint=vector_form(joint),
            confidence=importance,
            distribution=joint,
            modalities=self.modalities,
        )

    def loss(self, inputs: Inputs, pairs: Array) -> tuple[Array, dict[str, Array]]:
        """Total loss and its terms on ``pairs`` int32[B, 2]; rows of −1 are padding."""
        batch = read_pairs(inputs, self.modalities, pairs)
        embeddings = self.embed(inputs, batch.entities, train=True)
        contrast, terms = self._contrast(embeddings, batch)
        if self.transport == 0:
            return contrast, terms
        moved, transport_terms = self._transport(embeddings, batch.present)
        return contrast + self.transport * moved, terms | transport_terms

    def _contrast(self, embeddings: Embeddings, batch: Pairs) -> tuple[Array, dict[str, Array]]:
        """3.4: ``ICL(z_J) + Σ_m λ_m ICL(z_m; s)``, a modality only on pairs of which both have it."""
        temperatures = self._temperatures()
        joint = joint_contrast(embeddings.joint, batch, temperatures[-1])
        weights = None
        if self.adaptive:
            sure = smaller_confidence(embeddings.confidence)
            weights = jax.lax.stop_gradient(sure) * len(self.modalities)
        vectors = list(embeddings.ordered().values())
        losses = modal_contrasts(vectors, batch, temperatures[:-1], weights)
        total = joint + kendall_of_shared(losses, self.log_variances, batch)
        return total, {"joint": joint} | named(losses, self.modalities)

    def _temperatures(self) -> Array:
        """float32[M + 1], the joint one last."""
        low, high = (jnp.log(bound) for bound in _TEMPERATURES)
        temperatures = jnp.exp(jnp.clip(self.log_temperatures, low, high))
        return temperatures if self.learn_temperature else jax.lax.stop_gradient(temperatures)

    def _transport(self, embeddings: Embeddings, present: Array) -> tuple[Array, dict[str, Array]]:
        """3.3: what it costs to move each modality's vectors onto the joint ones, summed over modalities.

        The two KGs are two problems; each is solved on the first ``transport_entities`` pairs of the batch,
        which come in random order.
        """
        batch = len(present) // 2
        rows = min(self.transport_entities, batch)

        def own(x: Array) -> Array:
            """float[2, rows, ...] of float[2B, ...]: the KGs apart."""
            return x.reshape(2, batch, *x.shape[1:])[:, :rows]

        joint = own(unit(self.joint_map(embeddings.joint)))
        modal = [own(unit(f(z))) for f, z in zip(self.modal_maps, embeddings.ordered().values(), strict=True)]
        # One batched solve, [2, M] problems: they compile once and iterate together.
        solve = jax.vmap(jax.vmap(transport_loss, (0, None, 0)))
        solved = solve(jnp.stack(modal, axis=1), joint, jnp.moveaxis(own(present), 2, 1))
        loss = jnp.sum(solved.loss) / 2
        return loss, {
            "transport": loss,
            "transport_converged": jnp.mean(solved.converged.astype(jnp.float32)),
            "transport_iterations": jnp.mean(solved.iterations.astype(jnp.float32)),
        }

"""MEAformer: a transformer over an entity's modalities (arXiv 2212.14454; docs/methods/meaformer.md)."""

import flax.linen as nn
import jax
from jax import Array

from mmea_jax.errors import InputError
from mmea_jax.models.base import AlignmentModel, check_choices
from mmea_jax.models.embeddings import Embeddings
from mmea_jax.models.terms import (
    contrasts,
    kendall_of_shared,
    named,
    read_pairs,
    smaller_confidence,
)
from mmea_jax.nn.filling import filled_rows, with_filled
from mmea_jax.nn.fusion import StaticFusion
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.normalise import unit
from mmea_jax.nn.transformer import CrossModalFusion
from mmea_jax.vocabulary import MODALITIES

_FUSIONS = ("transformer", "static")


class Meaformer(AlignmentModel):
    """Dynamic weights of the modalities, and contrast before and after the layer that gives them.

    Attributes (further ones in ``AlignmentModel``):
      fills: modalities whose absent rows are filled, as in UMAEA's first stage; the published code fills all.
        Others stay out of the fusion and of their losses.
      fusion: ``transformer``, or ``static`` for weights that all entities share and no hidden tokens.
      fusion_heads: heads of the transformer layer.
      inner: width of its feed-forward part.
      dropout: its rate.
      temperature: τ of all losses.
      contrast: whether the modal vectors have contrastive losses.
      hidden_contrast: whether the hidden tokens have.
      adaptive: whether a pair's modal losses are weighed by the smaller of its entities' confidences, times
        ``M``, as in UMAEA; the published code of MEAformer does not.
    """

    fills: tuple[str, ...] = ()
    fusion: str = "transformer"
    fusion_heads: int = 1
    inner: int = 400
    dropout: float = 0.1
    temperature: float = 0.1
    contrast: bool = True
    hidden_contrast: bool = True
    adaptive: bool = False

    def setup(self):
        super().setup()
        check_choices("fills", self.fills, MODALITIES[1:])
        check_choices("fusion", (self.fusion,), _FUSIONS)
        if self.fusion_heads < 1 or self.width % self.fusion_heads:
            raise InputError(
                f"{self.fusion_heads} heads for a width of {self.width}",
                expected="a number of heads that divides the width",
                mend="change --config.model.fusion_heads or --config.model.width",
            )
        count = len(self.modalities)
        if self.fusion == "transformer":
            self.fuse = CrossModalFusion(self.fusion_heads, self.inner, self.dropout)
        else:
            self.fuse = StaticFusion(count)
        if self.contrast or self.hidden_contrast:
            # One weight a modality for both of its losses, as in the published code.
            self.log_variances = self.param("log_variances", nn.initializers.zeros, (count,))

    def embed(
        self, inputs: Inputs, entities: Array, structure: Array | None = None, train: bool = False
    ) -> Embeddings:
        """Embeddings of ``entities`` int32[K]; negative ones are padding.

        ``modal`` is float32[K, d], ``joint`` float32[K, Md], and ``confidence`` float32[K, M].
        """
        return self._embed(inputs, entities, structure, train)[0]

    def loss(self, inputs: Inputs, pairs: Array) -> tuple[Array, dict[str, Array]]:
        """Total loss and its terms on ``pairs`` int32[B, 2]; rows of −1 are padding."""
        batch = read_pairs(inputs, self.modalities, pairs, self.fills)
        embeddings, hidden = self._embed(inputs, batch.entities, None, train=True)
        weights = None
        if self.adaptive:
            sure = smaller_confidence(embeddings.confidence)
            weights = jax.lax.stop_gradient(sure) * len(self.modalities)
        units, sure = list(embeddings.ordered().values()), embeddings.confidence
        modal, (total,) = contrasts(units, batch, self.temperature, weights, [sure])
        views = {"": modal} if self.contrast else {}
        terms = {"joint": total}
        if self.hidden_contrast and hidden is not None:
            views["hidden_"], _ = contrasts(hidden, batch, self.temperature, weights)
        for prefix, losses in views.items():
            total += kendall_of_shared(losses, self.log_variances, batch)
            terms |= named(losses, self.modalities, prefix)
        return total, terms

    def _embed(
        self, inputs: Inputs, entities: Array, structure: Array | None, train: bool
    ) -> tuple[Embeddings, list[Array] | None]:
        """Embeddings, and the hidden tokens as unit rows, ``M`` arrays float32[K, d]."""
        rows = filled_rows(inputs, self.fills, entities)
        vectors = self.modal_vectors(inputs, entities, structure, train, rows)
        present = with_filled(
            inputs.presence(self.modalities, entities), entities, self.modalities, self.fills
        )
        units = [unit(z) for z in vectors]
        if self.fusion == "static":
            joint, confidence = self.fuse(units, present)
            hidden = None
        else:
            fused = self.fuse(vectors, present, train)
            joint, confidence = fused.joint, fused.confidence
            hidden = [unit(fused.hidden[:, k]) for k in range(len(self.modalities))]
        modal = dict(zip(self.modalities, units, strict=True))
        return Embeddings(modal, joint, confidence, modalities=self.modalities), hidden

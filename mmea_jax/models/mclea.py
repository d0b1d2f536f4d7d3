"""MCLEA: multi-modal contrastive representation learning (arXiv 2209.00891; docs/methods/mclea.md)."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from mmea_jax.losses.alignment import ial
from mmea_jax.models.base import AlignmentModel
from mmea_jax.models.embeddings import Embeddings
from mmea_jax.models.terms import (
    Pairs,
    contrasts,
    kendall_of_shared,
    named,
    read_pairs,
)
from mmea_jax.nn.fusion import StaticFusion
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.normalise import unit


class Mclea(AlignmentModel):
    """Contrast within each modality and of the joint vectors, and alignment of each modality to them.

    Attributes (further ones in ``AlignmentModel``):
      temperature: τ of the contrastive losses.
      alignment_temperature: τ₂ of the alignment losses.
      contrast: whether modalities have contrastive losses of their own.
      zoom: scale of the alignment losses; 0 leaves them out.
    """

    temperature: float = 0.1
    alignment_temperature: float = 4.0
    contrast: bool = True
    zoom: float = 0.1

    def setup(self):
        super().setup()
        count = len(self.modalities)
        self.fuse = StaticFusion(count)
        if self.contrast:
            self.log_variances = self.param("log_variances", nn.initializers.zeros, (count,))
        if self.zoom > 0:
            self.alignment = self.param("alignment_log_variances", nn.initializers.zeros, (count,))

    def embed(
        self, inputs: Inputs, entities: Array, structure: Array | None = None, train: bool = False
    ) -> Embeddings:
        """Embeddings of ``entities`` int32[K]; negative ones are padding.

        ``modal`` is float32[K, d], ``joint`` float32[K, Md], and ``confidence`` float32[K, M] the shared
        weights over the modalities that an entity has.
        """
        vectors = [unit(x) for x in self.modal_vectors(inputs, entities, structure, train)]
        joint, confidence = self.fuse(vectors, inputs.presence(self.modalities, entities))
        modal = dict(zip(self.modalities, vectors, strict=True))
        return Embeddings(modal, joint, confidence, modalities=self.modalities)

    def loss(self, inputs: Inputs, pairs: Array) -> tuple[Array, dict[str, Array]]:
        """Total loss and its terms on ``pairs`` int32[B, 2]; rows of −1 are padding."""
        batch = read_pairs(inputs, self.modalities, pairs)
        embeddings = self.embed(inputs, batch.entities, train=True)
        units = list(embeddings.ordered().values())
        losses, (total,) = contrasts(units, batch, self.temperature, mixes=[embeddings.confidence])
        terms = {"joint": total}
        if self.contrast:
            total += kendall_of_shared(losses, self.log_variances, batch)
            terms |= named(losses, self.modalities)
        if self.zoom > 0:
            losses = self._alignments(embeddings, batch)
            total += kendall_of_shared(losses, self.alignment, batch)
            terms |= named(losses, self.modalities, "alignment_")
        return total, terms

    def _alignments(self, embeddings: Embeddings, batch: Pairs) -> Array:
        """IAL of every modality to the joint vectors over its shared pairs, float32[M]."""
        target = jnp.split(embeddings.joint, 2)
        return jnp.stack(
            [
                ial(
                    *jnp.split(z, 2),
                    *target,
                    self.alignment_temperature,
                    batch.shared[:, k],
                    zoom=self.zoom,
                )
                for k, z in enumerate(embeddings.ordered().values())
            ]
        )

"""EVA: visual pivoting for entity alignment (arXiv 2009.13603; docs/methods/eva.md)."""

import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.errors import InputError
from mmea_jax.losses.neighbourhood import nca
from mmea_jax.models.base import AlignmentModel
from mmea_jax.models.embeddings import Embeddings
from mmea_jax.models.terms import read_pairs
from mmea_jax.nn.fusion import StaticFusion
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.normalise import unit
from mmea_jax.vocabulary import STRUCTURE


class Eva(AlignmentModel):
    """Each modality trains by a neighbourhood loss of its own; the joint one trains only their weights.

    Attributes (further ones in ``AlignmentModel``):
      alpha_structure: α of the structure vectors' loss.
      alpha: α of all other losses.
      beta: β of all losses.
      modal_losses: whether each modality has a loss of its own. Where not, the joint loss trains the
        encoders, too.
      joint_loss: whether the joint vectors have a loss. Where not, all modalities weigh the same.
    """

    encoder: str = "convolution"
    alpha_structure: float = 5.0
    alpha: float = 15.0
    beta: float = 10.0
    modal_losses: bool = True
    joint_loss: bool = True

    def setup(self):
        super().setup()
        if not (self.modal_losses or self.joint_loss):
            raise InputError(
                "a model without any loss",
                expected="model.modal_losses, model.joint_loss or both",
                mend="switch one of them on",
            )
        self.fuse = StaticFusion(len(self.modalities))

    def embed(
        self, inputs: Inputs, entities: Array, structure: Array | None = None, train: bool = False
    ) -> Embeddings:
        """Embeddings of ``entities`` int32[K]; negative ones are padding.

        ``modal`` is float32[K, d], ``joint`` float32[K, Md], and ``confidence`` float32[K, M] the shared
        weights over the modalities that an entity has.
        """
        vectors = [unit(x) for x in self.modal_vectors(inputs, entities, structure, train)]
        parts = [jax.lax.stop_gradient(z) for z in vectors] if self.modal_losses else vectors
        joint, confidence = self.fuse(parts, inputs.presence(self.modalities, entities))
        modal = dict(zip(self.modalities, vectors, strict=True))
        return Embeddings(modal, joint, confidence, modalities=self.modalities)

    def loss(self, inputs: Inputs, pairs: Array) -> tuple[Array, dict[str, Array]]:
        """Total loss and its terms on ``pairs`` int32[B, 2]; rows of −1 are padding."""
        batch = read_pairs(inputs, self.modalities, pairs)
        embeddings = self.embed(inputs, batch.entities, train=True)
        terms = {}
        if self.joint_loss:
            terms["joint"] = nca(*jnp.split(embeddings.joint, 2), self.alpha, self.beta, batch.real)
        if self.modal_losses:
            for k, (m, z) in enumerate(embeddings.ordered().items()):
                alpha = self.alpha_structure if m == STRUCTURE else self.alpha
                terms[m] = nca(*jnp.split(z, 2), alpha, self.beta, batch.shared[:, k])
        return sum(terms.values()), terms

"""What an alignment model gives for the entities it is asked for."""

from flax import struct
from jax import Array

from mmea_jax.nn.beta import Beta


@struct.dataclass
class Embeddings:
    """Embeddings of ``K`` entities.

    Attributes:
      modal: unit rows float32[K, ·] by modality; a row of an entity without it is meaningless.
      joint: float32[K, D], unit rows.
      confidence: float32[K, M], the weight of each modality, 0 for an absent one, summing to 1.
      distribution: joint Beta distributions, for methods that have them.
      context: float32[K, D], what the neighbours' joint embeddings say, where a comparison wants it: rows
        as long as the root of its weight, zero for an entity without neighbours.
      modalities: names of the columns of ``confidence``. The order of ``modal`` says nothing: JAX sorts a
        dictionary's keys wherever it crosses a jit boundary.
    """

    modal: dict[str, Array]
    joint: Array
    confidence: Array
    distribution: Beta | None = None
    context: Array | None = None
    modalities: tuple[str, ...] = struct.field(pytree_node=False, default=())

    def ordered(self) -> dict[str, Array]:
        """``modal`` in the order of the columns of ``confidence``."""
        return {m: self.modal[m] for m in self.modalities}

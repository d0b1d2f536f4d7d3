"""What an alignment model gives for the entities it is asked for."""

from flax import struct
from jax import Array

from mmea_jax.nn.beta import Beta


@struct.dataclass
class Support:
    """What the neighbours of ``K`` entities say about their counterparts (`matching.consensus`).

    Attributes:
      entities: int32[K], the entities themselves.
      columns: int32[K, S], entities of KG 2 that have support, −1 for none, as in all rows of KG 2 itself.
      values: float32[K, S], how much, 0 for none.
    """

    entities: Array
    columns: Array
    values: Array


@struct.dataclass
class Embeddings:
    """Embeddings of ``K`` entities.

    Attributes:
      modal: unit rows float32[K, ·] by modality; a row of an entity without it is meaningless.
      joint: float32[K, D], unit rows.
      confidence: float32[K, M], the weight of each modality, 0 for an absent one, summing to 1.
      distribution: joint Beta distributions, for methods that have them.
      support: of the neighbours' matches, where a comparison wants it.
      weights: of the joint similarity and of each modality's, where a comparison weighs them; equal if none.
      modalities: names of the columns of ``confidence``. The order of ``modal`` says nothing: JAX sorts a
        dictionary's keys wherever it crosses a jit boundary.
    """

    modal: dict[str, Array]
    joint: Array
    confidence: Array
    distribution: Beta | None = None
    support: Support | None = None
    weights: tuple[float, ...] = struct.field(pytree_node=False, default=())
    modalities: tuple[str, ...] = struct.field(pytree_node=False, default=())

    def ordered(self) -> dict[str, Array]:
        """``modal`` in the order of the columns of ``confidence``."""
        return {m: self.modal[m] for m in self.modalities}

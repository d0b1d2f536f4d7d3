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
    """

    modal: dict[str, Array]
    joint: Array
    confidence: Array
    distribution: Beta | None = None

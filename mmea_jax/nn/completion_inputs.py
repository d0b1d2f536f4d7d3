"""What a completion model reads, as one pytree of arrays."""

from flax import struct
from jax import Array

from mmea_jax.nn.known_triples import KnownTriples


@struct.dataclass
class CompletionInputs:
    """Features, and what corruptions of training triples must avoid.

    Attributes:
      features: float32[N, f] by modality (visual, text); rows of absent entities are zero.
      present: bool[N] by modality.
      known: training triples.
      head_probability: float32[R], the chance that a corruption replaces the head.
    """

    features: dict[str, Array]
    present: dict[str, Array]
    known: KnownTriples
    head_probability: Array

"""What alignment methods with a multi-modal encoder have in common."""

import flax.linen as nn
from jax import Array

from mmea_jax.errors import InputError, closest
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.modal import ModalEncoder


class AlignmentModel(nn.Module):
    """Structure and modal encoders under the name ``encode``; methods add ``embed`` and ``loss``.

    A subclass with a ``setup`` of its own calls this one's first.

    Attributes:
      modalities: what the data offer, structure first.
      num_entities: ``N``.
      width: hidden width ``d``.
      encoder: structure encoder, ``attention`` or ``convolution``.
      layers: its layers.
      heads: its attention heads.
      entity_dropout: share of the entity table's rows that a training step hides.
      initial: how linear layers start, ``normal`` or, as in the published code, ``uniform``.
    """

    modalities: tuple[str, ...]
    num_entities: int
    width: int = 300
    encoder: str = "attention"
    layers: int = 2
    heads: int = 2
    entity_dropout: float = 0.0
    initial: str = "normal"

    def setup(self):
        if self.encoder == "translation":
            raise InputError(
                "model.encoder = 'translation' for a method that reads no triples",
                expected="'attention' or 'convolution'",
                mend="change --config.model.encoder",
            )
        self.encode = ModalEncoder(
            self.modalities,
            self.num_entities,
            self.width,
            self.encoder,
            self.layers,
            self.heads,
            self.entity_dropout,
            self.initial,
        )

    @property
    def has_distribution(self) -> bool:
        """Whether inference may compare the joint Beta distributions themselves."""
        return False

    def structure(self, inputs: Inputs) -> Array:
        """Structure vectors float32[N, d] at inference, which ``embed`` can be given."""
        return self.encode.structure(inputs)

    def modal_vectors(
        self,
        inputs: Inputs,
        entities: Array,
        structure: Array | None,
        train: bool,
        rows: dict[str, Array] | None = None,
    ) -> list[Array]:
        """Vectors float32[K, d] of ``entities`` int32[K], not normalised, one array a modality in order.

        A row of an entity without the modality is meaningless. ``structure`` is computed where not given, and
        ``rows`` are features in place of the inputs' own, as for ``ModalEncoder``.
        """
        structure = self.encode.structure(inputs, train) if structure is None else structure
        hidden = self.encode(inputs, entities, structure, rows)
        return [hidden[m] for m in self.modalities]


def check_choices(name: str, values: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    """Refuses values of the hyperparameter ``name`` that are not allowed.

    Raises:
      InputError: naming the value, the closest allowed one and all of them.
    """
    for value in values:
        if value not in allowed:
            raise InputError(
                f"model.{name} = {value!r}{closest(value, allowed)}",
                expected=f"{', '.join(allowed)}",
                mend=f"correct --config.model.{name}",
            )

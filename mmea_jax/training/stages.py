"""A stage of training as data."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Stage:
    """What one stage trains, for how long, and how.

    Attributes:
      name: for logs and results.
      epochs: passes over the training links.
      learning_rate: peak.
      weight_decay: AdamW's; none on loss weights and temperatures.
      warmup: share of the steps in which the rate rises linearly; a cosine to 0 follows.
      clip: largest global norm of the gradient.
      batch_size: at most so many pairs a step; batches are made of equal size.
      rates: regular expression on a parameter's path → factor of its learning rate; the first that
        matches counts. Loss weights learn at five times the rate unless said otherwise.
      trains: regular expressions; parameters whose path matches one train, the others stay frozen and
        get no optimizer state.
      flags: keyword arguments for the model's ``loss``.
    """

    name: str
    epochs: int
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    warmup: float = 0.1
    clip: float = 1.0
    batch_size: int = 2048
    rates: Mapping[str, float] = dataclasses.field(default_factory=dict)
    trains: tuple[str, ...] = (".*",)
    flags: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def trained(self, path: str) -> bool:
        """Whether the parameter at ``path``, such as ``params/encode/entities``, trains in this stage."""
        return any(re.search(pattern, path) for pattern in self.trains)


def batches_of(links: int, batch_size: int) -> tuple[int, int]:
    """Steps of an epoch and pairs of a step: equal batches, so that little is padded.

    4,050 links at 3,500 a step at most make two steps of 2,025, not one of 3,500 and one of 550.
    """
    steps = max(1, -(-links // batch_size))
    return steps, -(-links // steps)

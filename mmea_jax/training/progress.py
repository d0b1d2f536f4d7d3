"""What changes while an alignment method trains, and what the loop tells of it."""

import dataclasses

from mmea_jax.matching import pseudo_links
from mmea_jax.training.steps import TrainState


@dataclasses.dataclass
class StageRecord:
    """What one stage did, as ``results.json`` reports it.

    Attributes:
      name: of the stage.
      epochs: passes made.
      steps: optimizer steps made.
      skipped: those among them that changed nothing, as a loss or gradient was not finite.
      seconds: wall-clock of training steps, without compilation and validation.
      epoch_seconds: of every pass, in order.
      epoch_steps: optimizer steps of every pass, likewise; a cap may cut the last one short.
      best_valid_mrr: of the selected weights; None where nothing was held out.
      best_epoch: the pass whose weights were selected, counted from 1.
    """

    name: str
    epochs: int = 0
    steps: int = 0
    skipped: int = 0
    seconds: float = 0.0
    epoch_seconds: list[float] = dataclasses.field(default_factory=list)
    epoch_steps: list[int] = dataclasses.field(default_factory=list)
    best_valid_mrr: float | None = None
    best_epoch: int = 0

    def add_pass(self, steps: int, skipped: int, seconds: float) -> None:
        """Counts one more pass."""
        self.epochs, self.steps, self.skipped = self.epochs + 1, self.steps + steps, self.skipped + skipped
        self.seconds += seconds
        self.epoch_seconds.append(seconds)
        self.epoch_steps.append(steps)


@dataclasses.dataclass
class Progress:
    """Everything that changes while training runs; arrays and plain values only, so that it can be saved.

    Attributes:
      state: parameters and optimizer of the current stage.
      best: parameters with the best validation so far in this stage.
      pseudo: state of iterative learning.
      stage: index of the current stage.
      epoch: passes made in it.
      records: one for each stage begun.
    """

    state: TrainState
    best: dict
    pseudo: pseudo_links.PseudoLinks
    stage: int = 0
    epoch: int = 0
    records: list[StageRecord] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Event:
    """What the loop tells after every epoch.

    Attributes:
      stage: name.
      epoch: passes made in the stage.
      epochs: passes that the stage will make.
      step: optimizer steps of all stages.
      terms: mean loss terms over the epoch.
      valid_mrr: of this epoch, if it was validated.
      accepted: pseudo-links in use.
      skipped: updates of this epoch that were left out as not finite.
    """

    stage: str
    epoch: int
    epochs: int
    step: int
    terms: dict[str, float]
    valid_mrr: float | None
    accepted: int
    skipped: int = 0

"""How long each stage trains, and in what batches: what follows from stages, links and caps alone."""

import dataclasses

import numpy as np
import optax

from mmea_jax.matching import pseudo_links
from mmea_jax.nn.triples import count_swapped
from mmea_jax.training.optimizer import make_optimizer
from mmea_jax.training.options import TrainOptions
from mmea_jax.training.stages import Stage


class Schedule:
    """The stages under a run's caps.

    Args:
      stages: in order.
      links: int32[L, 2], training links.
      options: whose caps hold.
      capacity: links that there is room for, with those that iterative learning finds.
      triples: int[T, 3], of stages that go through them; None without such stages.
      num_entities: ``N``.

    Attributes:
      stages: with the batches and passes that the caps leave.
    """

    def __init__(
        self,
        stages: tuple[Stage, ...],
        links: np.ndarray,
        options: TrainOptions,
        capacity: int,
        triples: np.ndarray | None,
        num_entities: int,
    ):
        self._links, self._options, self._capacity = links, options, capacity
        self._triples, self._num_entities = triples, num_entities
        self.stages = tuple(self._capped(stage) for stage in stages)

    def batch(self, stage: Stage) -> int:
        """Pairs of a step."""
        return stage.batches(len(self._links))[1]

    def triple_batches(self, stage: Stage) -> tuple[int, int] | None:
        """Steps of a pass over the triples, swapped ones included, and triples of a step, where it is one."""
        if not stage.triple_batch:
            return None
        return stage.triple_batches(count_swapped(self._triples, self._links, self._num_entities))

    def steps(self, stage: Stage) -> int:
        """Optimizer steps of an epoch."""
        return (self.triple_batches(stage) or stage.batches(len(self._links)))[0]

    def optimizer(self, stage: Stage) -> optax.GradientTransformation:
        """Of the stage, with a rate that falls over all of its steps."""
        return make_optimizer(stage, stage.epochs * self.steps(stage))

    def apart(self, stage: Stage, found: pseudo_links.PseudoLinks) -> tuple[int, int] | None:
        """Seed links, and pseudo-links of a step, where the stage keeps them apart and there are any."""
        if not stage.pseudo_batch or not len(pseudo_links.accepted_links(found)):
            return None
        return len(self._links), min(stage.pseudo_batch, self._capacity - len(self._links))

    def program(self, stage: Stage, found: pseudo_links.PseudoLinks) -> tuple[str, tuple[int, int] | None]:
        """What its compiled epoch is kept under: stages that differ in name alone, as cycles do, share it."""
        alike = next(s for s in self.stages if dataclasses.replace(s, name=stage.name) == stage)
        return alike.name, self.apart(stage, found)

    def steps_left(self, taken: int, steps: int) -> int:
        """Of the ``steps`` of an epoch, those that the cap leaves after the ``taken`` ones of the stage."""
        cap = self._options.max_steps
        return min(steps, cap - taken) if cap else steps

    def epochs_before(self, index: int) -> int:
        """Passes of the stages before the one of that index."""
        return sum(stage.epochs for stage in self.stages[:index])

    def _capped(self, stage: Stage) -> Stage:
        options = self._options
        stage = dataclasses.replace(stage, batch_size=options.batch_size or stage.batch_size)
        epochs = min(stage.epochs, options.max_epochs or stage.epochs)
        if options.max_steps:
            epochs = min(epochs, -(-options.max_steps // self.steps(stage)))
        return dataclasses.replace(stage, epochs=epochs)

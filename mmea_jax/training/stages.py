"""A stage of training as data."""

import dataclasses
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmea_jax.errors import InputError

log = logging.getLogger("mmea_jax")


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
      batch_size: at most so many pairs a step.
      triple_batch: triples a step at most, for methods that embed by translation; 0 for the others. A pass
        is then one over the triples, and its steps take the batches of pairs in turn.
      pseudo_batch: links found by iterative learning that a step gives to the model's ``loss`` as ``pseudo``,
        apart from the seed links, at most; 0 for methods that take them for seed links.
      equal_batches: whether the batches of a pass are made of equal size; otherwise all but the last are
        full, as in the published code.
      rates: regular expression on a parameter's path → factor of its learning rate; the first that
        matches counts. Loss weights learn at five times the rate unless said otherwise.
      undecayed: regular expressions; parameters whose path matches one are not decayed.
      trains: regular expressions; parameters whose path matches one train, the others stay frozen and
        get no optimizer state.
      flags: keyword arguments for the model's ``loss``.
      inference: keyword arguments for the model's ``embed``, wherever this stage's weights are used.
      needs: name of a property of the model without which the stage is left out.
      hold: weight of the penalty that keeps parameters near where the stage before left them, each as
        firmly as the model's ``sensitivity`` to it is large (memory-aware synapses); 0 for none.
      held: regular expressions on the paths of the parameters that the penalty holds.
    """

    name: str
    epochs: int
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    warmup: float = 0.1
    clip: float = 1.0
    batch_size: int = 2048
    triple_batch: int = 0
    pseudo_batch: int = 0
    equal_batches: bool = True
    rates: Mapping[str, float] = dataclasses.field(default_factory=dict)
    undecayed: tuple[str, ...] = ()
    trains: tuple[str, ...] = (".*",)
    flags: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    inference: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    needs: str = ""
    hold: float = 0.0
    held: tuple[str, ...] = (".*",)

    def trained(self, path: str) -> bool:
        """Whether the parameter at ``path``, such as ``params/encode/entities``, trains in this stage."""
        return matches(self.trains, path)

    def batches(self, links: int) -> tuple[int, int]:
        """Steps of an epoch over ``links`` and pairs of a step; the last batch may be padded."""
        if self.equal_batches:
            return batches_of(links, self.batch_size)
        return max(1, -(-links // self.batch_size)), min(links, self.batch_size)

    def last_batch(self, links: int) -> int | None:
        """Pairs of an epoch's last batch, if it is worth a step of its own: at most half of the others'."""
        steps, batch = self.batches(links)
        last = links - (steps - 1) * batch
        return last if last <= batch // 2 and not self.triple_batch else None

    def triple_batches(self, triples: int) -> tuple[int, int]:
        """Steps of a pass over so many ``triples`` and triples of a step; for stages that have any."""
        return batches_of(triples, self.triple_batch)


def matches(patterns: Iterable[str], path: str) -> bool:
    """Whether one of the regular expressions is found in ``path``."""
    return any(re.search(pattern, path) for pattern in patterns)


def batches_of(links: int, batch_size: int) -> tuple[int, int]:
    """Steps of an epoch and pairs of a step: equal batches, so that little is padded.

    4,050 links at 3,500 a step at most make two steps of 2,025, not one of 3,500 and one of 550.
    """
    steps = max(1, -(-links // batch_size))
    return steps, -(-links // steps)


def planned(stages: Sequence[Stage], model: Any, cycles: int = 1) -> tuple[Stage, ...]:
    """The stages that a run goes through.

    Args:
      stages: as configured.
      model: whose properties the stages may need.
      cycles: how many times the stages run, one cycle after the other.

    Raises:
      InputError: the model offers nothing that any of the stages needs, or a stage has triples for a model
        that reads none.
    """
    for stage in stages:
        if stage.triple_batch and not getattr(model, "reads_triples", False):
            raise InputError(
                f"stages.{stage.name}.triple_batch = {stage.triple_batch} for a method without triples",
                expected="0, but for methods that embed by translation",
                mend=f"leave out --config.stages.{stage.name}.triple_batch",
            )
    kept = [stage for stage in stages if not stage.needs or getattr(model, stage.needs, False)]
    for stage in stages:
        if stage not in kept:
            log.info("stage %s left out: the model has no use for it here (%s)", stage.name, stage.needs)
    if not kept:
        raise InputError(
            f"no stage left of {', '.join(stage.name for stage in stages)}",
            expected="a stage that the model can use with these modalities",
            mend="switch on the modality that the stages are for",
        )
    repeats = [
        dataclasses.replace(stage, name=f"{stage.name}-{cycle}")
        for cycle in range(2, cycles + 1)
        for stage in kept
    ]
    return (*kept, *repeats)

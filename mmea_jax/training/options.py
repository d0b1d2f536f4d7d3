"""Options of training and matching, with defaults; a configuration object goes no deeper than these."""

import dataclasses

from mmea_jax.errors import InputError, closest
from mmea_jax.training.finite import ON_NAN
from mmea_jax.training.products import PRODUCTS


@dataclasses.dataclass(frozen=True)
class IterativeOptions:
    """Iterative learning (docs/methods/shared.md)."""

    start: int = 0  # first epoch with a round of proposals; 0: no iterative learning
    every: int = 1  # epochs from one round to the next
    patience: int = 10  # consecutive rounds in which a pair must be mutual nearest to become a link


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """How to train; the stages come from the method's configuration."""

    max_epochs: int = 0  # caps the epochs of every stage (its schedule shrinks along); 0: no cap
    max_steps: int = 0  # caps the optimizer steps of every stage likewise; 0: no cap
    cycles: int = 1  # times that all stages run, one cycle after the other; iterative runs may repeat them
    batch_size: int = 0  # overrides the stages' pairs a step; 0: as the stages say
    protocol: str = "validated"  # 'validated': epoch chosen on held-out links | 'published': on test links
    evaluate_every: int = 5  # epochs between validations; a checkpoint follows each
    patience: int = 0  # epochs without a better validation after which a stage ends early; 0: it does not
    # 'none': the split's links train | 'visual', 'name', 'char': unsupervised, the nearest pairs by it do
    pivot: str = "none"
    pivots: int = 1000  # how many of them
    on_nan: str = "stop"  # at a loss or gradient that is not finite; 'skip' leaves that update out
    devices: int = 0  # that tables, edges, pairs and matching are split over; 0: all that there are
    neighbours: int = 0  # that a step draws of each entity and of these, instead of the whole graph; 0: all
    # Products within a training step; sums are float32. 'default': as the device does by itself; on CPUs
    # always float32.
    products: str = "default"  # 'float32' | 'tensorfloat32' | 'bfloat16'
    memory_limit: float = 0.0  # GiB that a run may use; 0: what the machine has free
    iterative: IterativeOptions = IterativeOptions()


@dataclasses.dataclass(frozen=True)
class MatchingOptions:
    """How embeddings are compared at inference."""

    # 'joint' | 'joint+modal' | 'joint+importance' | 'joint+weighed' (by validation links) | 'kl'
    score: str = "joint"
    consensus: int = 0  # rounds in which entities are compared by their neighbours' matches too; 0: none
    csls_k: int = 3  # neighbours of CSLS
    candidates: str = "test"  # 'test': test entities of the other side | 'all': every entity of it
    assignment: bool = True  # one-to-one assignment by Sinkhorn; takes memory for three score matrices


def check_train(options: TrainOptions) -> None:
    """Refuses values outside their range.

    Raises:
      InputError: naming the key, the value and what is allowed.
    """
    _choice("train.protocol", options.protocol, ("validated", "published"))
    _choice("train.on_nan", options.on_nan, ON_NAN)
    _choice("train.products", options.products, PRODUCTS)
    _choice("train.pivot", options.pivot, ("none", "visual", "name", "char"))
    _at_least("train.pivots", options.pivots, 1)
    if options.pivot != "none" and options.protocol == "published":
        raise InputError(
            f"train.pivot = {options.pivot!r} with train.protocol = 'published'",
            expected="another protocol, as this one chooses the epoch on test links, which are gold links",
            mend="leave out --config.train.protocol",
        )
    caps = ("max_epochs", "max_steps", "batch_size", "memory_limit")
    for name in (*caps, "patience", "devices", "neighbours"):
        _at_least(f"train.{name}", getattr(options, name), 0)
    _at_least("train.cycles", options.cycles, 1)
    _at_least("train.evaluate_every", options.evaluate_every, 1)
    _at_least("train.iterative.start", options.iterative.start, 0)
    _at_least("train.iterative.every", options.iterative.every, 1)
    _at_least("train.iterative.patience", options.iterative.patience, 1)


def check_matching(options: MatchingOptions) -> None:
    """Refuses values outside their range; which scores a model offers is checked where the model is known.

    Raises:
      InputError: naming the key, the value and what is allowed.
    """
    _choice("matching.candidates", options.candidates, ("test", "all"))
    _at_least("matching.csls_k", options.csls_k, 1)
    _at_least("matching.consensus", options.consensus, 0)


def _choice(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(
            f"{key} = {value!r}{closest(value, allowed)}",
            expected=f"one of {', '.join(allowed)}",
            mend=f"change --config.{key}",
        )


def _at_least(key: str, value: float, least: float) -> None:
    if value < least:
        raise InputError(f"{key} = {value}", expected=f"at least {least}", mend=f"change --config.{key}")

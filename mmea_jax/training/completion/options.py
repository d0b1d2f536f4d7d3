"""Options of training and prediction for completion, with defaults."""

import dataclasses

from mmea_jax.errors import InputError, closest
from mmea_jax.training.finite import ON_NAN
from mmea_jax.training.products import PRODUCTS

LOSSES = ("self_adversarial", "1vsall")
OPTIMIZERS = ("adam", "adagrad")
PROTOCOLS = ("validated", "published")


@dataclasses.dataclass(frozen=True)
class CompletionTrainOptions:
    """How to train."""

    loss: str = "self_adversarial"  # or '1vsall': cross-entropy over all entities
    epochs: int = 1000  # passes over the training triples
    batch_size: int = 1024  # triples a step at most; batches are made of equal size
    negatives: int = 128  # corruptions of each triple, for 'self_adversarial'
    optimizer: str = "adam"  # 'adam' | 'adagrad'
    learning_rate: float = 1e-4
    fusion_rate: float = 1.0  # factor of the rate for projections, attention and feature tables
    generator_rate: float = 1e-4  # Adam's, of the generators
    max_epochs: int = 0  # caps the epochs; 0: no cap
    max_steps: int = 0  # caps the optimizer steps; 0: no cap
    protocol: str = "validated"  # epoch chosen on validation triples | 'published': all train, last epoch
    evaluate_every: int = 5  # epochs between validations; a checkpoint follows each
    patience: int = 0  # epochs without a better validation after which training ends early; 0: it does not
    on_nan: str = "stop"  # at a loss or gradient that is not finite; 'skip' leaves that update out
    # Products within a training step; sums are float32. 'default': as the device does by itself; on CPUs
    # always float32.
    products: str = "default"  # 'float32' | 'tensorfloat32' | 'bfloat16'
    memory_limit: float = 0.0  # GiB that a run may use; 0: what the machine has free

    def capped(self, triples: int) -> tuple[int, int, int]:
        """``(epochs, steps an epoch, triples a step)`` under the caps; the last epoch may be cut short."""
        steps = max(1, -(-triples // self.batch_size))
        epochs = min(self.epochs, self.max_epochs or self.epochs)
        if self.max_steps:
            epochs = min(epochs, -(-self.max_steps // steps))
        return epochs, steps, -(-triples // steps)


@dataclasses.dataclass(frozen=True)
class AnswerOptions:
    """What ``--mode predict`` and ``--mode complete`` tell."""

    top: int = 10  # answers to a query
    min_probability: float = 0.5  # of new triples that are written


def check_completion_train(options: CompletionTrainOptions) -> None:
    """Refuses values outside their range.

    Raises:
      InputError: naming the key, the value and what is allowed.
    """
    choices = {
        "loss": LOSSES,
        "optimizer": OPTIMIZERS,
        "protocol": PROTOCOLS,
        "on_nan": ON_NAN,
        "products": PRODUCTS,
    }
    for key, allowed in choices.items():
        value = getattr(options, key)
        if value not in allowed:
            raise _refused(f"train.{key} = {value!r}{closest(value, allowed)}", allowed, f"train.{key}")
    for key in ("max_epochs", "max_steps", "patience", "memory_limit"):
        _at_least(f"train.{key}", getattr(options, key), 0)
    for key in ("epochs", "batch_size", "negatives", "evaluate_every"):
        _at_least(f"train.{key}", getattr(options, key), 1)
    for key in ("learning_rate", "fusion_rate", "generator_rate"):
        if not getattr(options, key) > 0:
            raise InputError(
                f"train.{key} = {getattr(options, key)}",
                expected="a positive number",
                mend=f"change --config.train.{key}",
            )


def check_answers(options: AnswerOptions) -> None:
    """Refuses values outside their range.

    Raises:
      InputError: naming the key, the value and what is allowed.
    """
    _at_least("answers.top", options.top, 1)
    if not 0 <= options.min_probability <= 1:
        raise InputError(
            f"answers.min_probability = {options.min_probability}",
            expected="a probability in [0, 1]",
            mend="change --config.answers.min_probability",
        )


def _refused(found: str, allowed: tuple[str, ...], key: str) -> InputError:
    return InputError(found, expected=f"one of {', '.join(allowed)}", mend=f"change --config.{key}")


def _at_least(key: str, value: float, least: float) -> None:
    if value < least:
        raise InputError(f"{key} = {value}", expected=f"at least {least}", mend=f"change --config.{key}")

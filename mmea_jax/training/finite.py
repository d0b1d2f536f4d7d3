"""Losses and gradients that are not finite: noticed on the device, named on the host."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

ON_NAN = ("stop", "skip")
# An epoch's metrics have this beside their means: int32[3], see ``over_epoch``.
FAULTS = "not_finite"
# A step's metrics have this: int32, see ``guarded``.
_FAULT = "fault"
_NORM = "gradient_norm"


class NotFiniteError(FloatingPointError):
    """Training met a loss, a gradient or a validation score that is no finite number.

    Args:
      where: stage, step and epoch, as a sentence begins.
      what: which number it was.
      mend: what the user can do about it.
    """

    def __init__(self, where: str, what: str, mend: str):
        super().__init__(
            f"{where}: {what} is not finite, training stops; the last checkpoint is from before. "
            f"To mend it: {mend}"
        )


def ordered(names: Iterable[str]) -> list[str]:
    """Names of metrics as a fault is looked for: loss terms, the loss, then norms of gradients.

    A term that is not finite spoils the loss, and the loss the gradient; the order is not left to the
    dictionary, whose keys JAX sorts.
    """
    return sorted(names, key=lambda name: (name.endswith(_NORM), name == "loss", name))


def guarded(stepped: tuple[Any, dict[str, Array]], before: Any, skips: bool) -> tuple[Any, dict[str, Array]]:
    """A step's result with a note of its first metric that is not finite.

    Args:
      stepped: state and scalar metrics after the step.
      before: state before it; both have a ``step``.
      skips: whether such a step is to leave everything but ``step`` as it was, and its metrics at 0.
    """
    after, metrics = stepped
    bad = jnp.stack([~jnp.isfinite(metrics[name]) for name in ordered(metrics)])
    # 0: none; k: the k-th name.
    fault = jnp.where(bad.any(), jnp.argmax(bad) + 1, 0).astype(jnp.int32)
    if skips:
        fine = fault == 0
        kept = jax.tree.map(lambda new, old: jnp.where(fine, new, old), after, before)
        after = kept.replace(step=after.step)
        metrics = {name: jnp.where(fine, value, 0) for name, value in metrics.items()}
    return after, metrics | {_FAULT: fault}


def over_epoch(metrics: dict[str, Array], taken: Array, skips: bool) -> dict[str, Array]:
    """Means over the steps of an epoch, and under ``FAULTS`` how many were bad, the first of them, and its
    fault as ``guarded`` counts.

    Args:
      metrics: of ``guarded``, stacked: [steps]; zeros where no step was taken.
      taken: int32, steps taken.
      skips: as in ``guarded``; means are then over the others.
    """
    faults = metrics[_FAULT]
    count, first = jnp.sum(faults > 0), jnp.argmax(faults > 0)
    steps = jnp.maximum(taken - count, 1) if skips else taken
    means = {name: jnp.sum(value, axis=0) / steps for name, value in metrics.items() if name != _FAULT}
    return means | {FAULTS: jnp.stack([count, first, faults[first]]).astype(jnp.int32)}


def judged(metrics: dict[str, Array], where: str, before: int, taken: int, on_nan: str, mend: str):
    """What an epoch's metrics say, once they are on the host.

    Args:
      metrics: of ``over_epoch``.
      where: stage and epoch, for the message.
      before: steps of the run before this epoch.
      taken: steps of the epoch.
      on_nan: one of ``ON_NAN``.
      mend: what to lower, for the message.

    Returns:
      ``({name: mean}, number of skipped updates)``.

    Raises:
      NotFiniteError: a step was bad and is not to be skipped, or each of them was.
    """
    means = {name: float(value) for name, value in metrics.items() if name != FAULTS}
    count, first, fault = np.asarray(metrics[FAULTS]).tolist()
    if not count:
        return means, 0
    name = ordered(means)[fault - 1]
    where = f"{where}, step {before + first + 1:,}"
    if on_nan == "stop":
        mend = f"{mend}, or leave such updates out with --config.train.on_nan=skip"
        raise NotFiniteError(where, _named(name), mend)
    if count >= taken:
        raise NotFiniteError(where, f"{_named(name)}, as in every other step of the pass,", mend)
    return means, count


def _named(name: str) -> str:
    if name == "loss":
        return "the loss"
    if name == _NORM:
        return "the gradient"
    if name.endswith(_NORM):
        return f"the gradient of the {name.removesuffix(_NORM).rstrip('_')}"
    return f"the loss term {name!r}"

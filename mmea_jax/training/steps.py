"""The jitted inner loop: an epoch is one ``lax.scan`` over batches that are drawn on the device."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array

from mmea_jax.nn.inputs import Inputs
from mmea_jax.training.holding import Hold, hold_penalty


@struct.dataclass
class TrainState:
    """What an optimizer step reads and writes.

    Attributes:
      step: int32, optimizer steps of all stages so far; the randomness of a step is folded from it.
      params: the model's variables.
      opt_state: of the current stage's optimizer.
      hold: what the current stage holds fast, if anything.
    """

    step: Array
    params: Any
    opt_state: Any
    hold: Hold | None = None


def shuffled(key: Array, links: Array, count: Array, rows: int) -> Array:
    """The first ``count`` links in random order, then padding.

    Args:
      key: of the epoch.
      links: int32[C, 2], of which the first ``count`` hold links.
      count: int32.
      rows: length of the result, at least ``C``.

    Returns:
      int32[rows, 2]; padding is −1.
    """
    real = jnp.arange(len(links)) < count
    order = jnp.argsort(jnp.where(real, jax.random.uniform(key, real.shape), 2.0))
    drawn = jnp.where(real[:, None], links[order], -1)
    return jnp.pad(drawn, ((0, rows - len(links)), (0, 0)), constant_values=-1)


def train_step(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    flags: dict,
    state: TrainState,
    inputs,
    pairs,
    key,
) -> tuple[TrainState, dict[str, Array]]:
    """One update on ``pairs`` int32[B, 2] (rows of −1 are padding); ``key`` is the run's, not the step's."""
    rngs = {"dropout": jax.random.fold_in(key, state.step)}

    def objective(params):
        loss, terms = model.apply(params, inputs, pairs, **flags, method="loss", rngs=rngs)
        if state.hold is None:
            return loss, terms
        penalty = hold_penalty(state.hold, params)
        return loss + penalty, terms | {"hold": penalty}

    (loss, terms), gradient = jax.value_and_grad(objective, has_aux=True)(state.params)
    updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    metrics = {"loss": loss, "gradient_norm": optax.tree.norm(gradient), **terms}
    params = optax.apply_updates(state.params, updates)
    return TrainState(state.step + 1, params, opt_state, state.hold), metrics


def make_run_steps(
    model: nn.Module, optimizer: optax.GradientTransformation, flags: dict, steps: int, batch: int
) -> Callable[..., tuple[TrainState, dict[str, Array]]]:
    """Compiles an epoch of ``steps`` updates into one call.

    Returns:
      ``run_steps(state, inputs, links, count, key, epoch, taken) → (state, metrics)``. It shuffles the
      ``count`` links by ``epoch`` and takes batches from the front: all links where they are ``steps``
      batches, a random part where pseudo-links have made them more, so that a growing set of links neither
      compiles anew nor outruns the learning-rate schedule. Steps from ``taken`` on are skipped.
      ``metrics`` are means over the steps taken. ``state`` is donated.
    """

    def run_steps(state: TrainState, inputs: Inputs, links: Array, count: Array, key: Array, epoch, taken):
        rows = max(steps * batch, len(links))
        order = shuffled(jax.random.fold_in(key, epoch), links, count, rows)

        def body(state, index):
            pairs = jax.lax.dynamic_slice_in_dim(order, index * batch, batch)

            def take(state):
                return train_step(model, optimizer, flags, state, inputs, pairs, key)

            def skip(state):
                shapes = jax.eval_shape(take, state)[1]
                return state, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

            return jax.lax.cond(index < taken, take, skip, state)

        state, metrics = jax.lax.scan(body, state, jnp.arange(steps))
        return state, jax.tree.map(lambda x: jnp.sum(x, axis=0) / taken, metrics)

    return jax.jit(run_steps, donate_argnums=0)

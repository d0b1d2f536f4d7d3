"""The jitted inner loop: an epoch is one loop over batches of triples that are drawn on the device."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array

from mmea_jax.models.adamf_mat import AdamfMat
from mmea_jax.nn.completion_inputs import CompletionInputs
from mmea_jax.training import finite
from mmea_jax.training.completion.optimizer import joined, make_optimizers, parted
from mmea_jax.training.completion.options import CompletionTrainOptions


@struct.dataclass
class CompletionState:
    """What a step reads and writes.

    Attributes:
      step: int32, steps so far; the randomness of a step is folded from it.
      params: variables of the model and of the generators.
      opt_state: of both optimizers, under ``model`` and ``generators``.
    """

    step: Array
    params: Any
    opt_state: dict[str, Any]


def train_step(
    model: AdamfMat,
    options: CompletionTrainOptions,
    state: CompletionState,
    inputs: CompletionInputs,
    triples: Array,
    key: Array,
) -> tuple[CompletionState, dict[str, Array]]:
    """One update of the model on ``triples`` int32[B, 3] (rows of −1 are padding), and one of the generators.

    The generators learn from the model as it is after its own update, as in the published code.
    """
    of_model, of_generators = make_optimizers(options)
    own, generators = parted(state.params)
    key = jax.random.fold_in(key, state.step)

    def objective(own):
        return model.apply(
            joined(own, generators), inputs, triples, key, options.loss, options.negatives, method="loss"
        )

    (loss, terms), gradient = jax.value_and_grad(objective, has_aux=True)(own)
    updates, model_state = of_model.update(gradient, state.opt_state["model"], own)
    own = optax.apply_updates(own, updates)
    metrics = {"loss": loss, "gradient_norm": optax.tree.norm(gradient), **terms}
    generator_state = state.opt_state["generators"]
    if model.has_generators:

        def fooled(generators):
            return model.apply(joined(own, generators), inputs, triples, key, method="generator_loss")

        metrics["generators"], gradient = jax.value_and_grad(fooled)(generators)
        metrics["generators_gradient_norm"] = optax.tree.norm(gradient)
        updates, generator_state = of_generators.update(gradient, generator_state, generators)
        generators = optax.apply_updates(generators, updates)
    opt_state = {"model": model_state, "generators": generator_state}
    return CompletionState(state.step + 1, joined(own, generators), opt_state), metrics


def make_epoch(
    model: AdamfMat, options: CompletionTrainOptions, steps: int, batch: int
) -> Callable[..., tuple[CompletionState, dict[str, Array]]]:
    """Compiles an epoch of ``steps`` updates on ``batch`` triples each into one call.

    Returns:
      ``run(state, inputs, triples, key, epoch, taken) → (state, metrics)``. It shuffles the triples by
      ``epoch``; steps from ``taken`` on are skipped; ``metrics`` are means over the steps taken, and
      ``finite.FAULTS``. ``state`` is donated.
    """
    skips = options.on_nan == "skip"

    def run(state: CompletionState, inputs: CompletionInputs, triples: Array, key: Array, epoch, taken):
        # Streams of their own, so that no step shares its key with an epoch.
        order_key, step_key = jax.random.split(key)
        order = jax.random.permutation(jax.random.fold_in(order_key, epoch), len(triples))
        padding = ((0, steps * batch - len(triples)), (0, 0))
        shuffled = jnp.pad(triples[order], padding, constant_values=-1).reshape(steps, batch, 3)

        def take(state, index):
            stepped = train_step(model, options, state, inputs, shuffled[index], step_key)
            return finite.guarded(stepped, state, skips)

        def body(index, carry):
            state, metrics = carry
            state, own = take(state, index)
            return state, jax.tree.map(lambda kept, x: kept.at[index].set(x), metrics, own)

        # Not a scan whose steps may be skipped: what chooses between two states copies one.
        like = jax.eval_shape(take, state, jnp.int32(0))[1]
        metrics = jax.tree.map(lambda x: jnp.zeros((steps, *x.shape), x.dtype), like)
        state, metrics = jax.lax.fori_loop(0, jnp.minimum(taken, steps), body, (state, metrics))
        return state, finite.over_epoch(metrics, taken, skips)

    return jax.jit(run, donate_argnums=0)

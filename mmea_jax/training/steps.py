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
from mmea_jax.nn.sampled_graph import SampledGraph
from mmea_jax.nn.triples import TripleBatch, corrupted_batch, counterparts, shuffled_pass
from mmea_jax.training import finite
from mmea_jax.training.holding import Hold, hold_penalty
from mmea_jax.training.touched_rows import on_touched_rows

# Folded into the run's key for the streams of triples; steps and epochs never count so far.
_TRIPLES = (1 << 31) - 1
_PSEUDO = _TRIPLES - 1


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
    drawn: dict[str, Any] | None = None,
    strip: Callable[[Any], Any] = lambda params: params,
) -> tuple[TrainState, dict[str, Array]]:
    """One update on ``pairs`` int32[B, 2] (rows of −1 are padding); ``key`` is the run's, not the step's.

    ``drawn`` are further arguments of the model's ``loss`` by name, such as a batch of triples. ``strip``
    makes the model's parameters of the state's, which have rows of padding where they are split.
    """
    rngs = {"dropout": jax.random.fold_in(key, state.step)}
    flags = flags | (drawn or {})

    def objective(params):
        loss, terms = model.apply(strip(params), inputs, pairs, **flags, method="loss", rngs=rngs)
        if state.hold is None:
            return loss, terms
        penalty = hold_penalty(state.hold, params)
        return loss + penalty, terms | {"hold": penalty}

    (loss, terms), gradient = jax.value_and_grad(objective, has_aux=True)(state.params)
    updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    metrics = {"loss": loss, "gradient_norm": optax.tree.norm(gradient), **terms}
    params = optax.apply_updates(state.params, updates)
    return TrainState(state.step + 1, params, opt_state, state.hold), metrics


def _triple_pass(
    key: Array, epoch: Array, inputs: Inputs, links: Array, count: Array, steps: int, batch: int
) -> Callable[[Array, Array], TripleBatch]:
    """A pass over the triples: ``draw(index, step)`` gives its batch of that index with its corruptions."""
    # Streams of their own: links are shuffled and noise is drawn from the run's key.
    order_key, corrupt_key = jax.random.split(jax.random.fold_in(key, _TRIPLES))
    pool = jnp.where((jnp.arange(len(links)) < count)[:, None], links, -1)
    partner = counterparts(pool, inputs.triples.known.tails.num_entities)
    order = shuffled_pass(jax.random.fold_in(order_key, epoch), inputs.triples.rows, partner, steps * batch)

    def draw(index: Array, step: Array) -> TripleBatch:
        positive = jax.lax.dynamic_slice_in_dim(order, index * batch, batch)
        return corrupted_batch(jax.random.fold_in(corrupt_key, step), inputs.triples, positive, partner)

    return draw


def _pseudo_pass(key: Array, epoch: Array, found: Array, count: Array, size: int) -> Callable[[Array], Array]:
    """The first ``count`` links of ``found`` int32[C, 2] in random order: ``draw(index)`` gives ``size``.

    Batches follow each other in a circle; rows of −1 fill the last.
    """
    order_key = jax.random.fold_in(jax.random.fold_in(key, _PSEUDO), epoch)
    order = shuffled(order_key, found, count, -(-len(found) // size) * size)
    batches = jnp.maximum(1, -(-count // size))
    return lambda index: jax.lax.dynamic_slice_in_dim(order, (index % batches) * size, size)


def make_run_steps(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    flags: dict,
    steps: int,
    batch: int,
    last: int | None = None,
    triples: tuple[int, int] | None = None,
    apart: tuple[int, int] | None = None,
    skips: bool = False,
    strip: Callable[[Any], Any] = lambda params: params,
    shardings: Any = None,
) -> Callable[..., tuple[TrainState, dict[str, Array]]]:
    """Compiles an epoch into one call.

    Args:
      model: whose ``loss`` is minimised.
      optimizer: of the stage.
      flags: keyword arguments for ``loss``.
      steps: batches of pairs of a pass over the links, and updates of an epoch.
      batch: pairs of each.
      last: pairs of the last batch, where it has fewer; a step of its size is compiled for it, which costs
        less than a full step of mostly padding.
      triples: updates of an epoch and triples of each, where an epoch is a pass over the triples; batches of
        pairs then follow each other in a circle.
      apart: how many of the links, which come first, are seeds, and how many of the others a step gives to
        ``loss`` as ``pseudo``, where they are kept apart.
      skips: whether an update whose loss or gradient is not finite is left out.
      strip: see ``train_step``.
      shardings: where state and metrics are left; by default where the compiler likes.

    Returns:
      ``run_steps(state, inputs, links, count, key, epoch, taken) → (state, metrics)``. It shuffles the
      ``count`` links by ``epoch`` and takes batches from the front: all links where they are ``steps``
      batches, a random part where pseudo-links have made them more, so that a growing set of links neither
      compiles anew nor outruns the learning-rate schedule. Steps from ``taken`` on are skipped.
      ``metrics`` are means over the steps taken, and ``finite.FAULTS``. ``state`` is donated.
    """

    def run_steps(state: TrainState, inputs: Inputs, links: Array, count: Array, key: Array, epoch, taken):
        seeds, found = (links, None) if apart is None else (links[: apart[0]], links[apart[0] :])
        rows = max(steps * batch, len(seeds))
        order = shuffled(jax.random.fold_in(key, epoch), seeds, jnp.minimum(count, len(seeds)), rows)
        pseudo = None if apart is None else _pseudo_pass(key, epoch, found, count - apart[0], apart[1])
        drawn = None if triples is None else _triple_pass(key, epoch, inputs, links, count, *triples)

        def body(state, index, size=batch):
            pairs = jax.lax.dynamic_slice_in_dim(order, (index % steps) * batch, size)

            # Jitted, so that the shapes that `skip` asks for cost no second trace.
            @jax.jit
            def take(state):
                more = {} if drawn is None else {"triples": drawn(index, state.step)}
                more |= {} if pseudo is None else {"pseudo": pseudo(index)}

                def step(model, state, inputs):
                    stepped = train_step(model, optimizer, flags, state, inputs, pairs, key, more, strip)
                    return finite.guarded(stepped, state, skips)

                if isinstance(getattr(inputs, "graph", None), SampledGraph):
                    return on_touched_rows(step, model, state, inputs, pairs, key)
                return step(model, state, inputs)

            def skip(state):
                shapes = jax.eval_shape(take, state)[1]
                return state, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

            return jax.lax.cond(index < taken, take, skip, state)

        total = steps if triples is None else triples[0]
        rest = last or batch
        state, metrics = jax.lax.scan(body, state, jnp.arange(total if rest == batch else total - 1))
        if rest < batch:
            state, own = body(state, jnp.int32(total - 1), rest)
            metrics = jax.tree.map(lambda of_all, one: jnp.append(of_all, one), metrics, own)
        return state, finite.over_epoch(metrics, taken, skips)

    return jax.jit(run_steps, donate_argnums=0, out_shardings=shardings)

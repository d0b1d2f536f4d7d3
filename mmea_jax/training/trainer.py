"""The loop over stages and epochs. It knows stages, not methods."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from mmea_jax.matching import pseudo_links
from mmea_jax.nn.inputs import Inputs
from mmea_jax.training.holding import Hold, held_parameters, make_hold
from mmea_jax.training.inputs import with_capacity
from mmea_jax.training.optimizer import make_optimizer
from mmea_jax.training.options import TrainOptions
from mmea_jax.training.stages import Stage
from mmea_jax.training.steps import TrainState, make_run_steps


@dataclasses.dataclass
class StageRecord:
    """What one stage did, as ``results.json`` reports it.

    Attributes:
      name: of the stage.
      epochs: passes made.
      steps: optimizer steps made.
      seconds: wall-clock of training steps, without compilation and validation.
      epoch_seconds: of every pass, in order.
      best_valid_mrr: of the selected weights; None where nothing was held out.
      best_epoch: the pass whose weights were selected, counted from 1.
    """

    name: str
    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0
    epoch_seconds: list[float] = dataclasses.field(default_factory=list)
    best_valid_mrr: float | None = None
    best_epoch: int = 0


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
    """

    stage: str
    epoch: int
    epochs: int
    step: int
    terms: dict[str, float]
    valid_mrr: float | None
    accepted: int


class Trainer:
    """Trains a model through its stages.

    Args:
      model: a linen module with ``loss(inputs, pairs, **flags)``.
      inputs: graph and modalities, on the host or the device.
      stages: in order; each starts from the selected weights of the one before.
      links: int32[L, 2], training links.
      options: how to train.
      seed: of initialisation, batch order and noise.
      validate: (parameters, the stage's keyword arguments for ``embed``) → what selection maximises, or
        ``None`` where nothing is held out.
      propose: (parameters, closed bool[N], these arguments) → mutual nearest pairs int[P, 2] among the open
        entities.
      sides: number of entities of KG 1 and KG 2; bounds how many links iterative learning can add.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Inputs,
        stages: tuple[Stage, ...],
        links: np.ndarray,
        options: TrainOptions,
        seed: int,
        validate: Callable[[dict, Mapping], float] | None,
        propose: Callable[[dict, np.ndarray, Mapping], np.ndarray],
        sides: tuple[int, int],
    ):
        self._model, self._host_inputs = model, inputs
        self._stages = tuple(_capped(stage, len(links), options) for stage in stages)
        self._links, self._options = np.asarray(links, np.int32), options
        self._validate, self._propose = validate, propose
        self._key = jax.random.key(seed)
        self._capacity = min(sides) if options.iterative.start else len(links)
        self._compiled = {}
        self.compile_seconds = 0.0

    @property
    def epochs(self) -> int:
        """Passes of all stages together."""
        return sum(stage.epochs for stage in self._stages)

    def initial(self) -> Progress:
        """Freshly drawn parameters; nothing trained."""
        stage = self._stages[0]
        batch = self._batch(stage)
        inputs = self._inputs(batch)
        pairs = jnp.asarray(self._links[:batch])

        def init(key, inputs, pairs):
            return self._model.init({"params": key, "dropout": key}, inputs, pairs, method="loss")

        params = jax.jit(init)(jax.random.fold_in(self._key, 0), inputs, pairs)
        state = TrainState(jnp.zeros((), jnp.int32), params, self._optimizer(stage).init(params))
        num_entities = self._model.num_entities
        return Progress(
            state,
            jax.tree.map(jnp.copy, params),
            pseudo_links.initial(num_entities),
            records=[StageRecord(stage.name)],
        )

    def compile(self, progress: Progress) -> int:
        """Compiles the current stage's epoch; returns the bytes that a step needs on the device."""
        stage = self._stages[progress.stage]
        if stage.name not in self._compiled:
            started = time.perf_counter()
            steps, batch = stage.batches(len(self._links))
            run_steps = make_run_steps(self._model, self._optimizer(stage), dict(stage.flags), steps, batch)
            inputs = jax.tree.map(jnp.asarray, self._inputs(batch))
            arguments = (progress.state, inputs, *self._pool(progress), self._key, *np.ones(2, np.int32))
            compiled = run_steps.lower(*arguments).compile()
            self._compiled[stage.name] = (compiled, inputs, steps)
            self.compile_seconds += time.perf_counter() - started
        analysis = self._compiled[stage.name][0].memory_analysis()
        return analysis.temp_size_in_bytes + analysis.argument_size_in_bytes + analysis.output_size_in_bytes

    def run(self, progress: Progress) -> Iterator[Event]:
        """Trains from ``progress`` on, which it updates in place; yields after every epoch."""
        while progress.stage < len(self._stages):
            stage = self._stages[progress.stage]
            self.compile(progress)
            while progress.epoch < stage.epochs:
                yield self._epoch(stage, progress)
            self._select(progress)
            if progress.stage + 1 == len(self._stages):
                return
            self._next_stage(progress)

    def links(self, progress: Progress) -> np.ndarray:
        """int32[·, 2]: training links with the pseudo-links accepted so far."""
        return np.concatenate([self._links, pseudo_links.accepted_links(progress.pseudo)])

    def _epoch(self, stage: Stage, progress: Progress) -> Event:
        run_steps, inputs, steps = self._compiled[stage.name]
        steps = self._steps_left(progress, steps)
        epoch = np.int32(self._epochs_before(progress) + progress.epoch)
        started = time.perf_counter()
        progress.state, terms = run_steps(
            progress.state, inputs, *self._pool(progress), self._key, epoch, np.int32(steps)
        )
        terms = {name: float(value) for name, value in terms.items()}
        seconds = time.perf_counter() - started
        _refuse_non_finite(stage, progress.epoch + 1, terms)
        progress.epoch += 1
        record = progress.records[-1]
        record.epochs, record.steps, record.seconds = (
            record.epochs + 1,
            record.steps + steps,
            record.seconds + seconds,
        )
        record.epoch_seconds.append(seconds)
        self._round(stage, progress)
        return Event(
            stage.name,
            progress.epoch,
            stage.epochs,
            int(progress.state.step),
            terms,
            self._evaluate(stage, progress),
            len(pseudo_links.accepted_links(progress.pseudo)),
        )

    def _evaluate(self, stage: Stage, progress: Progress) -> float | None:
        """Validates where an epoch is due, and keeps the parameters if they are the best."""
        due = progress.epoch % self._options.evaluate_every == 0 or progress.epoch == stage.epochs
        if self._validate is None or not due:
            return None
        value, record = self._validate(progress.state.params, stage.inference), progress.records[-1]
        if record.best_valid_mrr is None or value > record.best_valid_mrr:
            record.best_valid_mrr, record.best_epoch = value, progress.epoch
            # A copy: the step donates its state's buffers.
            progress.best = jax.tree.map(jnp.copy, progress.state.params)
        return value

    def _select(self, progress: Progress) -> None:
        if self._validate is None:
            progress.best, progress.records[-1].best_epoch = progress.state.params, progress.epoch

    def _round(self, stage: Stage, progress: Progress) -> None:
        """One round of iterative learning, where due. No gold label enters it."""
        options, epoch = self._options.iterative, self._epochs_before(progress) + progress.epoch
        if not options.start or epoch < options.start or (epoch - options.start) % options.every:
            return
        closed = pseudo_links.closed_entities(progress.pseudo)
        closed[self._links] = True
        pairs = self._propose(progress.state.params, closed, stage.inference)
        progress.pseudo = pseudo_links.update(progress.pseudo, pairs, options.patience)

    def _next_stage(self, progress: Progress) -> None:
        progress.stage, progress.epoch = progress.stage + 1, 0
        stage = self._stages[progress.stage]
        params = jax.tree.map(jnp.copy, progress.best)
        opt_state = self._optimizer(stage).init(params)
        progress.state = TrainState(progress.state.step, params, opt_state, self._hold(stage, params))
        progress.records.append(StageRecord(stage.name))

    def _hold(self, stage: Stage, params: dict) -> Hold | None:
        """What the stage holds fast of the parameters that it begins with."""
        if not stage.hold:
            return None
        rows = 2 * self._batch(stage)
        entities = np.unique(self._links).astype(np.int32)
        blocks = np.pad(entities, (0, -len(entities) % rows), constant_values=-1).reshape(-1, rows)
        inputs = jax.tree.map(jnp.asarray, self._inputs(self._batch(stage)))
        return make_hold(self._model, params, inputs, blocks, stage.held, stage.hold, dict(stage.inference))

    def like_state(self, index: int, initial: TrainState) -> TrainState:
        """The training state of the stage of that index, as arrays of the right shapes alone.

        A checkpoint is read into it; ``initial`` is that of the first stage.
        """
        stage = self._stages[index]
        hold = held_parameters(initial.params, stage.held) if index and stage.hold else None
        return TrainState(
            initial.step,
            initial.params,
            jax.eval_shape(self._optimizer(stage).init, initial.params),
            None if hold is None else Hold(hold, hold),
        )

    def _batch(self, stage: Stage) -> int:
        return stage.batches(len(self._links))[1]

    def _optimizer(self, stage: Stage) -> optax.GradientTransformation:
        return make_optimizer(stage, stage.epochs * stage.batches(len(self._links))[0])

    def _inputs(self, batch: int) -> Inputs:
        among = None if self._options.iterative.start else np.unique(self._links)
        return with_capacity(self._host_inputs, 2 * batch, among)

    def _pool(self, progress: Progress) -> tuple[np.ndarray, np.int32]:
        """Links in an array of fixed length, and how many there are."""
        links = self.links(progress)
        padded = np.full((self._capacity, 2), -1, np.int32)
        padded[: len(links)] = links
        return padded, np.int32(len(links))

    def _steps_left(self, progress: Progress, steps: int) -> int:
        cap = self._options.max_steps
        return min(steps, cap - progress.records[-1].steps) if cap else steps

    def _epochs_before(self, progress: Progress) -> int:
        return sum(stage.epochs for stage in self._stages[: progress.stage])


def _capped(stage: Stage, links: int, options: TrainOptions) -> Stage:
    """The stage under the run's caps."""
    stage = dataclasses.replace(stage, batch_size=options.batch_size or stage.batch_size)
    epochs = min(stage.epochs, options.max_epochs or stage.epochs)
    if options.max_steps:
        epochs = min(epochs, -(-options.max_steps // stage.batches(links)[0]))
    return dataclasses.replace(stage, epochs=epochs)


def _refuse_non_finite(stage: Stage, epoch: int, terms: dict[str, float]) -> None:
    bad = [name for name, value in terms.items() if not np.isfinite(value)]
    if bad:
        raise FloatingPointError(
            f"stage {stage.name}, epoch {epoch}: {', '.join(bad)} is not finite; lower "
            f"--config.stages.{stage.name}.learning_rate"
        )

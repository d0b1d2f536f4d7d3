"""The loop over stages and epochs. It knows stages, not methods."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mmea_jax.host_memory import give_back
from mmea_jax.matching import pseudo_links
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.sampled_graph import make_sampled
from mmea_jax.training import finite
from mmea_jax.training.holding import Hold, held_parameters, make_hold
from mmea_jax.training.inputs import with_capacity
from mmea_jax.training.options import TrainOptions
from mmea_jax.training.products import products
from mmea_jax.training.progress import Event, Progress, StageRecord
from mmea_jax.training.schedule import Schedule
from mmea_jax.training.sharding import Sharding
from mmea_jax.training.stages import Stage
from mmea_jax.training.steps import TrainState, make_run_steps
from mmea_jax.training.stopping import exhausted


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
      sharding: where arrays lie; by default on one device. ``validate`` and ``propose`` get parameters as the
        training state has them (see ``Sharding.stripper``).

    Attributes:
      schedule: passes, steps and batches of the stages.
      compile_seconds: spent compiling so far.
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
        sharding: Sharding | None = None,
    ):
        self._model, self._host_inputs = model, inputs
        self._links, self._options = np.asarray(links, np.int32), options
        self._validate, self._propose = validate, propose
        self._key = jax.random.key(seed)
        self._capacity = min(sides) if options.iterative.start else len(links)
        rows = inputs.triples.rows if any(stage.triple_batch for stage in stages) else None
        self.schedule = Schedule(stages, self._links, options, self._capacity, rows, model.num_entities)
        self._sharding = sharding or Sharding(1, model.num_entities)
        self._placed_inputs: Inputs | None = None
        self._compiled = {}
        self.compile_seconds = 0.0

    @property
    def epochs(self) -> int:
        """Passes of all stages together."""
        return self.schedule.epochs_before(len(self.schedule.stages))

    @property
    def key(self) -> list[int]:
        """The key of all randomness but the initial parameters', as plain numbers."""
        return jax.random.key_data(self._key).tolist()

    @key.setter
    def key(self, numbers: list[int]) -> None:
        self._key = jax.random.wrap_key_data(jnp.asarray(numbers, jnp.uint32))

    def initial(self, placed: bool = True) -> Progress:
        """Freshly drawn parameters; nothing trained.

        Args:
          placed: whether tables are padded and split; otherwise it may be called for its shapes alone.
        """
        stage = self.schedule.stages[0]
        batch = self.schedule.batch(stage)
        inputs = self._inputs(batch) if placed else self._capable(self._host_inputs, batch)
        pairs = jnp.asarray(self._links[:batch])
        made = self._sharding.made if placed else lambda function, *arguments: function(*arguments)

        def init(key, inputs, pairs):
            return self._model.init({"params": key, "dropout": key}, inputs, pairs, method="loss")

        key = jax.random.fold_in(self._run_key() if placed else self._key, 0)
        params = made(jax.jit(init), key, inputs, pairs)
        state = TrainState(
            jnp.zeros((), jnp.int32), params, made(self.schedule.optimizer(stage).init, params)
        )
        num_entities = self._model.num_entities
        return Progress(
            state,
            jax.tree.map(jnp.copy, params),
            pseudo_links.initial(num_entities),
            records=[StageRecord(stage.name)],
        )

    def compile(self, progress: Progress) -> int:
        """Compiles the current stage's epoch; returns the bytes that a step needs on the device."""
        stage = self.schedule.stages[progress.stage]
        program = self.schedule.program(stage, progress.pseudo)
        if program not in self._compiled:
            started = time.perf_counter()
            pair_steps, batch = stage.batches(len(self._links))
            here = self._sharding
            run_steps = make_run_steps(
                self._model,
                self.schedule.optimizer(stage),
                dict(stage.flags),
                pair_steps,
                batch,
                stage.last_batch(len(self._links)),
                self.schedule.triple_batches(stage),
                program[1],
                skips=self._options.on_nan == "skip",
                strip=here.stripper(progress.state.params),
                shardings=here.mesh and (here.shardings(progress.state), here.everywhere),
            )
            inputs = self._inputs(batch + (program[1] or (0, 0))[1])
            arguments = (progress.state, inputs, *self._small(progress, np.int32(1), np.int32(1)))
            with products(self._options.products):
                compiled = run_steps.lower(*arguments).compile()
            self._compiled[program] = (compiled, inputs, self.schedule.steps(stage))
            self.compile_seconds += time.perf_counter() - started
            give_back()
        analysis = self._compiled[program][0].memory_analysis()
        return analysis.temp_size_in_bytes + analysis.argument_size_in_bytes + analysis.output_size_in_bytes

    def run(self, progress: Progress) -> Iterator[Event]:
        """Trains from ``progress`` on, which it updates in place; yields after every epoch."""
        while progress.stage < len(self.schedule.stages):
            stage = self.schedule.stages[progress.stage]
            while progress.epoch < stage.epochs and not self._exhausted(progress):
                yield self._epoch(stage, progress)
            self._select(progress)
            if progress.stage + 1 == len(self.schedule.stages):
                return
            self._next_stage(progress)

    def links(self, progress: Progress) -> np.ndarray:
        """int32[·, 2]: training links with the pseudo-links accepted so far."""
        return np.concatenate([self._links, pseudo_links.accepted_links(progress.pseudo)])

    def _epoch(self, stage: Stage, progress: Progress) -> Event:
        self.compile(progress)
        run_steps, inputs, steps = self._compiled[self.schedule.program(stage, progress.pseudo)]
        steps = self.schedule.steps_left(progress.records[-1].steps, steps)
        epoch = np.int32(self.schedule.epochs_before(progress.stage) + progress.epoch)
        started = time.perf_counter()
        progress.state, terms = run_steps(
            progress.state, inputs, *self._small(progress, epoch, np.int32(steps))
        )
        terms, skipped = finite.judged(
            terms,
            _place(stage, progress.epoch + 1),
            sum(record.steps for record in progress.records),
            steps,
            self._options.on_nan,
            _lower(stage),
        )
        progress.epoch += 1
        progress.records[-1].add_pass(steps, skipped, time.perf_counter() - started)
        self._round(stage, progress)
        return Event(
            stage.name,
            progress.epoch,
            stage.epochs,
            int(progress.state.step),
            terms,
            self._evaluate(stage, progress),
            len(pseudo_links.accepted_links(progress.pseudo)),
            skipped,
        )

    def _evaluate(self, stage: Stage, progress: Progress) -> float | None:
        """Validates where an epoch is due, and keeps the parameters if they are the best."""
        due = progress.epoch % self._options.evaluate_every == 0 or progress.epoch == stage.epochs
        if self._validate is None or not due:
            return None
        record = progress.records[-1]
        with _scores(stage, progress, "a validation score"):
            value = self._validate(progress.state.params, stage.inference)
        if record.best_valid_mrr is None or value > record.best_valid_mrr:
            record.best_valid_mrr, record.best_epoch = value, progress.epoch
            # A copy: the step donates its state's buffers.
            progress.best = jax.tree.map(jnp.copy, progress.state.params)
        return value

    def _exhausted(self, progress: Progress) -> bool:
        """Whether the current stage ends early."""
        options, best_epoch = self._options, progress.records[-1].best_epoch
        return exhausted(progress.epoch, best_epoch, options.evaluate_every, options.patience)

    def _select(self, progress: Progress) -> None:
        if self._validate is None:
            progress.best, progress.records[-1].best_epoch = progress.state.params, progress.epoch

    def _round(self, stage: Stage, progress: Progress) -> None:
        """One round of iterative learning, where due. No gold label enters it."""
        options, epoch = self._options.iterative, self.schedule.epochs_before(progress.stage) + progress.epoch
        if not options.start or epoch < options.start or (epoch - options.start) % options.every:
            return
        closed = pseudo_links.closed_entities(progress.pseudo)
        closed[self._links] = True
        with _scores(stage, progress, "a score of the open entities"):
            pairs = self._propose(progress.state.params, closed, stage.inference)
        progress.pseudo = pseudo_links.update(progress.pseudo, pairs, options.patience)

    def _next_stage(self, progress: Progress) -> None:
        progress.stage, progress.epoch = progress.stage + 1, 0
        stage = self.schedule.stages[progress.stage]
        params = jax.tree.map(jnp.copy, progress.best)
        opt_state = self._sharding.made(self.schedule.optimizer(stage).init, params)
        progress.state = TrainState(progress.state.step, params, opt_state, self._hold(stage, params))
        progress.records.append(StageRecord(stage.name))

    def _hold(self, stage: Stage, params: dict) -> Hold | None:
        """What the stage holds fast of the parameters that it begins with."""
        if not stage.hold:
            return None
        rows = 2 * self.schedule.batch(stage)
        entities = np.unique(self._links).astype(np.int32)
        blocks = np.pad(entities, (0, -len(entities) % rows), constant_values=-1).reshape(-1, rows)
        inputs = self._inputs(self.schedule.batch(stage))
        if self._options.neighbours:
            # Once a stage the whole graph can be gone through.
            inputs = self._capable(self._sharding.inputs(self._host_inputs), self.schedule.batch(stage))
        strip = self._sharding.stripper(params)
        return self._sharding.placed(
            make_hold(
                self._model,
                jax.jit(strip)(params),
                inputs,
                blocks,
                stage.held,
                stage.hold,
                dict(stage.inference),
            )
        )

    def like_state(self, index: int, initial: TrainState) -> TrainState:
        """The training state of the stage of that index, as arrays of the right shapes alone.

        A checkpoint is read into it; ``initial`` is that of the first stage.
        """
        stage = self.schedule.stages[index]
        hold = held_parameters(initial.params, stage.held) if index and stage.hold else None
        return TrainState(
            initial.step,
            initial.params,
            jax.eval_shape(self.schedule.optimizer(stage).init, initial.params),
            None if hold is None else Hold(hold, hold),
        )

    def _inputs(self, batch: int) -> Inputs:
        """On the devices."""
        if self._placed_inputs is None:
            inputs = self._host_inputs
            if self._options.neighbours:
                graph = make_sampled(inputs.graph, self._options.neighbours)
                inputs = dataclasses.replace(inputs, graph=graph)
            self._placed_inputs = self._sharding.inputs(inputs)
        return self._capable(self._placed_inputs, batch)

    def _capable(self, inputs: Inputs, batch: int) -> Inputs:
        among = None if self._options.iterative.start else np.unique(self._links)
        return with_capacity(inputs, 2 * batch, among, self._sharding.parts)

    def _pool(self, progress: Progress) -> tuple[np.ndarray, np.int32]:
        """Links in an array of fixed length, and how many there are."""
        links = self.links(progress)
        padded = np.full((self._capacity, 2), -1, np.int32)
        padded[: len(links)] = links
        return padded, np.int32(len(links))

    def _small(self, progress: Progress, epoch: np.int32, steps: np.int32) -> tuple:
        """What an epoch is given besides state and inputs."""
        pool, count = self._pool(progress)
        return (
            *self._sharding.copied((pool, count)),
            self._run_key(),
            *self._sharding.copied((epoch, steps)),
        )

    def _run_key(self) -> jax.Array:
        """The key on all devices."""
        if self._sharding.mesh is None:
            return self._key
        return jax.random.wrap_key_data(self._sharding.copied(np.asarray(self.key, np.uint32)))


@contextlib.contextmanager
def _scores(stage: Stage, progress: Progress, what: str) -> Iterator[None]:
    """Names the place where scores are found not to be finite."""
    try:
        yield
    except FloatingPointError as error:
        where = f"{_place(stage, progress.epoch)}, step {int(progress.state.step):,}"
        raise finite.NotFiniteError(where, what, _lower(stage)) from error


def _place(stage: Stage, epoch: int) -> str:
    return f"stage {stage.name}, epoch {epoch}"


def _lower(stage: Stage) -> str:
    return f"lower --config.stages.{stage.name}.learning_rate"

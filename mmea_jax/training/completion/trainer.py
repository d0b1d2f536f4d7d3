"""The loop over epochs: train, validate, keep the best."""

import dataclasses
import time
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from mmea_jax.host_memory import give_back
from mmea_jax.models.adamf_mat import AdamfMat
from mmea_jax.nn.completion_inputs import CompletionInputs
from mmea_jax.training import finite
from mmea_jax.training.completion.optimizer import initial_states
from mmea_jax.training.completion.options import CompletionTrainOptions
from mmea_jax.training.completion.steps import CompletionState, make_epoch
from mmea_jax.training.products import products
from mmea_jax.training.stopping import exhausted

_MEND = "lower --config.train.learning_rate"


@dataclasses.dataclass
class CompletionProgress:
    """Everything that changes while training runs; arrays and plain values only, so that it can be saved.

    Attributes:
      state: parameters and optimizers.
      best: parameters with the best validation so far.
      epoch: passes made.
      steps: updates made.
      skipped: those among them that changed nothing, as a loss or gradient was not finite.
      epoch_seconds: of every pass, in order, without compilation and validation.
      epoch_steps: updates of every pass, likewise; a cap may cut the last one short.
      best_valid_mrr: of ``best``; None where nothing validates.
      best_epoch: the pass whose parameters ``best`` are, counted from 1.
    """

    state: CompletionState
    best: dict
    epoch: int = 0
    steps: int = 0
    skipped: int = 0
    epoch_seconds: list[float] = dataclasses.field(default_factory=list)
    epoch_steps: list[int] = dataclasses.field(default_factory=list)
    best_valid_mrr: float | None = None
    best_epoch: int = 0


@dataclasses.dataclass(frozen=True)
class CompletionEvent:
    """What the loop tells after every epoch: counts, mean loss terms, MRR where it validated, and how many
    of its updates were left out as not finite.
    """

    epoch: int
    epochs: int
    step: int
    terms: dict[str, float]
    valid_mrr: float | None
    skipped: int = 0


class CompletionTrainer:
    """Trains a completion model.

    Args:
      model: the module.
      inputs: features and known triples.
      triples: int32[T, 3], training triples.
      options: how to train.
      seed: of initialisation, batch order, negatives and noise.
      validate: parameters → what selection maximises, or ``None`` where the last epoch is taken.
    """

    def __init__(
        self,
        model: AdamfMat,
        inputs: CompletionInputs,
        triples: np.ndarray,
        options: CompletionTrainOptions,
        seed: int,
        validate: Callable[[dict], float] | None,
    ):
        self._model, self._inputs = model, jax.tree.map(jnp.asarray, inputs)
        self._triples = jnp.asarray(triples, jnp.int32)
        self._options, self._validate = options, validate
        self.epochs, self._steps, self._batch = options.capped(len(triples))
        self._init_key, self._key = jax.random.split(jax.random.key(seed))
        self._compiled = None
        self.compile_seconds = 0.0

    @property
    def key(self) -> list[int]:
        """The key of all randomness but the initial parameters', as plain numbers."""
        return jax.random.key_data(self._key).tolist()

    @key.setter
    def key(self, numbers: list[int]) -> None:
        self._key = jax.random.wrap_key_data(jnp.asarray(numbers, jnp.uint32))

    def initial(self) -> CompletionProgress:
        """Freshly drawn parameters; nothing trained."""
        options = self._options

        def init(key, inputs, triples):
            return self._model.init(key, inputs, triples, key, options.loss, 1, method="loss")

        params = jax.jit(init)(self._init_key, self._inputs, self._triples[: self._batch])
        params = {"params": dict(params["params"])}
        state = CompletionState(jnp.zeros((), jnp.int32), params, initial_states(options, params))
        return CompletionProgress(state, jax.tree.map(jnp.copy, params))

    def compile(self, progress: CompletionProgress) -> int:
        """Compiles the epoch; returns the bytes that it needs on the device."""
        if self._compiled is None:
            started = time.perf_counter()
            run = make_epoch(self._model, self._options, self._steps, self._batch)
            arguments = (progress.state, self._inputs, self._triples, self._key, *np.ones(2, np.int32))
            with products(self._options.products):
                self._compiled = run.lower(*arguments).compile()
            self.compile_seconds += time.perf_counter() - started
            give_back()
        needed = self._compiled.memory_analysis()
        return needed.temp_size_in_bytes + needed.argument_size_in_bytes + needed.output_size_in_bytes

    def run(self, progress: CompletionProgress) -> Iterator[CompletionEvent]:
        """Trains from ``progress`` on, which it updates in place; yields after every epoch."""
        self.compile(progress)
        while progress.epoch < self.epochs and not self._exhausted(progress):
            yield self._epoch(progress)

    def _epoch(self, progress: CompletionProgress) -> CompletionEvent:
        cap = self._options.max_steps
        taken = min(self._steps, cap - progress.steps) if cap else self._steps
        started = time.perf_counter()
        progress.state, terms = self._compiled(
            progress.state,
            self._inputs,
            self._triples,
            self._key,
            np.int32(progress.epoch),
            np.int32(taken),
        )
        terms, skipped = finite.judged(
            terms, self._place(progress.epoch + 1), progress.steps, taken, self._options.on_nan, _MEND
        )
        progress.epoch_seconds.append(time.perf_counter() - started)
        progress.epoch_steps.append(taken)
        progress.epoch, progress.steps = progress.epoch + 1, progress.steps + taken
        progress.skipped += skipped
        valid_mrr = self._evaluate(progress)
        return CompletionEvent(progress.epoch, self.epochs, progress.steps, terms, valid_mrr, skipped)

    def _evaluate(self, progress: CompletionProgress) -> float | None:
        """Validates where an epoch is due, and keeps the parameters if they are the best."""
        last = progress.epoch == self.epochs
        if self._validate is None:
            if last:
                self._keep(progress)
            return None
        if progress.epoch % self._options.evaluate_every and not last:
            return None
        try:
            value = self._validate(progress.state.params)
        except FloatingPointError as error:
            where = f"{self._place(progress.epoch)}, step {progress.steps:,}"
            raise finite.NotFiniteError(where, "a validation score", _MEND) from error
        if progress.best_valid_mrr is None or value > progress.best_valid_mrr:
            progress.best_valid_mrr = value
            self._keep(progress)
        return value

    def _exhausted(self, progress: CompletionProgress) -> bool:
        """Whether training ends early."""
        options = self._options
        return exhausted(progress.epoch, progress.best_epoch, options.evaluate_every, options.patience)

    def _place(self, epoch: int) -> str:
        return f"stage 1 of 1, epoch {epoch}"

    def _keep(self, progress: CompletionProgress) -> None:
        progress.best_epoch = progress.epoch
        # A copy: the step donates its state's buffers.
        progress.best = jax.tree.map(jnp.copy, progress.state.params)


def to_checkpoint(progress: CompletionProgress) -> tuple[dict, dict]:
    """Arrays and plain values that ``from_checkpoint`` makes the same progress of."""
    plain = {
        field.name: getattr(progress, field.name)
        for field in dataclasses.fields(progress)
        if field.name not in ("state", "best")
    }
    return {"state": progress.state, "best": progress.best}, plain


def from_checkpoint(arrays: dict, plain: dict) -> CompletionProgress:
    """The progress that was saved."""
    return CompletionProgress(arrays["state"], arrays["best"], **plain)

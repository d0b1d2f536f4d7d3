"""What every run does, whatever its task: train under a progress bar, save, resume, evaluate, write."""

import abc
import contextlib
import logging
import time
from pathlib import Path
from typing import Any

import jax
from tqdm import tqdm

from mmea_jax.errors import InputError
from mmea_jax.training import memory, processes, system
from mmea_jax.training.checkpoints import Checkpoints, load_params, save_params
from mmea_jax.training.exporting import Embedded, write_export
from mmea_jax.training.identity import check_identity
from mmea_jax.training.interrupts import Signals
from mmea_jax.training.sharding import Sharding, on_devices
from mmea_jax.training.virtual_devices import give_threads
from mmea_jax.training.writers import RunFolder, plain_values

log = logging.getLogger("mmea_jax")

# Where the selected weights are, below the work directory.
BEST = Path("checkpoints") / "best"
# Where checkpoints are.
STEPS = Path("checkpoints") / "steps"


class TaskRun(abc.ABC):
    """A run of one configuration on one data set; a task adds its data, its trainer and its measures.

    A subclass sets ``inputs`` and ``load_seconds``, keeps ``evaluate_seconds``, and gives the abstract
    methods.

    Args:
      settings: checked options, with ``method`` and ``train``.
      config: the same as plain values, for ``config.json``.
      folder: the work directory; nothing is written before the data are known to be good.

    Raises:
      InputError: the folder holds a run of another configuration.
    """

    inputs: Any
    load_seconds: float
    evaluate_seconds: float

    def __init__(self, settings: Any, config: dict, folder: Path):
        self.settings, self._config = settings, config
        # The next line makes JAX's devices, whoever makes the run.
        give_threads()
        self.sharding = Sharding(1, 0) if jax.process_count() == 1 else Sharding(0, 0)
        self.folder = RunFolder(folder, writes=jax.process_index() == 0)
        self.folder.check_config(config)

    @on_devices
    def train(self, signals: Signals | None = None) -> dict:
        """Trains, evaluates and writes everything that a run leaves; returns the results.

        Args:
          signals: stop it at the end of a pass, after which a checkpoint is written.

        Raises:
          InputError: the run does not fit the memory, the folder's checkpoints are of another run, or the
            disk refuses.
          NotFiniteError: training met a number that is not finite.
          Interrupted: a signal came; a run in the same folder goes on.
        """
        trainer = self._trainer()
        memory.refuse_excess(
            memory.tree_bytes(self.inputs) + self._least_bytes(),
            system.available_memory_bytes(),
            self.settings.train.memory_limit,
        )
        progress = trainer.initial()
        needed = self._refuse_excess(trainer, progress)
        log.info("estimated peak memory: %.2f GiB", needed / 2**30)
        self.folder.write_config(self._config)
        with Checkpoints(self.folder.path / STEPS) as self._checkpoints:
            progress = self._resume(trainer) or progress
            started = time.perf_counter()
            with signals.held() if signals else contextlib.nullcontext():
                self._follow(trainer, progress, signals)
                # A signal does not cut the last write short either.
                self._checkpoints.wait()
            train_seconds = time.perf_counter() - started
        best = self._selected(progress)
        save_params(self.folder.path / BEST, best, {"method": self.settings.method})
        results = self._results(best) | self._training_results(progress)
        results["seconds"] = {
            "load": self.load_seconds,
            "compile": trainer.compile_seconds,
            "train": train_seconds,
            "evaluate": self.evaluate_seconds,
        }
        results["memory_estimate_bytes"] = needed
        return self._finish(results)

    @on_devices
    def evaluate(self) -> dict:
        """Evaluates the weights that the work directory holds; returns the results."""
        # What is known of the training stays.
        earlier = self.folder.results()
        results = earlier | self._results(self._load_params())
        seconds = {"load": self.load_seconds, "evaluate": self.evaluate_seconds}
        results["seconds"] = earlier.get("seconds", {}) | seconds
        return self._finish(results)

    @on_devices
    def embedded(self) -> Embedded:
        """What the weights in the work directory say of all entities.

        Raises:
          InputError: the work directory holds none.
        """
        return self._embedded(self._load_params())

    @on_devices
    def export(self) -> Path:
        """Writes embeddings, weights and a model card; returns their folder.

        Raises:
          InputError: nothing is trained, or the disk refuses.
        """
        params = self._load_params()
        embedded = self._embedded(params)
        return write_export(self.folder.path, embedded, params, self.folder.results(), self._config)

    @abc.abstractmethod
    def _embedded(self, params: Any) -> Embedded:
        """Embeddings of all entities, and what it takes to compare them."""

    @abc.abstractmethod
    def _trainer(self) -> Any:
        """With ``initial``, ``compile``, ``run``, ``key``, ``epochs`` and ``compile_seconds``."""

    @abc.abstractmethod
    def _least_bytes(self) -> int:
        """Bytes that the largest parameters and their optimizer need at least, known without making them."""

    @abc.abstractmethod
    def _evaluation_bytes(self) -> int:
        """Peak bytes of evaluation."""

    @abc.abstractmethod
    def _epochs_done(self, progress: Any) -> int:
        """Passes that ``progress`` has behind it, in all stages."""

    @abc.abstractmethod
    def _line(self, event: Any) -> dict:
        """An event of the trainer as a line of ``metrics.jsonl``."""

    @abc.abstractmethod
    def _checkpoint(self, progress: Any) -> tuple[int, Any, dict]:
        """Step, arrays and plain values that a checkpoint holds."""

    @abc.abstractmethod
    def _best_pass(self, progress: Any) -> Any:
        """Which pass the selected weights are of."""

    @abc.abstractmethod
    def _fingerprint(self) -> dict:
        """Of the data that training reads (see ``identity.fingerprint``)."""

    @abc.abstractmethod
    def _abstract(self, trainer: Any, plain: dict) -> Any:
        """Types of the arrays of a checkpoint with these plain values."""

    @abc.abstractmethod
    def _restored(self, arrays: Any, plain: dict) -> Any:
        """The progress that ``_checkpoint`` took apart."""

    @abc.abstractmethod
    def _results(self, params: Any) -> dict:
        """Everything that is measured on the test set."""

    @abc.abstractmethod
    def _training_results(self, progress: Any) -> dict:
        """What ``results.json`` says of training."""

    def _refuse_excess(self, trainer: Any, progress: Any) -> int:
        """Compiles the first stage and refuses the run if it will not fit; returns the estimate in bytes."""
        log.info("compiling")
        needed = memory.estimate(
            trainer.compile(progress),
            memory.tree_bytes(self.inputs),
            memory.tree_bytes(progress.best),
            self._evaluation_bytes(),
        )
        memory.refuse_excess(needed, system.available_memory_bytes(), self.settings.train.memory_limit)
        return needed

    def _resume(self, trainer: Any) -> Any:
        """What an earlier, unfinished run of the same configuration and data left, or ``None``."""
        self._identity = {"config": plain_values(self._config), "data": self._fingerprint()}

        def abstract(meta: dict) -> Any:
            check_identity(meta, self._identity, self.folder.path / STEPS)
            return self._abstract(trainer, meta["progress"])

        found = self._checkpoints.restore(abstract)
        self._identity["key"] = trainer.key
        if found is None:
            if self.folder.events():
                # Of a run that was killed before its first checkpoint.
                self.folder.truncate_after(0)
            return None
        step, arrays, meta = found
        # As saved, lest another version of JAX make another key of the same seed.
        trainer.key = self._identity["key"] = meta["key"]
        self.folder.truncate_after(step)
        progress = self._restored(arrays, meta["progress"])
        log.info("resuming after pass %d, step %d", self._epochs_done(progress), step)
        return progress

    def _follow(self, trainer: Any, progress: Any, signals: Signals | None = None) -> None:
        """Runs the training loop under a progress bar; logs and saves where the loop has validated.

        A checkpoint that comes while the one before is still being written is left out, so that the loop
        does not wait for the disk; the last state is always saved.
        """
        done, self._saved_best, saved = self._epochs_done(progress), self._best_pass(progress), True
        with (
            contextlib.closing(self.folder),
            tqdm(
                total=trainer.epochs,
                initial=done,
                unit="epoch",
                dynamic_ncols=True,
                disable=not self.folder.writes,
            ) as bar,
        ):
            for event in trainer.run(progress):
                bar.update()
                shown = {"loss": f"{event.terms['loss']:.3f}"}
                if event.valid_mrr is not None:
                    shown["valid MRR"] = f"{event.valid_mrr:.3f}"
                bar.set_postfix(shown, refresh=False)
                self.folder.log(self._line(event))
                due = event.epoch % self.settings.train.evaluate_every == 0 or event.epoch == event.epochs
                saved = due and not self._checkpoints.busy
                if saved:
                    self._save(progress)
                if signals is not None and processes.agree(signals):
                    break
        if not saved:
            self._save(progress)

    def _save(self, progress: Any) -> None:
        step, arrays, plain = self._checkpoint(progress)
        best = self._best_pass(progress)
        is_best, self._saved_best = best != self._saved_best, best
        self._checkpoints.save(step, arrays, self._identity | {"progress": plain}, is_best)

    def _selected(self, progress: Any) -> Any:
        """The selected weights, whole."""
        return progress.best

    def _abstract_params(self) -> Any:
        """Their types, and where they are to lie."""
        return jax.eval_shape(lambda: self._trainer().initial().best)

    def _load_params(self) -> Any:
        """The selected weights.

        Raises:
          InputError: the work directory holds none.
        """
        found = load_params(self.folder.path / BEST, self._abstract_params())
        if found is None:
            raise InputError(
                "no trained weights",
                expected="the work directory of a finished run",
                mend="train first, with --mode train and the same --workdir",
                file=self.folder.path,
            )
        return found[0]

    def _finish(self, results: dict) -> dict:
        results["peak_memory_bytes"] = system.peak_memory_bytes()
        results["devices"] = system.device_info()
        results["versions"] = system.versions()
        self.folder.write_results(results)
        self.folder.close()
        return results

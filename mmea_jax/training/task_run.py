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
from mmea_jax.training import memory, system
from mmea_jax.training.checkpoints import Checkpoints, load_params, save_params
from mmea_jax.training.writers import RunFolder

log = logging.getLogger("mmea_jax")

# Where the selected weights are, below the work directory.
BEST = Path("checkpoints") / "best"


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
        self.folder = RunFolder(folder)
        self.folder.check_config(config)

    def train(self) -> dict:
        """Trains, evaluates and writes everything of spec/data.md 6; returns the results."""
        trainer = self._trainer()
        progress = trainer.initial()
        needed = self._refuse_excess(trainer, progress)
        log.info("estimated peak memory: %.2f GiB", needed / 2**30)
        self.folder.write_config(self._config)
        with Checkpoints(self.folder.path / "checkpoints" / "steps") as self._checkpoints:
            progress = self._resume(trainer) or progress
            started = time.perf_counter()
            self._follow(trainer, progress)
            train_seconds = time.perf_counter() - started
        save_params(self.folder.path / BEST, progress.best, {"method": self.settings.method})
        results = self._results(progress.best) | self._training_results(progress)
        results["seconds"] = {
            "load": self.load_seconds,
            "compile": trainer.compile_seconds,
            "train": train_seconds,
            "evaluate": self.evaluate_seconds,
        }
        results["memory_estimate_bytes"] = needed
        return self._finish(results)

    def evaluate(self) -> dict:
        """Evaluates the weights that the work directory holds; returns the results."""
        results = self._results(self._load_params())
        results["seconds"] = {"load": self.load_seconds, "evaluate": self.evaluate_seconds}
        return self._finish(results)

    @abc.abstractmethod
    def _trainer(self) -> Any:
        """With ``initial``, ``compile``, ``run``, ``epochs`` and ``compile_seconds``."""

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
    def _resume(self, trainer: Any) -> Any:
        """What an earlier, unfinished run of the same configuration left, or ``None``."""

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

    def _follow(self, trainer: Any, progress: Any) -> None:
        """Runs the training loop under a progress bar; logs and saves where the loop has validated."""
        done = self._epochs_done(progress)
        with (
            contextlib.closing(self.folder),
            tqdm(total=trainer.epochs, initial=done, unit="epoch", dynamic_ncols=True) as bar,
        ):
            for event in trainer.run(progress):
                bar.update()
                shown = {"loss": f"{event.terms['loss']:.3f}"}
                if event.valid_mrr is not None:
                    shown["valid MRR"] = f"{event.valid_mrr:.3f}"
                bar.set_postfix(shown, refresh=False)
                self.folder.log(self._line(event))
                if event.epoch % self.settings.train.evaluate_every == 0 or event.epoch == event.epochs:
                    self._save(progress)

    def _save(self, progress: Any) -> None:
        self._checkpoints.save(*self._checkpoint(progress))

    def _load_params(self) -> Any:
        """The selected weights.

        Raises:
          InputError: the work directory holds none.
        """
        abstract = jax.eval_shape(lambda: self._trainer().initial().best)
        found = load_params(self.folder.path / BEST, abstract)
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

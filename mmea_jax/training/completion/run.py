"""One completion run, from a configuration to results: load, train, evaluate, write."""

import contextlib
import logging
import time
from pathlib import Path

import jax
import numpy as np
from tqdm import tqdm

from mmea_jax.data.completion_load import describe_completion, load_completion
from mmea_jax.errors import InputError
from mmea_jax.training import memory, system
from mmea_jax.training.checkpoints import Checkpoints, load_params, save_params
from mmea_jax.training.completion.answers import (
    Answerer,
    answer_lines,
    parse_query,
    table_text,
)
from mmea_jax.training.completion.evaluate import (
    Evaluator,
    frequency_floor,
    make_completion_inputs,
    measure,
    overlap_counts,
)
from mmea_jax.training.completion.methods import make_model
from mmea_jax.training.completion.settings import CompletionSettings
from mmea_jax.training.completion.summary import event_line, header, training_results
from mmea_jax.training.completion.trainer import (
    CompletionProgress,
    CompletionTrainer,
    from_checkpoint,
    to_checkpoint,
)
from mmea_jax.training.writers import RunFolder
from mmea_jax.vocabulary import COMPLETION_MODALITIES, STRUCTURE

log = logging.getLogger("mmea_jax")

# Where the selected weights are, below the work directory.
BEST = Path("checkpoints") / "best"
PREDICTIONS = "predictions.tsv"


class CompletionRun:
    """A run of one configuration on one data set.

    Args:
      settings: checked options.
      config: the same as plain values, for ``config.json``.
      folder: the work directory; nothing is written before the data are known to be good.

    Raises:
      InputError: bad data, a configuration that does not fit them, or a run that does not fit the memory.
    """

    def __init__(self, settings: CompletionSettings, config: dict, folder: Path):
        started = time.perf_counter()
        self.settings, self._config = settings, config
        self.folder = RunFolder(folder)
        self.folder.check_config(config)
        self.graph = load_completion(settings.data)
        for line in describe_completion(self.graph):
            log.info(line)
        having = {m for m, rows in self.graph.modalities.items() if rows.present.any()}
        modalities = tuple(m for m in COMPLETION_MODALITIES if m == STRUCTURE or m in having)
        self.model = make_model(
            settings.method,
            settings.model,
            modalities,
            self.graph.num_entities,
            self.graph.num_relations,
        )
        self.used = (STRUCTURE, *self.model.features)
        log.info("modalities used: %s", ", ".join(self.used))
        self.inputs = make_completion_inputs(self.graph)
        self.evaluator = Evaluator(self.model, self.inputs, self.graph)
        self.load_seconds = time.perf_counter() - started

    def train(self) -> dict:
        """Trains, evaluates and writes everything of spec/data.md 6; returns the results."""
        trainer = self._trainer()
        progress = trainer.initial()
        needed = self._refuse_excess(trainer, progress)
        log.info("estimated peak memory: %.2f GiB", needed / 2**30)
        self.folder.write_config(self._config)
        with Checkpoints(self.folder.path / "checkpoints" / "steps") as self._checkpoints:
            progress = self._resume(trainer, progress)
            started = time.perf_counter()
            self._follow(trainer, progress)
            train_seconds = time.perf_counter() - started
        save_params(self.folder.path / BEST, progress.best, {"method": self.settings.method})
        results = self._results(progress.best)
        results |= training_results(progress, self.settings.method)
        results["seconds"] = {
            "load": self.load_seconds,
            "compile": trainer.compile_seconds,
            "train": train_seconds,
            "evaluate": self.evaluator.seconds,
        }
        results["memory_estimate_bytes"] = needed
        return self._finish(results)

    def evaluate(self) -> dict:
        """Evaluates the weights that the work directory holds; returns the results."""
        results = self._results(self._load_params())
        results["seconds"] = {"load": self.load_seconds, "evaluate": self.evaluator.seconds}
        return self._finish(results)

    def predict(self, text: str) -> list[str]:
        """Lines that answer a query such as ``head,relation,?``.

        Raises:
          InputError: the query names what is not declared, or nothing is trained.
        """
        query = parse_query(text, self.graph)
        answers = self._answerer().top(query, self.settings.answers.top)
        return answer_lines(self.graph, query, answers)

    def complete(self) -> Path:
        """Writes new triples of high probability to ``predictions.tsv``; returns its path."""
        found = self._answerer().new_triples(self.settings.answers.min_probability)
        path = self.folder.write_text(PREDICTIONS, table_text(self.graph, found))
        log.info("%s new triples", f"{len(found):,}")
        return path

    def _answerer(self) -> Answerer:
        tables = self.evaluator.tables(self._load_params())
        answerer = Answerer(self.evaluator.score, tables, self.graph)
        log.info("temperature %.3g, fitted on %s triples", answerer.temperature, answerer.fitted_on)
        return answerer

    def _trainer(self) -> CompletionTrainer:
        return CompletionTrainer(
            self.model,
            self.inputs,
            self.graph.train,
            self.settings.train,
            self.settings.seed,
            self.evaluator.valid_mrr if len(self.graph.valid) else None,
        )

    def _refuse_excess(self, trainer: CompletionTrainer, progress: CompletionProgress) -> int:
        """Compiles an epoch and refuses the run if it will not fit; returns the estimate in bytes."""
        log.info("compiling")
        # Scores of a block of questions, a few times over, and the joint table.
        rule, n = self.model.rule, self.graph.num_entities
        evaluation = (4 * 64 << 20) + 3 * 4 * n * rule.entity_width
        needed = memory.estimate(
            trainer.compile(progress),
            memory.tree_bytes(self.inputs),
            memory.tree_bytes(progress.best),
            evaluation,
        )
        memory.refuse_excess(needed, system.available_memory_bytes(), self.settings.train.memory_limit)
        return needed

    def _follow(self, trainer: CompletionTrainer, progress: CompletionProgress) -> None:
        """Runs the training loop under a progress bar; logs and saves where the loop has validated."""
        with (
            contextlib.closing(self.folder),
            tqdm(total=trainer.epochs, initial=progress.epoch, unit="epoch", dynamic_ncols=True) as bar,
        ):
            for event in trainer.run(progress):
                bar.update()
                shown = {"loss": f"{event.terms['loss']:.3f}"}
                if event.valid_mrr is not None:
                    shown["valid MRR"] = f"{event.valid_mrr:.3f}"
                bar.set_postfix(shown, refresh=False)
                self.folder.log(event_line(event))
                if event.epoch % self.settings.train.evaluate_every == 0 or event.epoch == event.epochs:
                    self._save(progress)

    def _save(self, progress: CompletionProgress) -> None:
        self._checkpoints.save(progress.steps, *to_checkpoint(progress))

    def _resume(self, trainer: CompletionTrainer, initial: CompletionProgress) -> CompletionProgress:
        """What an earlier, unfinished run of the same configuration left, or ``initial``."""
        found = self._checkpoints.restore(jax.eval_shape(lambda: to_checkpoint(initial)[0]))
        if found is None:
            return initial
        step, arrays, plain = found
        self.folder.truncate_after(step)
        log.info("resuming after epoch %d, step %d", plain["epoch"], step)
        return from_checkpoint(arrays, plain)

    def _load_params(self) -> dict:
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

    def _results(self, params: dict) -> dict:
        """Everything that is measured on the test triples."""
        log.info("evaluating on %s test triples", f"{len(self.graph.test):,}")
        results = header(self.settings, self.graph, self.used)
        results["counts"] |= overlap_counts(self.graph)
        results |= measure(self.graph, self.evaluator.ranks(params, "test"))
        if self.model.features:
            attention = self.evaluator.attention(params)
            results["attention"] = dict(zip(self.used, np.mean(attention, axis=0).tolist(), strict=True))
        results["floors"] = {"relation_frequency": frequency_floor(self.graph)}
        return results

    def _finish(self, results: dict) -> dict:
        results["peak_memory_bytes"] = system.peak_memory_bytes()
        results["devices"] = system.device_info()
        results["versions"] = system.versions()
        self.folder.write_results(results)
        self.folder.close()
        return results

"""A completion run: its data, its trainer, and what it measures."""

import logging
import time
from pathlib import Path

import jax
import numpy as np

from mmea_jax.data.completion_load import describe_completion, load_completion
from mmea_jax.training import memory
from mmea_jax.training.completion.answers import (
    Answerer,
    answer_lines,
    parse_query,
    table_text,
)
from mmea_jax.training.completion.completed import embedded_graph
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
    CompletionEvent,
    CompletionProgress,
    CompletionTrainer,
    from_checkpoint,
    to_checkpoint,
)
from mmea_jax.training.exporting import Embedded
from mmea_jax.training.identity import fingerprint
from mmea_jax.training.task_run import TaskRun
from mmea_jax.vocabulary import COMPLETION_MODALITIES, STRUCTURE

log = logging.getLogger("mmea_jax")

PREDICTIONS = "predictions.tsv"


class CompletionRun(TaskRun):
    """A run of a completion method on one data set.

    Args:
      settings: checked options.
      config: the same as plain values, for ``config.json``.
      folder: the work directory; nothing is written before the data are known to be good.

    Raises:
      InputError: bad data, a configuration that does not fit them, or a run that does not fit the memory.
    """

    def __init__(self, settings: CompletionSettings, config: dict, folder: Path):
        started = time.perf_counter()
        super().__init__(settings, config, folder)
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

    @property
    def evaluate_seconds(self) -> float:
        """Wall-clock of ranking so far."""
        return self.evaluator.seconds

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

    def _embedded(self, params: dict) -> Embedded:
        model = self.model
        facts = {
            "scorer": model.scorer,
            "dim": model.dim,
            "margin": model.margin,
            "reciprocal": model.reciprocal,
        }
        return embedded_graph(self.evaluator.tables(params), self.graph, facts)

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

    def _evaluation_bytes(self) -> int:
        # Scores of a block of questions, a few times over, and the joint table.
        return (4 * 64 << 20) + 3 * 4 * self.graph.num_entities * self.model.rule.entity_width

    def _epochs_done(self, progress: CompletionProgress) -> int:
        return progress.epoch

    def _line(self, event: CompletionEvent) -> dict:
        return event_line(event)

    def _checkpoint(self, progress: CompletionProgress) -> tuple:
        return progress.steps, *to_checkpoint(progress)

    def _least_bytes(self) -> int:
        return memory.trained_bytes(self.graph.num_entities * self.model.rule.entity_width)

    def _best_pass(self, progress: CompletionProgress) -> int:
        return progress.best_epoch

    def _fingerprint(self) -> dict:
        graph = self.graph
        return fingerprint((graph.train, graph.valid, graph.test), graph.modalities)

    def _abstract(self, trainer: CompletionTrainer, plain: dict) -> dict:
        return jax.eval_shape(lambda: to_checkpoint(trainer.initial())[0])

    def _restored(self, arrays: dict, plain: dict) -> CompletionProgress:
        return from_checkpoint(arrays, plain)

    def _training_results(self, progress: CompletionProgress) -> dict:
        return training_results(progress, self.settings.method)

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
        results["parameters"] = sum(x.size for x in jax.tree.leaves(params))
        return results

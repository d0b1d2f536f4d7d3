"""An alignment run: its data, its trainer, and what it measures."""

import functools
import logging
import time
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from mmea_jax.data import KnowledgeGraphs, Split, describe, load
from mmea_jax.errors import InputError
from mmea_jax.matching import alignment_table, gold_ranks, held, metrics, mutual_nearest
from mmea_jax.training import memory
from mmea_jax.training.aligned import embedded_pair
from mmea_jax.training.answers import EVALUATION, answers_of, confidence_report, evaluation_table
from mmea_jax.training.consensus import ConsensusEmbedder
from mmea_jax.training.embedder import Embedder
from mmea_jax.training.evaluate import (
    alignment_rows,
    calibration_report,
    fit_confidence,
    measure,
    sides_of,
    with_distractors,
)
from mmea_jax.training.exporting import Embedded
from mmea_jax.training.floors import measure_floors
from mmea_jax.training.identity import fingerprint
from mmea_jax.training.inputs import make_inputs, modalities_of
from mmea_jax.training.methods import make_model
from mmea_jax.training.pivoting import pivot_report, pivot_split
from mmea_jax.training.saving import abstract_arrays, from_checkpoint, to_checkpoint
from mmea_jax.training.score_weights import choose_weights, named_weights
from mmea_jax.training.scores import WEIGHED, check_score, make_scorer, matched_width
from mmea_jax.training.settings import Settings
from mmea_jax.training.sharding import Sharding, on_devices
from mmea_jax.training.stages import planned
from mmea_jax.training.summary import event_line, header, training_results
from mmea_jax.training.task_run import TaskRun
from mmea_jax.training.trainer import Event, Progress, Trainer

log = logging.getLogger("mmea_jax")


class Run(TaskRun):
    """A run of an alignment method on one data set.

    Args:
      settings: checked options.
      config: the same as plain values, for ``config.json``.
      folder: the work directory; nothing is written before the data are known to be good.

    Raises:
      InputError: bad data, a configuration that does not fit them, or a run that does not fit the memory.
    """

    def __init__(self, settings: Settings, config: dict, folder: Path):
        started = time.perf_counter()
        super().__init__(settings, config, folder)
        self.kgs, self.split = self._data()
        for line in describe(self.kgs, self.split):
            log.info(line)
        modalities = modalities_of(self.kgs)
        log.info("modalities used: %s", ", ".join(modalities))
        self.floors = measure_floors(self.kgs, self.split) if len(self.split.test) else {}
        log.info("train-free Hits@1: %s", ", ".join(f"{k} {v:.3f}" for k, v in self.floors.items()))
        self.model = make_model(settings.method, settings.model, modalities, self.kgs.num_entities)
        # As they are now that the data are known.
        self.stages = planned(self.settings.stages, self.model, settings.train.cycles)
        matching = settings.matching
        has_distribution = getattr(self.model, "has_distribution", False)
        check_score(matching.score, has_distribution, matching.consensus)
        self.inputs = make_inputs(self.kgs)
        if settings.train.neighbours and getattr(self.model, "encoder", "") != "attention":
            raise InputError(
                f"train.neighbours = {settings.train.neighbours} for a method that attends to no neighbours",
                expected="0, but for methods with model.encoder = 'attention'",
                mend="leave out --config.train.neighbours",
            )
        self.sharding = Sharding(settings.train.devices, self.kgs.num_entities)
        inputs = self.sharding.inputs(self.inputs)
        if self.sharding.mesh is None:
            # Training takes the very features then, no copy of them.
            self.inputs = self.inputs.replace(dense=inputs.dense)
        self._embed = Embedder(self.model, inputs, self.sharding, self._keeps_distributions())
        # Validation compares the embeddings alone: what is chosen there is how well they are trained.
        self._compared = self._embed
        if matching.consensus:
            self._compared = ConsensusEmbedder(self._embed, self.kgs, self.split.train, matching)
        self.load_seconds = time.perf_counter() - started
        self._sides = sides_of(self.split.test, self.kgs, settings.matching.candidates)
        # The published choice is made on the very candidates of the test.
        self._selection_sides = self._sides
        if settings.train.protocol != "published":
            self._selection_sides = with_distractors(self._selection(), self.split.train, self.kgs)
        self.evaluate_seconds = 0.0

    @on_devices
    def align(self) -> Path:
        """Writes ``alignment.tsv`` from the weights that the work directory holds; returns its path."""
        params = self._load_params()
        self._weigh(params)
        return self._write_alignment(params)[0]

    def _data(self) -> tuple[KnowledgeGraphs, Split]:
        """The graphs, and the split that training follows."""
        kgs, split = load(self.settings.data)
        train = self.settings.train
        if train.pivot != "none":
            split = pivot_split(kgs, split, train.pivot, train.pivots)
        return kgs, split

    def _keeps_distributions(self) -> bool:
        """Whether embeddings come with their joint distributions, which exports write down."""
        return True

    def _trainer(self) -> Trainer:
        train = self.settings.train
        return Trainer(
            self.model,
            self.inputs,
            self.stages,
            self.split.train,
            train,
            self.settings.seed,
            self._validate if len(self._selection()) else None,
            self._propose,
            (int((self.kgs.side == 0).sum()), int((self.kgs.side == 1).sum())),
            self.sharding,
        )

    def _selection(self) -> np.ndarray:
        """Links that choose the epoch: held-out ones, or test links where that choice is asked for."""
        return self.split.test if self.settings.train.protocol == "published" else self.split.valid

    def _validate(self, params, flags: Mapping) -> float:
        """MRR by CSLS, KG 1 → KG 2, on the links that choose the epoch."""
        matching, sides = self.settings.matching, self._selection_sides
        started = time.perf_counter()
        embeddings = self._embed(params, sides.left, sides.right, flags=flags)
        scorer = make_scorer(*embeddings, matching.score)
        ranks = gold_ranks(scorer, sides.gold, matching.csls_k)
        self.evaluate_seconds += time.perf_counter() - started
        self._validated = metrics(ranks["csls"]["l2r"])
        return self._validated["mrr"]

    def _weigh(self, params) -> None:
        """Chooses how much each modality counts, where the score weighs them and there are links for it."""
        matching = self.settings.matching
        if matching.score != WEIGHED or not len(self.split.valid):
            return
        started, sides = time.perf_counter(), with_distractors(self.split.valid, self.split.train, self.kgs)
        embed = functools.partial(self._embed, params, flags=self.stages[-1].inference)
        self._embed.weights = choose_weights(embed, sides, matching.csls_k)
        shown = named_weights(self._embed.weights, self.model.modalities)
        log.info("weights in the score: %s", ", ".join(f"{k} {v:.2f}" for k, v in shown.items()))
        self.evaluate_seconds += time.perf_counter() - started

    def _propose(self, params, closed: np.ndarray, flags: Mapping) -> np.ndarray:
        """Mutual nearest neighbours, by CSLS of the joint similarity, among the entities not ``closed``."""
        entities = [self.kgs.entities(side) for side in (0, 1)]
        left, right = self._compared(params, *entities, flags=flags)
        scorer = make_scorer(
            left, right, self.settings.matching.score, ~closed[entities[0]], ~closed[entities[1]]
        )
        pairs = mutual_nearest(scorer, self.settings.matching.csls_k).pairs
        return np.stack([own[pairs[:, side]] for side, own in enumerate(entities)], axis=1)

    def _evaluation_bytes(self) -> int:
        matching = self.settings.matching
        return memory.evaluation_bytes(
            len(self._sides.left),
            len(self._sides.right),
            self.kgs.num_entities,
            matched_width(self.model, matching.score),
            bool(matching.consensus),
            matching.assignment,
        )

    def _epochs_done(self, progress: Progress) -> int:
        return sum(record.epochs for record in progress.records)

    def _line(self, event: Event) -> dict:
        line = event_line(event)
        return line if event.valid_mrr is None else line | {"valid": self._validated}

    def _checkpoint(self, progress: Progress) -> tuple:
        return int(progress.state.step), *to_checkpoint(progress, self.sharding)

    def _least_bytes(self) -> int:
        # Virtual devices of a CPU share its memory.
        parts = 1 if jax.default_backend() == "cpu" else self.sharding.parts
        return memory.trained_bytes(self.kgs.num_entities * self.model.width) // parts

    def _best_pass(self, progress: Progress) -> tuple[int, int]:
        return progress.stage, progress.records[-1].best_epoch

    def _fingerprint(self) -> dict:
        kgs, split = self.kgs, self.split
        exact = (kgs.triples, kgs.side, split.train, split.valid, split.test)
        return fingerprint(exact, kgs.modalities)

    def _abstract(self, trainer: Trainer, plain: dict) -> dict:
        return abstract_arrays(trainer, plain, self.sharding)

    def _restored(self, arrays: dict, plain: dict) -> Progress:
        return from_checkpoint(arrays, plain, self.sharding)

    def _selected(self, progress: Progress) -> dict:
        return self.sharding.whole(progress.best)

    def _abstract_params(self) -> dict:
        best = jax.eval_shape(lambda: self._trainer().initial(placed=False).best)
        return self.sharding.abstract(best)

    def _results(self, params) -> dict:
        """Everything that is measured on the test links, and the alignment table."""
        self._weigh(params)
        started = time.perf_counter()
        settings, sides = self.settings, self._sides
        log.info("evaluating on %s test links", f"{len(self.split.test):,}")
        left, right = self._compared(params, sides.left, sides.right, flags=self.stages[-1].inference)
        results = header(self.settings, self.kgs, self.split, self.model.modalities) | measure(
            self.kgs, sides, left, right, settings.matching
        )
        _, confidence = self._write_alignment(params)
        scorer = held(make_scorer(left, right, settings.matching.score))
        results["calibration"] = calibration_report(scorer, sides.gold, confidence)
        results["confidence"] = confidence_report(left, right)
        answers = answers_of(sides, scorer, confidence.fitted.temperature)
        self.folder.write_text(EVALUATION, evaluation_table(self.kgs, answers))
        results["floors"] = self.floors
        if self._embed.weights:
            results["score_weights"] = named_weights(self._embed.weights, self.model.modalities)
        results["parameters"] = sum(x.size for x in jax.tree.leaves(params))
        if settings.train.pivot != "none":
            results["pivots"] = pivot_report(self.kgs, self.split, settings.train.pivot)
        self.evaluate_seconds += time.perf_counter() - started
        return results

    def _training_results(self, progress: Progress) -> dict:
        return training_results(progress, self.settings.train, self.kgs)

    def _write_alignment(self, params):
        """Writes ``alignment.tsv``; returns its path and the confidence model behind it.

        Rows are the entities of KG 1 that are no seeds, candidates those of KG 2 that are none.
        """
        kgs, matching = self.kgs, self.settings.matching
        rows, candidates, left, right, confidence = self._confidence(params)
        open_rows = ~np.isin(rows, self.split.train[:, 0])
        open_candidates = ~np.isin(candidates, self.split.train[:, 1])
        scorer = make_scorer(
            left, right, matching.score, jnp.asarray(open_rows), jnp.asarray(open_candidates)
        )
        table = alignment_rows(kgs, self.split, scorer, rows, candidates, confidence)
        path = self.folder.write_text("alignment.tsv", alignment_table.table_text(table))
        return path, confidence

    def _confidence(self, params):
        """Entities of KG 1 and KG 2 that are matched, their embeddings, and how sure a score is."""
        kgs, matching = self.kgs, self.settings.matching
        held_out = len(self.split.valid) > 0
        links = self.split.valid if held_out else self.split.train
        rows, candidates = (np.setdiff1d(kgs.entities(k), self.split.train[:, k]) for k in (0, 1))
        if not held_out:
            # Seeds stand in for the missing validation links: their answers must be among the candidates.
            candidates = kgs.entities(1)
        rows = np.union1d(rows, links[:, 0])
        left, right = self._compared(params, rows, candidates, flags=self.stages[-1].inference)
        fitting = np.searchsorted(rows, links[:, 0])
        scorer = make_scorer(jax.tree.map(lambda x: x[fitting], left), right, matching.score)
        confidence = fit_confidence(
            scorer, np.searchsorted(candidates, links[:, 1]), "valid" if held_out else "train"
        )
        return rows, candidates, left, right, confidence

    def _embedded(self, params) -> Embedded:
        kgs = self.kgs
        self._weigh(params)
        sides = [kgs.entities(side) for side in (0, 1)]
        parts = self._compared(params, *sides, flags=self.stages[-1].inference)
        order = np.argsort(np.concatenate(sides))
        whole = jax.tree.map(lambda *own: jnp.concatenate(own)[order], *parts)
        confidence = self._confidence(params)[-1]
        facts = {
            "score": self.settings.matching.score,
            "weights": self._embed.weights,
            "temperature": confidence.fitted.temperature,
            "threshold": confidence.threshold,
        }
        arrays = {"side": kgs.side, "ids": kgs.entity_ids, "seeds": self.split.train}
        return embedded_pair(whole, kgs.entity_names, arrays, facts)

"""A run on the user's own graphs: every entity of KG 1 gets a verdict, a probability and its reasons."""

import dataclasses
import logging
import time
from pathlib import Path

import jax
import numpy as np

from mmea_jax.data import KnowledgeGraphs, Split, load
from mmea_jax.data.own import MIN_SEEDS, OWN
from mmea_jax.matching import csls_scorer, sinkhorn_assignment
from mmea_jax.matching.csls import relief_of_hidden
from mmea_jax.matching.decision import Decision, decide
from mmea_jax.matching.evidence import Evidence, best_evidence, evidence_for, rivals, without_columns
from mmea_jax.models.embeddings import Embeddings
from mmea_jax.training.answers import EVALUATION, Answers, confidence_report, evaluation_table
from mmea_jax.training.consensus import ConsensusEmbedder
from mmea_jax.training.evaluate import measure, sides_of
from mmea_jax.training.own.explain import score_parts
from mmea_jax.training.own.measures import curve_report, gold_report
from mmea_jax.training.own.outputs import ALIGNMENT, Prediction, write_files
from mmea_jax.training.own.seeds import of_as_many_steps, with_pivots
from mmea_jax.training.run import Run
from mmea_jax.training.score_weights import named_weights
from mmea_jax.training.scores import make_scorer
from mmea_jax.training.settings import Settings
from mmea_jax.training.sharding import on_devices
from mmea_jax.training.summary import header

log = logging.getLogger("mmea_jax")


@dataclasses.dataclass(frozen=True)
class OutputOptions:
    """What of an alignment the user may choose; it changes nothing of the training."""

    one_to_one: bool = False  # no entity of KG 2 twice: assignment by optimal transport
    threshold: float | None = None  # probability from which on a pair is a match; None: largest F1
    dangling: float | None = None  # share of KG 1 that has no counterpart; None: estimated


class OwnRun(Run):
    """A run of an alignment method on the data set ``own``.

    Besides what every run leaves it writes ``evidence.tsv`` and ``alignment.sssom.tsv``. The table of the
    alignment orders candidates by score (CSLS), and equal ones by name, in code point order.

    Args:
      settings: checked options.
      config: the same as plain values.
      folder: the work directory.
      output: what to make of the scores.
    """

    def __init__(self, settings: Settings, config: dict, folder: Path, output: OutputOptions | None = None):
        self._output = output or OutputOptions()
        super().__init__(settings, config, folder)

    @on_devices
    def align(self) -> Path:
        """Writes the alignment from the weights that the work directory holds; returns its path."""
        self._decide(self._everyone(self._load_params()))
        return self.folder.path / ALIGNMENT

    def _data(self) -> tuple[KnowledgeGraphs, Split]:
        kgs, split = load(self.settings.data)
        # Pivots are no knowledge: what they join is decided like everything else.
        self._known = np.concatenate([split.train, split.valid])
        before = len(split.train)
        split, self._pivots = with_pivots(kgs, split, self.settings.data.own.alone)
        if self._pivots:
            stages = tuple(of_as_many_steps(own, before, len(split.train)) for own in self.settings.stages)
            self.settings = dataclasses.replace(self.settings, stages=stages)
        return kgs, split

    @property
    def _unsupervised(self) -> bool:
        """Whether pairs stand in for seeds that are too few."""
        return len(self._known) < MIN_SEEDS

    def _keeps_distributions(self) -> bool:
        # All entities of both graphs are embedded at once: what nothing reads would be gigabytes.
        return self.settings.matching.score == "kl"

    def _results(self, params) -> dict:
        started = time.perf_counter()
        settings, kgs, split = self.settings, self.kgs, self.split
        everyone = self._everyone(params)
        results = self._decide(everyone)
        on_gold = len(split.test) > 0
        # Without gold links the held-out seeds are all there is; they chose the epoch, and results say so.
        sides = sides_of(split.test, kgs, settings.matching.candidates) if on_gold else self._selection_sides
        left, right = self._of(everyone, sides.left, sides.right)
        # Matching needs the room.
        del everyone
        head = header(settings, kgs, split, self.model.modalities)
        head["protocol"]["measured_on"] = "gold links" if on_gold else "held-out seeds, which chose the epoch"
        head["protocol"]["unsupervised"] = self._unsupervised
        results = head | measure(kgs, sides, left, right, settings.matching) | results
        results["confidence"] = confidence_report(left, right)
        if self._embed.weights:
            results["score_weights"] = named_weights(self._embed.weights, self.model.modalities)
        results["floors"] = self.floors
        results["parameters"] = sum(x.size for x in jax.tree.leaves(params))
        if self._pivots is not None:
            results["pivots"] = self._pivots
        self.evaluate_seconds += time.perf_counter() - started
        return results

    def _everyone(self, params) -> list[Embeddings]:
        """Embeddings of all entities of either graph: one size, so that it compiles once."""
        self._weigh(params)
        sides = (self.kgs.entities(0), self.kgs.entities(1))
        found = self._compared(params, *sides, flags=self.stages[-1].inference)
        if isinstance(self._compared, ConsensusEmbedder):
            # It keeps both sides in one; nobody asks it again.
            self._compared.forget()
        return found

    def _of(self, everyone: list[Embeddings], *entity_sets: np.ndarray) -> list[Embeddings]:
        """The embeddings of int[·] entities of KG 1 and of KG 2."""
        rows = [np.searchsorted(self.kgs.entities(k), own) for k, own in enumerate(entity_sets)]
        return [jax.tree.map(lambda x, at=at: x[at], e) for e, at in zip(everyone, rows, strict=True)]

    def _decide(self, everyone: list[Embeddings]) -> dict:
        """Decides on every entity of KG 1 and writes the files; returns what ``results.json`` says of it."""
        kgs, known = self.kgs, self._known
        valid = self.split.valid
        closed = np.setdiff1d(known[:, 0], valid[:, 0]), np.setdiff1d(known[:, 1], valid[:, 1])
        rows, candidates = (np.setdiff1d(kgs.entities(k), closed[k]) for k in (0, 1))
        # The scorer has vectors of its own, so that these copies go at once.
        scorer = make_scorer(*self._of(everyone, rows, candidates), self.settings.matching.score)
        held_out = np.searchsorted(rows, valid[:, 0]), np.searchsorted(candidates, valid[:, 1])
        # Pairs that stand in for seeds are easier than others, so that too many of these would seem to have
        # no counterpart; leaving the hidden ones low makes up for it (experiments/results/own_graphs.md).
        relief = 0.0 if self._unsupervised else relief_of_hidden(scorer, *held_out, self._csls_k(rows))
        scorer = csls_scorer(scorer, self._csls_k(rows))
        found = rivals(scorer)
        asked = np.flatnonzero(~np.isin(rows, known[:, 0]))
        decision = decide(
            found,
            *held_out,
            asked,
            relief=relief,
            dangling=self._output.dangling,
            threshold=self._output.threshold,
        )
        # A candidate that is known to be another's counterpart is nobody else's.
        free = without_columns(found, np.flatnonzero(np.isin(candidates, known[:, 1])))
        evidence, assigned = best_evidence(free), np.ones(len(rows), bool)
        if self._output.one_to_one:
            evidence, assigned = self._assigned(scorer, free, rows, candidates)
        evidence, assigned = evidence.take(asked), assigned[asked]
        has = np.isfinite(evidence.score)
        probability = np.where(has, decision.model(evidence.features()), 0.0)
        pairs = (
            np.searchsorted(kgs.entities(k), own)
            for k, own in enumerate((rows[asked], candidates[evidence.columns]))
        )
        parts = score_parts(*everyone, *pairs, self.settings.matching.score)
        prediction = Prediction(
            rows[asked],
            np.where(has, candidates[evidence.columns], -1),
            np.where(evidence.runner_up >= 0, candidates[evidence.runner_up], -1),
            evidence,
            probability,
            has & assigned & (probability >= decision.threshold),
            parts,
            int(((evidence.margin == 0) & (evidence.runner_up >= 0)).sum()),
        )
        write_files(self.folder, kgs, prediction, known)
        return self._report(prediction, decision)

    def _csls_k(self, rows: np.ndarray) -> int:
        return min(self.settings.matching.csls_k, max(1, len(rows) - 1))

    def _assigned(self, scorer, free, rows, candidates) -> tuple[Evidence, np.ndarray]:
        """Evidence for a one-to-one assignment, and bool[n], the rows that it gives a column to."""
        open_rows, open_columns = (
            ~np.isin(own, self._known[:, k]) for k, own in enumerate((rows, candidates))
        )
        scorer = dataclasses.replace(scorer, left_open=open_rows, right_open=open_columns)
        found = sinkhorn_assignment(scorer)
        log.info("one-to-one assignment by %s: %d pairs", found.method, len(found.pairs))
        own, columns = found.pairs.T
        best = best_evidence(free)
        everywhere, scores = best.columns.copy(), best.score.copy()
        everywhere[own], scores[own] = columns, found.scores
        assigned = np.zeros(len(rows), bool)
        assigned[own] = True
        return evidence_for(free, everywhere, scores), assigned

    def _report(self, prediction: Prediction, decision: Decision) -> dict:
        """What ``results.json`` says of the alignment; writes the answers whose truth is known."""
        kgs, matched = self.kgs, prediction.matched
        report = {
            "matched": int(matched.sum()),
            "no_match": int((~matched).sum()),
            "seeds": len(self._known),
            "ties": prediction.ties,
            "asked": dataclasses.asdict(self._output),
            "threshold": decision.threshold,
            "threshold_given": self._output.threshold is not None,
            "dangling": decision.dangling,
            "dangling_given": self._output.dangling is not None,
            "fitted_on": decision.links,
            "held_out": decision.quality,
            "curve": curve_report(decision.curve),
        }
        test, half = self.split.test, decision.links
        if len(test):
            truth = np.full(kgs.num_entities, -1)
            truth[test[:, 0]] = test[:, 1]
            answers = Answers(
                prediction.entities,
                truth[prediction.entities],
                prediction.counterparts,
                prediction.evidence.score,
                prediction.evidence.margin,
                prediction.probability,
            )
            report["gold"] = gold_report(answers, matched, decision.threshold)
        else:
            answers = self._held_out_answers(decision.probability[:half], decision.correct[:half])
        self.folder.write_text(EVALUATION, evaluation_table(kgs, answers))
        return {"alignment": report}

    def _held_out_answers(self, probability: np.ndarray, correct: np.ndarray) -> Answers:
        """The held-out links, with probabilities that were fitted without them."""
        entities, truth = self.split.valid.T
        nothing = np.full(len(entities), np.nan)
        return Answers(entities, truth, np.where(correct, truth, -1), nothing, nothing, probability)


def run_class(settings: Settings) -> type[Run]:
    """What runs these settings: graphs of the user's own are decided on, all others measured."""
    return OwnRun if settings.data.dataset == OWN else Run

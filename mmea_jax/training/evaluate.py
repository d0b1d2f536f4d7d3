"""What a trained model is worth: every measure of `results.json`, from embeddings alone."""

import dataclasses

import numpy as np

from mmea_jax.data import KnowledgeGraphs, Split
from mmea_jax.data.structure import degrees
from mmea_jax.matching import (
    Scorer,
    accuracy,
    alignment_table,
    by_degree,
    by_modalities,
    calibration,
    csls_scorer,
    evaluate,
    gold_ranks,
    held,
    inner_product,
    link_quality,
    metrics,
    mutual_nearest,
    sinkhorn_assignment,
)
from mmea_jax.matching.calibration import Calibration
from mmea_jax.models.embeddings import Embeddings
from mmea_jax.training.options import MatchingOptions
from mmea_jax.training.scores import make_scorer, supported
from mmea_jax.vocabulary import STRUCTURE

# Entities of KG 1 and KG 2 that join the validation links.
_DISTRACTORS = (1500, 20_000)


@dataclasses.dataclass(frozen=True)
class Sides:
    """Two sets of entities that are matched: rows of KG 1, candidates of KG 2, and the gold answers.

    Attributes:
      left: int[n].
      right: int[m].
      gold: int[n], position in ``right`` of each row's answer, −1 for none.
    """

    left: np.ndarray
    right: np.ndarray
    gold: np.ndarray

    @property
    def asked(self) -> np.ndarray:
        """int[Q]: the entities of ``left`` that have an answer, in the order of their ranks."""
        return self.left[self.gold >= 0]

    @property
    def answers(self) -> np.ndarray:
        """int[Q]: their counterparts."""
        return self.right[self.gold[self.gold >= 0]]


def sides_of(links: np.ndarray, kgs: KnowledgeGraphs, candidates: str = "test") -> Sides:
    """Rows and candidates for ``links`` int[·, 2]: their own entities, or ``all`` of each side."""
    if candidates == "test":
        return Sides(links[:, 0], links[:, 1], np.arange(len(links)))
    left, right = kgs.entities(0), kgs.entities(1)
    gold = np.full(len(left), -1)
    gold[np.searchsorted(left, links[:, 0])] = np.searchsorted(right, links[:, 1])
    return Sides(left, right, gold)


def with_distractors(links: np.ndarray, train: np.ndarray, kgs: KnowledgeGraphs) -> Sides:
    """``links`` int[·, 2] among further entities, so that a few hundred links still tell weights apart.

    Entities in no training link join: of KG 2 as candidates, of KG 1 as rows without an answer, for CSLS.
    Among few candidates the measure would reward coarse ranking, and the best weights for Hits@1 among
    thousands would not be chosen. No label of the added entities is used; they are the same in every run.
    """
    rng = np.random.default_rng(len(links))
    sides = []
    for side, most in enumerate(_DISTRACTORS):
        others = np.setdiff1d(kgs.entities(side), np.concatenate([train[:, side], links[:, side]]))
        drawn = rng.choice(others, min(most, len(others)), replace=False)
        sides.append(np.concatenate([links[:, side], np.sort(drawn)]))
    gold = np.full(len(sides[0]), -1)
    gold[: len(links)] = np.arange(len(links))
    return Sides(*sides, gold)


def measure(
    kgs: KnowledgeGraphs, sides: Sides, left: Embeddings, right: Embeddings, options: MatchingOptions
) -> dict:
    """Metrics of ``results.json``: ranks both ways, by slice, by single modality, and as an assignment.

    Args:
      kgs: the graphs.
      sides: what is matched.
      left: embeddings of ``sides.left``.
      right: of ``sides.right``.
      options: how.
    """
    # Compared by score, by CSLS and by transport, with and without support: kept where there is room.
    plain = held(make_scorer(left.replace(support=None), right, options.score))
    scorer = plain if left.support is None else supported(plain, left.support, right.support)
    ranks = gold_ranks(scorer, sides.gold, options.csls_k)
    asked, answers = sides.asked, sides.answers
    csls = ranks["csls"]["l2r"]
    present = {m: rows.present for m, rows in kgs.modalities.items()}
    results = {
        "test": {name: {way: metrics(r) for way, r in both.items()} for name, both in ranks.items()},
        "unimodal": _unimodal(kgs, sides, left, right, options.csls_k),
        "by_degree": by_degree(csls, degrees(kgs)[asked]),
        "by_modalities": by_modalities(
            csls,
            {m: own[asked] for m, own in present.items()},
            {m: own[answers] for m, own in present.items()},
        ),
    }
    if left.support is not None:
        # What is compared by its modalities one by one has no support either.
        results["without_consensus"] = evaluate(plain, sides.gold, options.csls_k)
    shifted = csls_scorer(scorer, options.csls_k)
    results["assignment"] = {"mutual_nearest": link_quality(mutual_nearest(shifted).pairs, sides.gold)}
    if options.assignment:
        results["assignment"]["sinkhorn"] = _one_to_one(shifted, sides.gold)
    return results


def _unimodal(kgs: KnowledgeGraphs, sides: Sides, left, right, csls_k: int) -> dict[str, dict[str, float]]:
    """Metrics (CSLS, KG 1 → KG 2) of each modality's own embedding; a missing one ties with all."""
    found = {}
    for modality in left.modal:
        vectors = []
        for entities, side in ((sides.left, left), (sides.right, right)):
            vector = np.asarray(side.modal[modality])
            if modality != STRUCTURE:
                vector = vector * kgs.modalities[modality].present[entities][:, None]
            vectors.append(vector)
        found[modality] = evaluate(Scorer(*vectors, block=inner_product), sides.gold, csls_k)["csls"]["l2r"]
    return found


def _one_to_one(scorer: Scorer, gold: np.ndarray) -> dict:
    # Coarser than in training, to save time on large tables; what it costs in accuracy was not measured.
    found = sinkhorn_assignment(scorer, threshold=1e-2)
    return {
        "accuracy": accuracy(found.pairs, gold),
        "method": found.method,
        "converged": found.converged,
        "iterations": found.iterations,
    }


@dataclasses.dataclass(frozen=True)
class Confidence:
    """How scores become probabilities.

    Attributes:
      fitted: the temperature and how well it fits the links that it was fitted on.
      threshold: probability from which on a candidate counts as a match.
      links: ``valid``, or ``train`` where nothing was held out.
    """

    fitted: Calibration
    threshold: float
    links: str


def fit_confidence(scorer: Scorer, gold: np.ndarray, links: str) -> Confidence:
    """Temperature and threshold from links that are no test links, gold int[n] (−1 for none)."""
    # The fit looks at them some twenty times.
    scorer = held(scorer)
    fitted = calibration.fit(scorer, gold)
    found = calibration.candidates(scorer, fitted.temperature)
    has_gold = gold >= 0
    correct = found.columns[has_gold, 0] == gold[has_gold]
    return Confidence(fitted, calibration.best_threshold(found.probability[has_gold], correct), links)


def calibration_report(scorer: Scorer, gold: np.ndarray, confidence: Confidence) -> dict:
    """Expected calibration error on the test links, before (temperature 1) and after the fit."""
    has_gold = gold >= 0
    errors = []
    for temperature in (1.0, confidence.fitted.temperature):
        found = calibration.candidates(scorer, temperature)
        correct = found.columns[:, 0] == gold
        errors.append(calibration.expected_calibration_error(found.probability[has_gold], correct[has_gold]))
    return {
        "temperature": confidence.fitted.temperature,
        "determined": confidence.fitted.determined,
        "fitted_on": confidence.links,
        "rows": confidence.fitted.rows,
        "ece_before": errors[0],
        "ece_after": errors[1],
        "threshold": confidence.threshold,
    }


def alignment_rows(
    kgs: KnowledgeGraphs,
    split: Split,
    scorer: Scorer,
    rows: np.ndarray,
    candidates: np.ndarray,
    confidence: Confidence,
) -> list[alignment_table.Row]:
    """The alignment table of all entities of KG 1: predictions of the open rows, then the seed links.

    Args:
      kgs: the graphs.
      split: whose training links are the seeds.
      scorer: ``rows`` against ``candidates``.
      rows: int[n], entities of KG 1.
      candidates: int[m], entities of KG 2.
      confidence: how scores become probabilities.
    """
    names = kgs.entity_names
    table = alignment_table.predict(
        scorer,
        [names[i] for i in rows],
        [names[i] for i in candidates],
        temperature=confidence.fitted.temperature,
        threshold=confidence.threshold,
    )
    return table + alignment_table.seed_rows((names[i], names[j]) for i, j in split.train)

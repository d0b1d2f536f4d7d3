"""Each answer to a question whose truth is known, one a row: what the report's pictures are made of."""

from typing import NamedTuple

import numpy as np

from mmea_jax.data import KnowledgeGraphs
from mmea_jax.data.structure import degrees
from mmea_jax.matching import Scorer, calibration
from mmea_jax.models.embeddings import Embeddings
from mmea_jax.training.evaluate import Sides

EVALUATION = "evaluation.tsv"
_DECILES = np.linspace(0, 1, 11)


class Answers(NamedTuple):
    """Answers for ``n`` entities of KG 1, whose counterparts are known.

    Attributes:
      entities: int[n], of KG 1.
      truth: int[n], the counterpart, −1 for an entity that has none.
      predicted: int[n], the best candidate, −1 where there is none.
      score: float[n].
      margin: float[n], to the runner-up; infinite or NaN where there is none.
      probability: float[n].
    """

    entities: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    score: np.ndarray
    margin: np.ndarray
    probability: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """bool[n]."""
        return (self.truth >= 0) & (self.predicted == self.truth)


def answers_of(sides: Sides, scorer: Scorer, temperature: float) -> Answers:
    """Each test entity's best candidate, whose probability is the softmax at ``temperature``."""
    found = calibration.candidates(scorer, temperature)
    asked = sides.gold >= 0
    scores = found.scores[asked]
    margin = scores[:, 0] - scores[:, 1] if scores.shape[1] > 1 else np.full(len(scores), np.nan)
    predicted = sides.right[found.columns[asked, 0]]
    return Answers(sides.asked, sides.answers, predicted, scores[:, 0], margin, found.probability[asked])


def evaluation_table(kgs: KnowledgeGraphs, answers: Answers) -> str:
    """The answers as TSV with a header; an entity that is not there is an empty field."""
    names, degree = kgs.entity_names, degrees(kgs)
    lines = ["entity1\tanswer\tpredicted\tscore\tmargin\tprobability\tcorrect\tdegree"]
    for row, correct in zip(zip(*answers, strict=True), answers.correct, strict=True):
        entity, truth, predicted, *numbers = row
        fields = [_clean(names[i]) if i >= 0 else "" for i in (entity, truth, predicted)]
        fields += [f"{x:.6g}" if np.isfinite(x) else "" for x in numbers]
        lines.append("\t".join([*fields, str(int(correct)), str(degree[entity])]))
    return "\n".join(lines) + "\n"


def confidence_report(*embeddings: Embeddings) -> dict[str, dict]:
    """How much weight each modality gets from the entities that have it: share, mean and deciles."""
    modalities = embeddings[0].modalities
    weights = np.concatenate([np.asarray(e.confidence) for e in embeddings])
    found = {}
    for column, modality in enumerate(modalities):
        own = weights[:, column][weights[:, column] > 0]
        if len(own):
            found[modality] = {
                "present": len(own) / len(weights),
                "mean": float(own.mean()),
                "deciles": np.quantile(own, _DECILES).tolist(),
            }
    return found


def _clean(name: str) -> str:
    return " ".join(name.split())

"""The files of an alignment of the user's own graphs: the table, the evidence, and SSSOM."""

import dataclasses

import numpy as np

from mmea_jax.data import KnowledgeGraphs
from mmea_jax.matching import alignment_table
from mmea_jax.matching.evidence import Evidence
from mmea_jax.training.own.explain import Explainer, evidence_table
from mmea_jax.training.own.sssom import sssom_table
from mmea_jax.training.writers import RunFolder

ALIGNMENT, EVIDENCE, SSSOM = "alignment.tsv", "evidence.tsv", "alignment.sssom.tsv"


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Verdicts on ``n`` entities of KG 1 of which nothing is known.

    Attributes:
      entities: int[n].
      counterparts: int[n], best candidates of KG 2, −1 where there is none.
      runner_up: int[n], −1 where there is none.
      evidence: scores and margins.
      probability: float[n].
      matched: bool[n].
      parts: summands of the score, float[n] each.
      ties: rows whose best two candidates score alike.
    """

    entities: np.ndarray
    counterparts: np.ndarray
    runner_up: np.ndarray
    evidence: Evidence
    probability: np.ndarray
    matched: np.ndarray
    parts: dict[str, np.ndarray]
    ties: int


def write_files(folder: RunFolder, kgs: KnowledgeGraphs, prediction: Prediction, known: np.ndarray) -> None:
    """Writes the three files.

    Args:
      folder: of the run.
      kgs: the graphs.
      prediction: verdicts on the entities that no seed names.
      known: int[L, 2], the seeds.

    Raises:
      InputError: the disk refuses.
    """
    if not folder.writes:
        return
    names = kgs.entity_names
    rows = [*_table(prediction, names)]
    rows += alignment_table.seed_rows((names[i], names[j]) for i, j in known)
    folder.write_text(ALIGNMENT, alignment_table.table_text(rows))
    partner = dict(known.tolist())
    pairs = zip(prediction.entities, prediction.counterparts, prediction.matched, strict=True)
    partner |= {int(one): int(two) for one, two, matched in pairs if matched}
    folder.write_text(EVIDENCE, _evidence_text(kgs, prediction, Explainer(kgs, partner)))
    labels = tuple({names[i]: kgs.labels[i] for i in kgs.entities(side) if kgs.labels[i]} for side in (0, 1))
    folder.write_text(SSSOM, sssom_table(rows, labels, kgs.name))


def _table(prediction: Prediction, names: tuple[str, ...]) -> list[alignment_table.Row]:
    columns = (
        prediction.entities,
        prediction.counterparts,
        prediction.runner_up,
        prediction.evidence.score,
        prediction.evidence.margin,
        prediction.probability,
        prediction.matched,
    )
    return [
        alignment_table.Row(
            names[one],
            names[two] if two >= 0 else "",
            float(score) if two >= 0 else None,
            float(margin) if second >= 0 else None,
            float(probability),
            "matched" if matched else "no_match",
            names[second] if second >= 0 else "",
        )
        for one, two, second, score, margin, probability, matched in zip(*columns, strict=True)
    ]


def _evidence_text(kgs: KnowledgeGraphs, prediction: Prediction, explainer: Explainer) -> str:
    names, rows = kgs.entity_names, []
    header = [
        "entity1", "entity2", "status", "probability", "score", "margin", "runner_up", "similarity",
        *prediction.parts, "matched_neighbours", "neighbours_shown", "equal_values",
    ]  # fmt: skip
    total = np.sum(list(prediction.parts.values()), axis=0)
    for k, (one, two) in enumerate(zip(prediction.entities, prediction.counterparts, strict=True)):
        if two < 0:
            continue
        second = prediction.runner_up[k]
        count, shown = explainer.neighbours(int(one), int(two))
        rows.append(
            [
                names[one],
                names[two],
                "matched" if prediction.matched[k] else "no_match",
                float(prediction.probability[k]),
                float(prediction.evidence.score[k]),
                float(prediction.evidence.margin[k]) if second >= 0 else "",
                names[second] if second >= 0 else "",
                float(total[k]),
                *(float(part[k]) for part in prediction.parts.values()),
                count,
                shown,
                explainer.values(int(one), int(two)),
            ]
        )
    return evidence_table(header, rows)

"""The table a practitioner reads: for each entity of KG 1 its counterpart in KG 2, and how sure that is."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from mmea_jax.matching import calibration, similarity

_SPACES = str.maketrans("\t\r\n", "   ")

Status = Literal["matched", "no_match", "seed"]


class Row(NamedTuple):
    """One line of the table; the fields are its header.

    Attributes:
      entity1: name in KG 1.
      entity2: name of its best candidate in KG 2, also when the status is ``no_match``.
      score: of that candidate; None for a seed.
      margin: score above the runner-up's; None for a seed or without a runner-up.
      probability: calibrated, in [0, 1]; 1 for a seed.
      status: ``no_match`` if the probability is below the threshold.
      runner_up: name of the second-best candidate, empty if there is none.
    """

    entity1: str
    entity2: str
    score: float | None
    margin: float | None
    probability: float
    status: Status
    runner_up: str


def predict(
    scorer: similarity.Scorer,
    names1: Sequence[str],
    names2: Sequence[str],
    *,
    temperature: float,
    threshold: float,
) -> list[Row]:
    """One row for each open row of ``scorer``, which are the entities of KG 1 that are no seeds.

    Args:
      scorer: ``n`` entities of KG 1, ``m`` candidates of KG 2.
      names1: n names.
      names2: m names.
      temperature: fitted on validation links (`calibration.fit`).
      threshold: probability from which on a candidate counts as matched (`calibration.best_threshold`).

    Raises:
      ValueError: if there are not as many names as entities.
      FloatingPointError: for a score that is NaN or infinite.
    """
    if scorer.shape != (len(names1), len(names2)):
        raise ValueError(f"{len(names1)} and {len(names2)} names for {scorer.shape} entities")
    found = calibration.candidates(scorer, temperature)
    answered = np.flatnonzero(np.isfinite(found.scores[:, 0]))
    second = np.isfinite(found.scores[:, 1:]).any(axis=1)
    return [
        Row(
            entity1=names1[i],
            entity2=names2[found.columns[i, 0]],
            score=float(found.scores[i, 0]),
            margin=float(found.scores[i, 0] - found.scores[i, 1]) if second[i] else None,
            probability=float(found.probability[i]),
            status="matched" if found.probability[i] >= threshold else "no_match",
            runner_up=names2[found.columns[i, 1]] if second[i] else "",
        )
        for i in answered
    ]


def seed_rows(pairs: Iterable[tuple[str, str]]) -> list[Row]:
    """Rows of the links that were given, for tables that are to hold every entity of KG 1."""
    return [Row(one, two, None, None, 1.0, "seed", "") for one, two in pairs]


def _field(value: str | float | None) -> str:
    if value is None:
        return ""
    return value.translate(_SPACES) if isinstance(value, str) else f"{value:.6g}"


def table_text(rows: Iterable[Row]) -> str:
    """A header and one tab-separated line a row, numbers to six digits, None as empty.

    Tabs and line breaks within a name, which would break the table, become spaces.
    """
    lines = ["\t".join(Row._fields)]
    lines += ["\t".join(map(_field, row)) for row in rows]
    return "\n".join(lines) + "\n"

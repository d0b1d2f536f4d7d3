"""What speaks for a candidate: its score, and how far it is above its rivals in the row and in the column."""

from typing import NamedTuple

import numpy as np

from mmea_jax.matching import similarity, sparse_scores


class Evidence(NamedTuple):
    """What speaks for a candidate of each of ``n`` rows.

    Attributes:
      columns: int32[n], the candidate.
      runner_up: int32[n], the row's best other candidate, −1 where there is none.
      score: float32[n], −inf for a closed row.
      margin: float32[n], above the runner-up's score, or above 0 where there is none; negative if the
        candidate is not the row's best.
      column_margin: float32[n], above the best score that another row has in that column, or above 0.
    """

    columns: np.ndarray
    runner_up: np.ndarray
    score: np.ndarray
    margin: np.ndarray
    column_margin: np.ndarray

    def features(self) -> np.ndarray:
        """float64[n, 3], finite; zeros for a closed row."""
        columns = np.stack([self.score, self.margin, self.column_margin], 1).astype(np.float64)
        return np.where(np.isfinite(columns), columns, 0.0)

    def take(self, rows: np.ndarray) -> "Evidence":
        """The same of some of the rows, int[k] or bool[n]."""
        return Evidence(*(x[rows] for x in self))


class Rivals(NamedTuple):
    """The best columns of every row and the best rows of every column, scores and indexes."""

    row_scores: np.ndarray
    row_columns: np.ndarray
    column_scores: np.ndarray
    column_rows: np.ndarray


def rivals(scorer: similarity.Scorer, kept: int = 32) -> Rivals:
    """Looks at all pairs once, in blocks.

    Args:
      scorer: ``n`` rows, ``m`` columns.
      kept: columns remembered of each row, three at least.

    Raises:
      FloatingPointError: for a score that is NaN or infinite.
    """
    by_row, by_column = sparse_scores.best_tables(scorer, kept)
    return Rivals(*by_row, *by_column)


def without_columns(found: Rivals, closed: np.ndarray) -> Rivals:
    """The same without the int[·] ``closed`` columns, as far as the remembered ones reach."""
    is_closed = np.isin(found.row_columns, closed)
    order = np.argsort(is_closed, axis=1, kind="stable")
    scores = np.where(is_closed, -np.inf, found.row_scores)
    return found._replace(
        row_scores=np.take_along_axis(scores, order, 1),
        row_columns=np.take_along_axis(found.row_columns, order, 1),
    )


def best_evidence(found: Rivals) -> Evidence:
    """Evidence for each row's best candidate; among equal scores the lower column is the better one."""
    columns = found.row_columns[:, 0]
    return evidence_for(found, columns, found.row_scores[:, 0])


def hidden_evidence(
    found: Rivals, rows: np.ndarray, gold: np.ndarray, relief: np.ndarray | float = 0.0
) -> Evidence:
    """The same for int[k] ``rows`` from whom their int[k] ``gold`` column is hidden.

    ``relief`` float32[k] is what their scores rise by without it (`csls.relief_of_hidden`).
    """
    scores, columns = found.row_scores[rows], found.row_columns[rows]
    others = columns != gold[:, None]
    # The first two that are not gold.
    order = np.argsort(~others, axis=1, kind="stable")[:, :2]
    scores = np.where(np.take_along_axis(others, order, 1), np.take_along_axis(scores, order, 1), -np.inf)
    columns = np.take_along_axis(columns, order, 1)
    second = scores[:, 1] if scores.shape[1] > 1 else np.full(len(rows), -np.inf, np.float32)
    relief = np.float32(relief)
    return _evidence(found, rows, columns[:, 0], scores[:, 0] + relief, columns[:, -1], second + relief)


def evidence_for(found: Rivals, columns: np.ndarray, scores: np.ndarray) -> Evidence:
    """Evidence for the given int[n] ``columns``, whose float[n] ``scores`` the caller knows."""
    n, width = found.row_scores.shape
    at = (found.row_columns[:, 0] == columns).astype(int)
    runner_up = found.row_columns[np.arange(n), np.minimum(at, width - 1)]
    second = np.where(at < width, found.row_scores[np.arange(n), np.minimum(at, width - 1)], -np.inf)
    return _evidence(found, np.arange(n), columns, scores, runner_up, second)


def _evidence(found: Rivals, rows, columns, scores, runner_up, second) -> Evidence:
    return Evidence(
        columns,
        np.where(np.isfinite(second), runner_up, -1),
        scores,
        _above(scores, second),
        _above(scores, _rival_of_column(found, rows, columns)),
    )


def _above(scores: np.ndarray, rival: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(scores), scores - np.where(np.isfinite(rival), rival, 0.0), -np.inf)


def _rival_of_column(found: Rivals, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """float32[k]: the best score that a row other than ``rows`` has in ``columns``; −inf for none."""
    first = found.column_rows[columns, 0] == rows
    if found.column_scores.shape[1] < 2:
        return np.where(first, -np.inf, found.column_scores[columns, 0])
    return np.where(first, found.column_scores[columns, 1], found.column_scores[columns, 0])

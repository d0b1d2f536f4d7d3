"""Pivots: the most similar pairs of two entity sets, each entity once, as seed links without a gold label."""

from typing import NamedTuple

import numpy as np

from mmea_jax.matching import similarity


class Pivots(NamedTuple):
    """Pairs in which no entity occurs twice, best first.

    Attributes:
      pairs: int32[P, 2], row and column.
      scores: float32[P], descending.
    """

    pairs: np.ndarray
    scores: np.ndarray


def pivot_links(scorer: similarity.Scorer, count: int, candidates: int = 16) -> Pivots:
    """Takes the best pair of all, then the best of those left, and so on, ``count`` times (EVA).

    The result is that of visiting all ``n · m`` pairs in order of score, but only the best ``candidates``
    of every row are kept; where a row runs out of them before the last pivot, all rows get more.

    Args:
      scorer: ``n`` rows, ``m`` columns; close the entities that lack the feature.
      count: pivots wanted; there are fewer where the open rows or columns run out.
      candidates: of every row, at first.

    Raises:
      ValueError: for a count below 1.
      FloatingPointError: for a score that is NaN or infinite.
    """
    if count < 1:
        raise ValueError(f"at least 1 pivot is wanted, not {count}")
    columns_in_all = scorer.shape[1]
    width = min(candidates, columns_in_all)
    while True:
        scores, columns = similarity.topk(scorer, width)
        found = _greedy(scores, columns, columns_in_all, count)
        if width == columns_in_all or not _ran_out(scores, found, count):
            return found
        width = min(4 * width, columns_in_all)


def _greedy(scores: np.ndarray, columns: np.ndarray, columns_in_all: int, count: int) -> Pivots:
    """The first ``count`` pairs, from the best score down; among equals the lower row, then column."""
    order = np.argsort(-scores, axis=None, kind="stable")[: np.isfinite(scores).sum()]
    row_taken, column_taken = np.zeros(len(scores), bool), np.zeros(columns_in_all, bool)
    chosen = []
    for entry in order:
        row, column = entry // scores.shape[1], columns.flat[entry]
        if not (row_taken[row] or column_taken[column]):
            row_taken[row] = column_taken[column] = True
            chosen.append((row, column, scores.flat[entry]))
            if len(chosen) == count:
                break
    pairs = np.array([pair[:2] for pair in chosen], np.int32).reshape(-1, 2)
    return Pivots(pairs, np.array([pair[2] for pair in chosen], np.float32))


def _ran_out(scores: np.ndarray, found: Pivots, count: int) -> bool:
    """Whether some row without a pivot may have had one, with a candidate that was not kept."""
    lowest = found.scores[-1] if len(found.scores) == count else -np.inf
    left = np.ones(len(scores), bool)
    left[found.pairs[:, 0]] = False
    # A row's kept candidates that score above the last pivot were all visited, and all were taken.
    last = scores[left, -1]
    return bool((np.isfinite(last) & (last >= lowest)).any())

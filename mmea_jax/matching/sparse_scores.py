"""Scores of some pairs only: what is left of ``n × m`` when the hopeless ones are out."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mmea_jax import partition
from mmea_jax.matching import similarity

# Pairs that are scored at once; their rows are gathered, so that many vectors are held.
_CHUNK = 8192


class SparseScores(NamedTuple):
    """Scores of ``P`` pairs, none of them twice, ascending by row and column.

    Attributes:
      rows: int64[P].
      columns: int64[P].
      values: float32[P].
      shape: ``(n, m)``.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]

    @property
    def keys(self) -> np.ndarray:
        """int64[P], ascending: one number for each pair."""
        return self.rows * self.shape[1] + self.columns


@partial(jax.jit, static_argnames="k")
@partition.whole
def _best_both_ways(scorer: similarity.Scorer, k: int):
    m = scorer.shape[1]
    padded = similarity.padded_rows(scorer)
    by_row = jnp.full((padded, k), -jnp.inf), jnp.zeros((padded, k), jnp.int32)
    by_column = jnp.full((m, k), -jnp.inf), jnp.zeros((m, k), jnp.int32)

    def find(state, block):
        rows, columns = state
        values, found = lax.top_k(block.scores, k)
        values = jnp.where(block.open_rows[:, None], values, -jnp.inf)
        rows = similarity.put_rows(rows[0], block, values), similarity.put_rows(rows[1], block, found)
        own = jnp.where(block.open_rows[:, None], block.scores, -jnp.inf)
        values, found = similarity.best_of_columns(own, k)
        values = jnp.concatenate([columns[0], values], axis=1)
        found = jnp.concatenate([columns[1], block.start + found], axis=1)
        values, order = lax.top_k(values, k)
        return rows, (values, jnp.take_along_axis(found, order, axis=1))

    return similarity.sweep(scorer, (by_row, by_column), find)


def best_tables(scorer: similarity.Scorer, k: int) -> tuple[tuple, tuple]:
    """The ``k`` best columns of every row and rows of every column: scores and indexes, [n, k] and [m, k].

    Scores descend; among equals the lower index comes first; −inf stands for a closed row or column.

    Raises:
      FloatingPointError: for a score that is NaN or infinite.
    """
    n, m = scorer.shape
    (by_row, by_column), finite = _best_both_ways(scorer, min(k, n, m))
    similarity.require_finite(finite)
    (row_values, columns), by_column = jax.tree.map(np.asarray, (by_row, by_column))
    return (row_values[:n], columns[:n]), by_column


def best_both_ways(scorer: similarity.Scorer, k: int) -> SparseScores:
    """The ``k`` best columns of every open row and the ``k`` best rows of every open column, in one pass.

    Raises:
      FloatingPointError: for a score that is NaN or infinite.
    """
    n, m = scorer.shape
    (row_values, columns), (column_values, rows) = best_tables(scorer, k)
    values = np.concatenate([row_values.ravel(), column_values.ravel()])
    rows = np.concatenate([np.repeat(np.arange(n), columns.shape[1]), rows.ravel()])
    columns = np.concatenate([columns.ravel(), np.repeat(np.arange(m), column_values.shape[1])])
    is_open = np.isfinite(values)
    return from_pairs(rows[is_open], columns[is_open], values[is_open], scorer.shape)


def from_pairs(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape) -> SparseScores:
    """Sorted, each pair once; of a pair that is given twice the first value stays."""
    keys, first = np.unique(np.asarray(rows, np.int64) * shape[1] + columns, return_index=True)
    return SparseScores(keys // shape[1], keys % shape[1], values[first], shape)


@jax.jit
@partition.whole
def _score_pairs(scorer: similarity.Scorer, rows: jax.Array, columns: jax.Array) -> jax.Array:
    def score(row, column):
        one = jax.tree.map(lambda x: x[row][None], scorer.left)
        return scorer.block(one, jax.tree.map(lambda x: x[column][None], scorer.right))[0, 0]

    return jax.vmap(score)(rows, columns)


def extended(scores: SparseScores, scorer: similarity.Scorer, keys: np.ndarray) -> SparseScores:
    """``scores`` with those of the pairs in ``keys`` int64[·] added, as ``scorer`` has them."""
    m = scores.shape[1]
    new = np.setdiff1d(keys, scores.keys)
    values = np.zeros(len(new), np.float32)
    for start in range(0, len(new), _CHUNK):
        chunk = new[start : start + _CHUNK]
        padded = np.resize(chunk, _CHUNK)
        found = _score_pairs(scorer, jnp.asarray(padded // m), jnp.asarray(padded % m))
        values[start : start + _CHUNK] = np.asarray(found)[: len(chunk)]
    return from_pairs(
        np.concatenate([scores.rows, new // m]),
        np.concatenate([scores.columns, new % m]),
        np.concatenate([scores.values, values]),
        scores.shape,
    )


def places(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """int64[P]: how many entries of the same group are larger (among equals, or come before).

    Args:
      groups: int64[P].
      values: float[P].
    """
    order = np.lexsort((-values, groups))
    ordered = groups[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    sizes = np.diff(np.append(starts, len(ordered)))
    found = np.empty(len(groups), np.int64)
    found[order] = np.arange(len(groups)) - np.repeat(starts, sizes)
    return found


def mean_of_best(groups: np.ndarray, values: np.ndarray, count: int, k: int) -> np.ndarray:
    """float32[count]: the mean of each group's ``k`` best values, or of all that it has; 0 for none."""
    among = places(groups, values) < k
    total = np.bincount(groups[among], weights=values[among], minlength=count)
    return (total / np.maximum(np.bincount(groups[among], minlength=count), 1)).astype(np.float32)

"""Realistic ranks of gold answers among all candidates, both directions, and what is reported of them.

The rank is ``1 + strictly better candidates + half the other, equally good
ones`` (the "realistic" rank of pykeen): constant scores give chance. One program
visits each block of scores twice: first to learn the gold scores and the CSLS
neighbourhoods, then to count, for cosine and CSLS, rows and columns at once.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mmea_jax import partition
from mmea_jax.matching import csls, similarity
from mmea_jax.matching.held_scores import held
from mmea_jax.vocabulary import DIRECTIONS, Direction

HITS = (1, 5, 10, 50)

Ranks = Mapping[str, Mapping[Direction, np.ndarray]]


def _twice_beaten(scores: jax.Array, gold: jax.Array, counted: jax.Array | bool, axis: int) -> jax.Array:
    """Candidates better than gold, plus those at least as good: equals count once, better ones twice."""
    beaten = (scores > gold).astype(jnp.int32) + (scores >= gold).astype(jnp.int32)
    return jnp.where(counted, beaten, 0).sum(axis)


@partial(jax.jit, static_argnames="k")
@partition.whole
def _count(scorer: similarity.Scorer, gold_column: jax.Array, gold_row: jax.Array, k: int | None):
    n, m = scorer.shape
    padded = similarity.padded_rows(scorer)
    gold_column = jnp.pad(gold_column, (0, padded - n))
    per_row, per_column = jnp.zeros(padded, jnp.int32), jnp.zeros(m, jnp.int32)
    counts = {"cosine": (per_row, per_column)} | ({"csls": (per_row, per_column)} if k else {})
    state = (jnp.zeros(padded), csls.empty_neighbourhoods(scorer, k or 1), counts)

    def learn(state, block):
        gold_score, near, counts = state
        columns = similarity.take_rows(gold_column, block)
        gold = jnp.take_along_axis(block.scores, columns[:, None], axis=1)[:, 0]
        if k:
            near = csls.visit_neighbourhoods(near, block, k)
        return similarity.put_rows(gold_score, block, gold), near, counts

    def count(state, block):
        gold_score, near, counts = state
        # The row's own shift moves all its competitors alike and is left out, so it cannot round two
        # scores into a tie; likewise the column's in the other direction.
        row_shift = similarity.take_rows(near.rows, block)[:, None]
        column_shift = csls.mean_of_open(near.columns)
        columns = similarity.take_rows(gold_column, block)
        own_gold = similarity.take_rows(gold_score, block)
        column_gold = gold_score[gold_row]
        forms = {"cosine": (block.scores, own_gold, block.scores, column_gold)}
        if k:
            forms["csls"] = (
                2 * block.scores - column_shift,
                2 * own_gold - column_shift[columns],
                2 * block.scores - row_shift,
                2 * column_gold - near.rows[gold_row],
            )
        for name, (by_row, row_gold, by_column, col_gold) in forms.items():
            rows, cols = counts[name]
            beaten = _twice_beaten(by_row, row_gold[:, None], True, axis=1)
            cols += _twice_beaten(by_column, col_gold, block.open_rows[:, None], axis=0)
            counts[name] = (similarity.put_rows(rows, block, beaten), cols)
        return gold_score, near, counts

    (_, _, counts), finite = similarity.sweep(scorer, state, learn, count)
    return counts, finite


def _checked_gold(scorer: similarity.Scorer, gold: np.ndarray) -> np.ndarray:
    """The rows that have a gold answer."""
    n, m = scorer.shape
    rows = np.flatnonzero(gold >= 0)
    if gold.shape != (n,) or (gold >= m).any():
        raise ValueError(f"gold must be int[{n}] of columns below {m}, or negative for none")
    if len(np.unique(gold[rows])) < len(rows):
        raise ValueError("two rows have the same gold column; links must be one to one")
    for mask, own in ((scorer.left_open, rows), (scorer.right_open, gold[rows])):
        if mask is not None and not np.asarray(mask)[own].all():
            raise ValueError("a gold pair has a closed entity")
    return rows


def gold_ranks(scorer: similarity.Scorer, gold: np.ndarray, csls_k: int | None = None) -> Ranks:
    """Realistic rank of every gold answer, in both directions, in two passes over the blocks.

    ``l2r`` asks with every row that has a gold column, among all columns;
    ``r2l`` asks with those columns, among all rows. For the published protocol rows and columns
    are the test entities; for ``candidates: all`` they are all entities of their sides.

    Args:
      scorer: ``n`` rows, ``m`` columns.
      gold: int[n], the gold column of each row, negative for a row that is no query.
      csls_k: neighbours of CSLS; None leaves it out.

    Returns:
      ``{"cosine": {"l2r": float64[Q], "r2l": float64[Q]}, "csls": …}``, both in ascending order of the
      ``Q`` gold rows. "cosine" is the plain score, whatever the scorer's block computes.

    Raises:
      ValueError: for gold columns out of range, shared by two rows, or closed, and ``csls_k`` below 1.
      FloatingPointError: for a score that is NaN or infinite.
    """
    gold = np.asarray(gold)
    rows = _checked_gold(scorer, gold)
    if csls_k is not None and csls_k < 1:
        raise ValueError(f"CSLS needs at least one neighbour, not {csls_k}")
    gold_row = np.zeros(scorer.shape[1], np.int32)
    gold_row[gold[rows]] = rows
    gold_column = np.maximum(gold, 0).astype(np.int32)
    counts, finite = _count(held(scorer), jnp.asarray(gold_column), jnp.asarray(gold_row), csls_k)
    similarity.require_finite(finite)
    # A gold answer is as good as itself, hence the one that is taken off.
    return {
        name: {
            direction: 1.0 + (np.asarray(count)[own] - 1) / 2
            for direction, count, own in zip(DIRECTIONS, both, (rows, gold[rows]), strict=True)
        }
        for name, both in counts.items()
    }


def metrics(ranks: np.ndarray, at: Sequence[int] = HITS) -> dict[str, float]:
    """Hits@1, 5, 10, 50 (or ``at``) in [0, 1], mean rank and mean reciprocal rank of float[Q].

    Raises:
      ValueError: without a rank.
    """
    if len(ranks) == 0:
        raise ValueError("no query has a gold answer, so there is nothing to measure")
    hits = {f"hits@{k}": float(np.mean(ranks <= k)) for k in at}
    return hits | {"mr": float(np.mean(ranks)), "mrr": float(np.mean(1 / ranks))}


def evaluate(
    scorer: similarity.Scorer, gold: np.ndarray, csls_k: int | None = None
) -> dict[str, dict[str, dict[str, float]]]:
    """``{"cosine": {"l2r": metrics, "r2l": metrics}, "csls": …}``, as ``results.json`` has it.

    Arguments and errors as in `gold_ranks`.
    """
    ranked = gold_ranks(scorer, gold, csls_k)
    return {name: {way: metrics(ranks) for way, ranks in both.items()} for name, both in ranked.items()}

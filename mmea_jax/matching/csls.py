"""Cross-domain similarity local scaling (CSLS; Conneau et al., 2018, arXiv 1710.04087).

``csls(i, j) = 2 s_ij − r_i − c_j``, with ``r_i`` the mean of the ``k`` best scores
of row ``i`` and ``c_j`` that of column ``j``: hubs, near to everything, lose.
"""

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mmea_jax import partition
from mmea_jax.matching import similarity


class Neighbourhoods(NamedTuple):
    """Running means of the best scores.

    Attributes:
      rows: float32[padded n], means of the rows' ``k`` best.
      columns: float32[m, k], the columns' best so far.
    """

    rows: jax.Array
    columns: jax.Array


def empty_neighbourhoods(scorer: similarity.Scorer, k: int) -> Neighbourhoods:
    """Before the first block; more neighbours than candidates are not to be had, so ``k`` shrinks."""
    n, m = scorer.shape
    columns = jnp.full((m, min(k, n)), -jnp.inf)
    return Neighbourhoods(jnp.zeros(similarity.padded_rows(scorer)), columns)


def mean_of_open(best: jax.Array) -> jax.Array:
    """Mean over the last axis without the −inf of closed candidates; 0 where there is nothing else."""
    is_open = best > -jnp.inf
    total = jnp.where(is_open, best, 0.0).sum(-1)
    return total / jnp.maximum(is_open.sum(-1), 1)


def visit_neighbourhoods(state: Neighbourhoods, block: similarity.Block, k: int) -> Neighbourhoods:
    """Adds one block: its rows' means are final, its columns' best merge with those so far."""
    k_columns = state.columns.shape[1]
    rows = mean_of_open(lax.top_k(block.scores, min(k, block.scores.shape[1]))[0])
    scores = jnp.where(block.open_rows[:, None], block.scores, -jnp.inf)
    best, _ = similarity.best_of_columns(scores, k_columns)
    columns = lax.top_k(jnp.concatenate([state.columns, best], 1), k_columns)[0]
    return Neighbourhoods(similarity.put_rows(state.rows, block, rows), columns)


@partial(jax.jit, static_argnames="k")
@partition.whole
def _neighbourhoods(scorer: similarity.Scorer, k: int):
    visit = partial(visit_neighbourhoods, k=k)
    state, finite = similarity.sweep(scorer, empty_neighbourhoods(scorer, k), visit)
    return state.rows[: scorer.shape[0]], mean_of_open(state.columns), finite


def neighbourhoods(scorer: similarity.Scorer, k: int) -> tuple[jax.Array, jax.Array]:
    """Means of the ``k`` best scores: of every row float32[n], of every column float32[m].

    Of fewer than ``k`` open candidates all count; a closed column, or one without any, has 0.

    Raises:
      ValueError: for ``k`` below 1.
      FloatingPointError: for a score that is NaN or infinite.
    """
    if k < 1:
        raise ValueError(f"CSLS needs at least one neighbour, not {k}")
    rows, columns, finite = _neighbourhoods(scorer, k)
    similarity.require_finite(finite)
    return rows, columns


def csls_scorer(scorer: similarity.Scorer, k: int) -> similarity.Scorer:
    """The scorer whose score is ``csls(i, j)``; one pass over ``scorer`` now, none held.

    Raises:
      ValueError: for ``k`` below 1.
      FloatingPointError: for a score that is NaN or infinite.
    """
    rows, columns = neighbourhoods(scorer, k)
    return scorer.shifted(2.0, -rows, -columns)


def relief_of_hidden(scorer: similarity.Scorer, rows: np.ndarray, gold: np.ndarray, k: int) -> np.ndarray:
    """How much the CSLS of a row's other candidates rises once its gold column is not there.

    A good counterpart is among the ``k`` neighbours whose mean a row's scores are measured against; a row
    that has none is measured against lower ones.

    Args:
      scorer: as for ``csls_scorer``.
      rows: int[p].
      gold: int[p], their columns.
      k: neighbours.

    Returns:
      float32[p], not negative.

    Raises:
      FloatingPointError: for a score that is NaN or infinite.
    """
    own = jax.tree.map(lambda x: jnp.asarray(x)[rows], scorer.left)
    asked = dataclasses.replace(scorer, left=own, left_open=None, block_rows=None)
    scores, columns = similarity.topk(asked, k + 1)
    others = -np.sort(-np.where(columns == gold[:, None], -np.inf, scores), axis=1)
    before, after = (np.asarray(mean_of_open(jnp.asarray(best[:, :k]))) for best in (scores, others))
    return before - after

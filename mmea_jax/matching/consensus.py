"""Neighbourhood consensus: two entities match the better, the more of their neighbours match.

Soft correspondences ``Q`` between the two sides are read off the scores, sent along the edges of both
graphs, and what arrives is added to the scores, from which the next round reads better ones. The
idea is that of deep graph matching consensus (Fey et al., ICLR 2020, arXiv 2001.09621) and, for
knowledge graphs, of PARIS (Suchanek et al., 2011); here nothing about it is learned. It belongs to
inference: any embeddings will do, and no label but the training links enters.

For entities ``i`` and ``j`` of the two sides, neighbours ``N`` and degrees ``d``, with ``w = d^−0.3``::

    support(i, j) = Σ_{p ∈ N(i), q ∈ N(j)} w_p w_q Q_pq / (‖w_N(i)‖ ‖w_N(j)‖)
    Q_pq = √(softmax_q(c_pq / τ) · softmax_p(c_pq / τ)),   c = CSLS, over the 5 best of each row and column

Training links are certain: ``Q = 1`` for the pair and 0 for all others of either entity. The scores are
computed once for all pairs; then only each entity's best candidates and supported pairs are looked at.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy import sparse

from mmea_jax.matching import similarity, sparse_scores
from mmea_jax.matching.sparse_scores import SparseScores

# Chosen on validation links of DBP15K/zh_en; experiments/results/mimea.md has the figures.
# Temperature and weight are in units of the largest score that two entities can have.
_CORRESPONDENCES = 5
_TEMPERATURE = 0.05
_WEIGHT = 0.5
_DEGREE_POWER = 0.3
# Candidates of an entity by its own score, and supported pairs kept for a row: the largest.
_CANDIDATES = 10
_KEPT = 32


class Support(NamedTuple):
    """Sparse scores of ``n`` rows.

    Attributes:
      columns: int32[n, S], −1 where a row has fewer than ``S``.
      values: float32[n, S], in units of score, 0 there.
    """

    columns: np.ndarray
    values: np.ndarray


def neighbours(triples: np.ndarray, entities: np.ndarray, num_entities: int) -> sparse.csr_matrix:
    """Which entities of one side are joined by a triple: float32[n, n], rows of length 1.

    The entries of a row are ``w`` of its neighbours before they are scaled.

    Args:
      triples: int[T, 3], head, relation, tail.
      entities: int[n], ascending, those of the side.
      num_entities: ``N``, of both sides.
    """
    heads, tails = triples[:, 0], triples[:, 2]
    ones = np.ones(2 * len(triples), np.float32)
    ends = np.concatenate([heads, tails]), np.concatenate([tails, heads])
    joined = sparse.coo_matrix((ones, ends), shape=(num_entities, num_entities)).tocsr()
    joined = joined[entities][:, entities]
    joined.setdiag(0.0)
    joined.eliminate_zeros()
    joined.data[:] = 1.0
    degree = np.maximum(np.diff(joined.indptr), 1)
    weighted = joined @ sparse.diags(degree**-_DEGREE_POWER)
    length = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return (sparse.diags(1 / np.maximum(length, 1e-9)) @ weighted).tocsr().astype(np.float32)


def correspondences(scores: SparseScores, csls_k: int, scale: float) -> sparse.csr_matrix:
    """``Q`` of unlinked entities: float32[n, m], at most ``5 n`` entries.

    Args:
      scores: of the pairs that come into question.
      csls_k: neighbours of CSLS.
      scale: the largest score that two entities can have.
    """
    rows, columns, values, (n, m) = scores
    near_rows = sparse_scores.mean_of_best(rows, values, n, csls_k)
    near_columns = sparse_scores.mean_of_best(columns, values, m, csls_k)
    csls = 2 * values - near_rows[rows] - near_columns[columns]
    shares = _softmax(rows, csls, n, scale) * _softmax(columns, csls, m, scale)
    both = shares > 0
    return sparse.coo_matrix((np.sqrt(shares[both]), (rows[both], columns[both])), shape=(n, m)).tocsr()


def _softmax(groups: np.ndarray, values: np.ndarray, count: int, scale: float) -> np.ndarray:
    """float32[P]: softmax over each group's best values, 0 for the others."""
    place = sparse_scores.places(groups, values)
    best = np.zeros(count, values.dtype)
    best[groups[place == 0]] = values[place == 0]
    among = place < _CORRESPONDENCES
    shares = np.where(among, np.exp((values - best[groups]) / (_TEMPERATURE * scale)), 0.0)
    total = np.bincount(groups, weights=shares, minlength=count)
    return (shares / np.maximum(total, 1e-9)[groups]).astype(np.float32)


def _largest(matrix: sparse.csr_matrix) -> sparse.coo_matrix:
    """The largest entries of every row."""
    matrix = matrix.tocoo()
    kept = sparse_scores.places(matrix.row.astype(np.int64), matrix.data) < _KEPT
    return sparse.coo_matrix(
        (matrix.data[kept], (matrix.row[kept], matrix.col[kept])), shape=matrix.shape, dtype=np.float32
    )


def _padded(matrix: sparse.coo_matrix) -> Support:
    """One width whatever is found, so that what is compiled for it serves all runs."""
    columns = np.full((matrix.shape[0], _KEPT), -1, np.int32)
    values = np.zeros((matrix.shape[0], _KEPT), np.float32)
    at = matrix.row, sparse_scores.places(matrix.row.astype(np.int64), matrix.data)
    columns[at], values[at] = matrix.col, matrix.data
    return Support(columns, values)


def _added(scores: SparseScores, support: sparse.coo_matrix) -> SparseScores:
    """The scores plus the support; every supported pair is among the scores."""
    keys = support.row.astype(np.int64) * scores.shape[1] + support.col
    values = scores.values.copy()
    place = np.searchsorted(scores.keys, keys)
    # Pairs of training links have no score, for they need none.
    known = place < len(scores.keys)
    known[known] = scores.keys[place[known]] == keys[known]
    values[place[known]] += support.data[known]
    return scores._replace(values=values)


def support(
    scorer: similarity.Scorer,
    graphs: tuple[sparse.csr_matrix, sparse.csr_matrix],
    seeds: np.ndarray,
    *,
    rounds: int,
    scale: float,
    csls_k: int,
) -> Support:
    """The support of the pairs that have most of it, after so many rounds.

    One pass over the blocks of scores, then sparse products on the host; at most 32 supported pairs a row.

    Args:
      scorer: all ``n`` entities of KG 1 against all ``m`` of KG 2, all of them open.
      graphs: of either side, as `neighbours` gives them.
      seeds: int[L, 2], rows and columns of the training links.
      rounds: at least 1.
      scale: the largest score that two entities can have; the support reaches half of it.
      csls_k: neighbours of CSLS.

    Raises:
      FloatingPointError: for a score that is NaN or infinite.
    """
    n, m = scorer.shape
    open_rows, open_columns = np.ones(n, bool), np.ones(m, bool)
    open_rows[seeds[:, 0]] = open_columns[seeds[:, 1]] = False
    certain = sparse.coo_matrix((np.ones(len(seeds), np.float32), tuple(seeds.T)), shape=(n, m)).tocsr()
    masked = scorer.masked(jnp.asarray(open_rows), jnp.asarray(open_columns))
    base = sparse_scores.best_both_ways(masked, _CANDIDATES)
    scores, found = base, None
    for _ in range(rounds):
        if found is not None:
            between = open_rows[found.row] & open_columns[found.col]
            keys = found.row[between].astype(np.int64) * m + found.col[between]
            base = sparse_scores.extended(base, scorer, keys)
            scores = _added(base, found)
        matched = correspondences(scores, csls_k, scale) + certain
        found = _largest(_WEIGHT * scale * (graphs[0] @ matched @ graphs[1].T))
    return _padded(found)

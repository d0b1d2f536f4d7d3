"""From scores to pairs: mutual nearest neighbours, and one-to-one assignment by optimal transport."""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ott.geometry import geometry
from ott.problems.linear import linear_problem
from ott.solvers.linear import sinkhorn

from mmea_jax import partition
from mmea_jax.matching import csls, similarity, sparse_scores
from mmea_jax.matching.held_scores import all_scores

# Sinkhorn keeps the cost matrix: 12,000 × 12,000 float32 are 576 MB, and about three times that at its peak.
MAX_DENSE_PAIRS = 12_000 * 12_000
_DENSE_COPIES = 3


class Assignment(NamedTuple):
    """Pairs in which no entity occurs twice.

    Attributes:
      pairs: int32[P, 2], row and column, ascending by row. Rows whose candidates were all taken have none.
      scores: float32[P], the scorer's own scores.
      method: what found them.
      converged: whether the transport plan met its threshold; None where there was no plan.
      iterations: of Sinkhorn; 0 where there was no plan.
      error: L1 error of the plan's marginals when it stopped; NaN where there was no plan.
      epsilon: entropic regularisation, in units of score; NaN where there was no plan.
      dense_bytes: estimated peak of the arrays of size ``n × m``; 0 where there was none.
    """

    pairs: np.ndarray
    scores: np.ndarray
    method: Literal["sinkhorn", "greedy"]
    converged: bool | None
    iterations: int
    error: float
    epsilon: float
    dense_bytes: int


class MutualNearest(NamedTuple):
    """Pairs that are each other's best candidate: int32[P, 2] ascending by row, and float32[P] scores."""

    pairs: np.ndarray
    scores: np.ndarray


def mutual_nearest(scorer: similarity.Scorer, csls_k: int | None = None) -> MutualNearest:
    """Pairs of open entities each of which is the other's best; among equals the lowest index is best.

    Args:
      scorer: ``n`` rows, ``m`` columns.
      csls_k: if given, by CSLS with so many neighbours; the scores are then CSLS too.

    Raises:
      FloatingPointError: for a score that is NaN or infinite.
    """
    scorer = csls.csls_scorer(scorer, csls_k) if csls_k else scorer
    (scores, columns), (_, rows) = sparse_scores.best_tables(scorer, 1)
    score, partner, back = scores[:, 0], columns[:, 0], rows[:, 0]
    own = np.flatnonzero((score > -np.inf) & (back[partner] == np.arange(len(score))))
    return MutualNearest(np.stack([own, partner[own]], 1).astype(np.int32), score[own])


def greedy_assignment(scorer: similarity.Scorer, candidates: int = 10) -> Assignment:
    """Takes pairs from the best score down, each row among its ``candidates`` best, each entity once.

    Every mutual-nearest pair is among them. Memory: ``n × candidates``.

    Raises:
      FloatingPointError: for a score that is NaN or infinite.
    """
    n, m = scorer.shape
    scores, columns = similarity.topk(scorer, candidates)
    partner, value = np.full(n, -1, np.int32), np.zeros(n, np.float32)
    taken = np.zeros(m, bool)
    order = np.argsort(-scores, axis=None, kind="stable")
    order = order[: np.isfinite(scores).sum()]
    for row, column, score in zip(
        order // scores.shape[1], columns.ravel()[order], scores.ravel()[order], strict=True
    ):
        if partner[row] < 0 and not taken[column]:
            partner[row], value[row], taken[column] = column, score, True
    own = np.flatnonzero(partner >= 0)
    pairs = np.stack([own, partner[own]], 1).astype(np.int32)
    return Assignment(pairs, value[own], "greedy", None, 0, float("nan"), float("nan"), 0)


@partial(jax.jit, static_argnames="max_iterations")
@partition.whole
def _potentials(scorer: similarity.Scorer, epsilon: jax.Array, threshold: jax.Array, max_iterations: int):
    n, m = scorer.shape
    scores, finite = all_scores(scorer)
    left = jnp.ones(n, bool) if scorer.left_open is None else scorer.left_open
    right = jnp.ones(m, bool) if scorer.right_open is None else scorer.right_open
    is_open = left[:, None] & right
    cost = jnp.where(is_open, scores.max(where=is_open, initial=-jnp.inf) - scores, 0.0)
    epsilon = epsilon * cost.sum() / is_open.sum(dtype=jnp.float32)
    problem = linear_problem.LinearProblem(
        geometry.Geometry(cost_matrix=cost, epsilon=epsilon), a=left / left.sum(), b=right / right.sum()
    )
    solver = sinkhorn.Sinkhorn(lse_mode=True, threshold=threshold, max_iterations=max_iterations)
    out = solver(problem)
    # Closed entities carry no mass, hence potentials of −inf; their masks already keep them out.
    f, g = jnp.where(left, out.f, 0.0), jnp.where(right, out.g, 0.0)
    error = jnp.where(out.errors > -1, out.errors, jnp.inf).min()
    return f, g, out.converged, out.n_iters, error, epsilon, finite


def sinkhorn_assignment(
    scorer: similarity.Scorer,
    *,
    epsilon: float = 0.05,
    threshold: float = 1e-3,
    max_iterations: int = 100,
    candidates: int = 10,
    max_dense_pairs: int = MAX_DENSE_PAIRS,
) -> Assignment:
    """One-to-one assignment by entropic optimal transport between uniform marginals (Cuturi, 2013).

    The log-domain solver is ott-jax's, on a dense cost ``max s − s``. The plan is
    then decoded greedily from its largest entries, which are visited in blocks. With
    more than ``max_dense_pairs`` pairs there is no plan (ott-jax's online geometry
    fails on current JAX) and `greedy_assignment` on the scores stands in; ``method`` says so.

    Args:
      scorer: ``n`` rows, ``m`` columns; pass a `csls.csls_scorer` to assign by CSLS.
      epsilon: regularisation as a multiple of the mean cost; towards 0 the plan is the optimal matching.
      threshold: L1 error of the marginals at which the plan has converged.
      max_iterations: of Sinkhorn; a plan short of ``threshold`` by then is decoded all the same,
        with ``converged=False``.
      candidates: entries of the plan considered per row.
      max_dense_pairs: largest ``n · m`` of a dense plan.

    Raises:
      FloatingPointError: for a score that is NaN or infinite.
    """
    n, m = scorer.shape
    if n * m > max_dense_pairs:
        return greedy_assignment(scorer, candidates)
    f, g, converged, iterations, error, eps, finite = _potentials(scorer, epsilon, threshold, max_iterations)
    similarity.require_finite(finite)
    # log plan = (s + f + g) / ε up to a constant, so the plan is a shifted scorer and needs no matrix.
    plan = greedy_assignment(scorer.shifted(1.0, f, g), candidates)
    rows, columns = plan.pairs.T
    return plan._replace(
        scores=plan.scores - np.asarray(f)[rows] - np.asarray(g)[columns],
        method="sinkhorn",
        converged=bool(converged),
        iterations=int(iterations),
        error=float(error),
        epsilon=float(eps),
        dense_bytes=_DENSE_COPIES * 4 * n * m,
    )


def accuracy(pairs: np.ndarray, gold: np.ndarray) -> float:
    """Share of the rows with a gold column (int[n], negative for none) that ``pairs [P, 2]`` give it to.

    Raises:
      ValueError: if no row has a gold column.
    """
    return link_quality(pairs, gold)["recall"]


def link_quality(pairs: np.ndarray, gold: np.ndarray) -> dict[str, float]:
    """Precision, recall and F1 of ``pairs`` int[P, 2] against int[n] gold columns, negative for none.

    Precision is over all pairs, those of rows without gold included, and 0 without any pair.

    Raises:
      ValueError: if no row has a gold column.
    """
    gold = np.asarray(gold)
    links = int((gold >= 0).sum())
    if links == 0:
        raise ValueError("no row has a gold answer, so there is nothing to measure")
    right = int((gold[pairs[:, 0]] == pairs[:, 1]).sum())
    return {
        "precision": right / max(len(pairs), 1),
        "recall": right / links,
        "f1": 2 * right / (len(pairs) + links),
    }

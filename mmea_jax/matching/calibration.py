"""A probability for each predicted link: softmax over a row's candidates at a temperature fitted on links.

Temperature scaling and the expected calibration error are those of Guo et al.
(2017), arXiv 1706.04599.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from mmea_jax import partition
from mmea_jax.matching import similarity

BINS = 15
# In units of score; cosine's spread is about 0.1 to 1.
TEMPERATURES = (1e-3, 1e2)


class Candidates(NamedTuple):
    """The two best candidates of each row.

    Attributes:
      columns: int32[n, 2], or [n, 1] where there is but one candidate.
      scores: float32 of the same shape, descending; −inf for a closed row or candidate.
      probability: float32[n] in [0, 1], of the best; 0 for a closed row.
    """

    columns: np.ndarray
    scores: np.ndarray
    probability: np.ndarray


class Calibration(NamedTuple):
    """What a fit found.

    Attributes:
      temperature: divides the scores before the softmax.
      determined: false if no temperature in the searched range is best: it ended at a bound, or gold wins
        by such margins that the likelihood is 1 at many. Probabilities are then not to be trusted.
      rows: how many rows it was fitted on.
      nll_before: mean negative log likelihood of gold, in nats, at temperature 1.
      nll_after: the same at ``temperature``.
      ece_before: expected calibration error at temperature 1.
      ece_after: the same at ``temperature``.
    """

    temperature: float
    determined: bool
    rows: int
    nll_before: float
    nll_after: float
    ece_before: float
    ece_after: float


class Reliability(NamedTuple):
    """Equal-width bins of confidence.

    Attributes:
      edges: float64[bins + 1], from 0 to 1.
      count: int64[bins].
      confidence: float64[bins], the mean; NaN for an empty bin.
      accuracy: float64[bins], the share that is correct; NaN for an empty bin.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def _log_partition(scores: jax.Array, temperature: jax.Array) -> jax.Array:
    return jax.nn.logsumexp(scores / temperature, axis=1)


@jax.jit
@partition.whole
def _candidates(scorer: similarity.Scorer, temperature: jax.Array):
    k = min(2, scorer.shape[1])
    padded = similarity.padded_rows(scorer)
    state = (jnp.zeros((padded, k)), jnp.zeros((padded, k), jnp.int32), jnp.zeros(padded))

    def visit(state, block):
        # Without the barrier XLA merges the column below into the search and then sorts whole rows: on CPUs
        # thirty times slower.
        scores, columns = jax.lax.optimization_barrier(jax.lax.top_k(block.scores, k))
        probability = jnp.exp(scores[:, 0] / temperature - _log_partition(block.scores, temperature))
        scores = jnp.where(block.open_rows[:, None], scores, -jnp.inf)
        new = (scores, columns, jnp.where(scores[:, 0] > -jnp.inf, probability, 0.0))
        return tuple(similarity.put_rows(old, block, rows) for old, rows in zip(state, new, strict=True))

    return similarity.sweep(scorer, state, visit)


@jax.jit
@partition.whole
def _nll(scorer: similarity.Scorer, gold_column: jax.Array, temperature: jax.Array):
    n = scorer.shape[0]
    padded = similarity.padded_rows(scorer)
    gold_column = jnp.pad(gold_column, (0, padded - n), constant_values=-1)

    def visit(total, block):
        column = similarity.take_rows(gold_column, block)
        gold = jnp.take_along_axis(block.scores, jnp.maximum(column, 0)[:, None], axis=1)[:, 0]
        loss = _log_partition(block.scores, temperature) - gold / temperature
        return total + jnp.where(column >= 0, loss, 0.0).sum()

    total, finite = similarity.sweep(scorer, jnp.zeros(()), visit)
    return total / (gold_column >= 0).sum(), finite


def candidates(scorer: similarity.Scorer, temperature: float = 1.0) -> Candidates:
    """The best two candidates of every row, and the probability of the best.

    Raises:
      FloatingPointError: for a score that is NaN or infinite.
    """
    (scores, columns, probability), finite = _candidates(scorer, temperature)
    similarity.require_finite(finite)
    n = scorer.shape[0]
    probability = np.minimum(np.asarray(probability)[:n], 1.0)
    return Candidates(np.asarray(columns)[:n], np.asarray(scores)[:n], probability)


def fit(scorer: similarity.Scorer, gold: np.ndarray) -> Calibration:
    """The temperature that minimises the negative log likelihood of gold; "before" is temperature 1.

    The search is one-dimensional, on the log of the temperature; each of its
    some 20 steps is one pass over the blocks.

    Args:
      scorer: rows of validation links, columns the candidates.
      gold: int[n], the gold column of each row; negative rows (no match) are ignored.

    Raises:
      ValueError: if no row has a gold column, or one is out of range.
      FloatingPointError: for a score that is NaN or infinite.
    """
    gold = np.asarray(gold)
    has_gold = gold >= 0
    if not has_gold.any() or (gold >= scorer.shape[1]).any():
        raise ValueError(f"calibration needs rows with a gold column below {scorer.shape[1]}")
    gold_column = jnp.asarray(gold, jnp.int32)

    def loss(log_temperature: float) -> float:
        value, finite = _nll(scorer, gold_column, np.exp(log_temperature))
        similarity.require_finite(finite)
        return float(value)

    def calibration_error(temperature: float) -> float:
        found = candidates(scorer, temperature)
        correct = found.columns[:, 0] == gold
        return expected_calibration_error(found.probability[has_gold], correct[has_gold])

    bounds = np.log(TEMPERATURES)
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    temperature = float(np.exp(found.x))
    return Calibration(
        temperature,
        bool(np.abs(bounds - found.x).min() > 1e-2 and found.fun > 1e-6),
        int(has_gold.sum()),
        loss(0.0),
        float(found.fun),
        calibration_error(1.0),
        calibration_error(temperature),
    )


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> Reliability:
    """Mean confidence and accuracy of float[Q] confidences and bool[Q] outcomes, by bin of confidence."""
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.clip(np.ceil(np.asarray(confidence, np.float64) * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    share = np.where(count > 0, count, np.nan)
    mean = np.bincount(bin_of, weights=confidence, minlength=bins) / share
    accuracy = np.bincount(bin_of, weights=correct, minlength=bins) / share
    return Reliability(edges, count, mean, accuracy)


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> float:
    """``Σ_bins (count / Q) · |accuracy − confidence|`` of the top candidate, in [0, 1].

    Raises:
      ValueError: without a row.
    """
    if len(confidence) == 0:
        raise ValueError("no row to measure calibration on")
    table = reliability(confidence, correct, bins)
    gap = np.nan_to_num(np.abs(table.accuracy - table.confidence))
    return float((table.count * gap).sum() / len(confidence))


def best_threshold(probability: np.ndarray, correct: np.ndarray, has_gold: np.ndarray | None = None) -> float:
    """The probability from which on predictions are kept, such that F1 on validation is largest.

    Args:
      probability: float[Q], of each row's best candidate.
      correct: bool[Q], whether that candidate is gold.
      has_gold: bool[Q], rows that have a match at all; by default every row.

    Returns:
      One of the probabilities; the largest of those that do equally well.

    Raises:
      ValueError: without a row.
    """
    if len(probability) == 0:
        raise ValueError("no row to choose a threshold on")
    probability = np.asarray(probability)
    links = len(probability) if has_gold is None else int(np.sum(has_gold))
    order = np.argsort(-probability, kind="stable")
    kept, right = np.arange(1, len(order) + 1), np.cumsum(np.asarray(correct)[order])
    f1 = 2 * right / (kept + links)
    # Rows of equal probability are kept or dropped together: only the last of them is a real choice.
    last = np.append(np.diff(probability[order]) != 0, True)
    return float(probability[order][np.argmax(np.where(last, f1, -1.0))])

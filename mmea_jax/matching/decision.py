"""Whether a row's best candidate is its match, or whether it has none.

An entity may have no counterpart. What such an entity's best candidate looks like is learnt from links whose
counterpart is hidden: every held-out link is looked at twice, once as it is and once without its gold
column. A logistic regression (Platt, 1999) on the score, its margin in the row and its margin in the column
then gives the probability that the best candidate is right. How many of the open rows have no counterpart is
estimated from the rows themselves by expectation maximisation (Saerens et al., 2002), and the probability
follows it.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from mmea_jax.matching.evidence import Rivals, best_evidence, hidden_evidence

_FOLDS = 5
# Keeps features that say the same from large weights of opposite sign.
_RIDGE = 1e-2
_ROUNDS = 200
# Shares without counterpart that the estimate may end at; at 1 nothing could ever match.
_SHARES = (0.01, 0.95)
_START = 0.5


@dataclasses.dataclass(frozen=True)
class Logistic:
    """A logistic regression on standardised features.

    Attributes:
      mean: float64[f].
      scale: float64[f].
      weights: float64[f + 1], the last of the constant.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Probabilities float64[n] of features float64[n, f]."""
        return special.expit(_with_constant((features - self.mean) / self.scale) @ self.weights)


def fit_logistic(features: np.ndarray, outcome: np.ndarray, weight: np.ndarray) -> Logistic:
    """Minimises the weighted log loss towards Platt's targets: their doubt shrinks as the data grow.

    The doubt is about what rows of an outcome look like, so that it counts the rows, whatever they weigh: by
    weights, an outcome that is rare could never become certain.

    Args:
      features: float64[n, f], finite.
      outcome: bool[n].
      weight: float64[n], not negative; sums to the number of observations that the rows are worth.
    """
    mean = np.average(features, axis=0, weights=weight)
    scale = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weight))
    scale = np.where(scale > 1e-12, scale, 1.0)
    x = _with_constant((features - mean) / scale)
    right, wrong = float(outcome.sum()), float((~outcome).sum())
    target = np.where(outcome, (right + 1) / (right + 2), 1 / (wrong + 2))
    penalised = np.append(np.full(features.shape[1], _RIDGE), 0.0)

    def loss(w):
        logit = x @ w
        gradient = (weight * (special.expit(logit) - target)) @ x + penalised * w
        total = (weight * (np.logaddexp(0, logit) - target * logit)).sum()
        return total + 0.5 * (penalised * w * w).sum(), gradient

    found = optimize.minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B")
    return Logistic(mean, scale, found.x)


def _with_constant(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


class Curve(NamedTuple):
    """Quality of matches by the probability from which on they are kept, descending.

    Attributes:
      probability: float64[k].
      precision: of the kept pairs.
      recall: of the entities that have a counterpart.
      f1: their harmonic mean.
    """

    probability: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def threshold_curve(
    probability: np.ndarray, correct: np.ndarray, has_gold: np.ndarray, weight: np.ndarray
) -> Curve:
    """The curve over the distinct probabilities.

    Args:
      probability: float[n].
      correct: bool[n].
      has_gold: bool[n], rows that have a counterpart.
      weight: float[n], how often such a row occurs.
    """
    order = np.argsort(-probability, kind="stable")
    kept, right = np.cumsum(weight[order]), np.cumsum((weight * correct)[order])
    # Rows of equal probability are kept or dropped together.
    last = np.append(np.diff(probability[order]) != 0, True)
    kept, right, links = kept[last], right[last], (weight * has_gold).sum()
    precision, recall = right / np.maximum(kept, 1e-12), right / max(links, 1e-12)
    f1 = 2 * right / np.maximum(kept + links, 1e-12)
    return Curve(probability[order][last], precision, recall, f1)


def best_threshold(curve: Curve, links: int) -> float:
    """The threshold of largest F1, as far as so many links can tell.

    Of exact probabilities the best threshold is half of the F1 that it reaches (Lipton et al., 2014, arXiv
    1402.1892). Of all thresholds whose F1 is within what one link changes, the one nearest to it is taken:
    where links are few, the very largest F1 says more about these links than about the others.

    Args:
      curve: on held-out links.
      links: how many they are.

    Returns:
      Half-way between the last probability that is kept and the next one below.
    """
    most = curve.f1.max()
    below = np.append(curve.probability[1:], 0.0)
    between = ((curve.probability + below) / 2)[curve.f1 >= most - 1 / links]
    return float(between[np.argmin(np.abs(between - most / 2))])


@dataclasses.dataclass(frozen=True)
class Decision:
    """How evidence becomes a probability and a verdict, and how good that is on held-out links.

    Attributes:
      model: of the probability that a candidate is right.
      threshold: from which on it counts as a match: largest F1 on the held-out links.
      dangling: share of the open rows that have no counterpart, as estimated or as given.
      links: how many held-out links it was fitted on.
      curve: quality by threshold, of probabilities that were fitted without the link they are of.
      probability: float64[2 · links] of these; first of the links as they are, then with gold hidden.
      correct: bool[2 · links].
      quality: precision, recall and F1 at the threshold; of no-match verdicts too.
    """

    model: Logistic
    threshold: float
    dangling: float
    links: int
    curve: Curve
    probability: np.ndarray
    correct: np.ndarray
    quality: dict[str, float]


def decide(
    found: Rivals,
    rows: np.ndarray,
    gold: np.ndarray,
    open_rows: np.ndarray,
    *,
    relief: np.ndarray | float = 0.0,
    dangling: float | None = None,
    threshold: float | None = None,
) -> Decision:
    """Fits a decision on held-out links.

    Args:
      found: of a scorer whose rows and columns are the open ones.
      rows: int[k], rows of the held-out links, two at least.
      gold: int[k], their columns.
      open_rows: int[·], rows of which nothing is known; the share without counterpart is estimated on them.
      relief: float32[k], see ``hidden_evidence``.
      dangling: that share, where it is known.
      threshold: where it is not to be chosen.

    Raises:
      ValueError: for fewer than two held-out links.
    """
    if len(rows) < 2:
        raise ValueError("a decision needs two held-out links at least")
    as_is, hidden = best_evidence(found).take(rows), hidden_evidence(found, rows, gold, relief)
    features = np.concatenate([as_is.features(), hidden.features()])
    has_gold = np.repeat([True, False], len(rows))
    correct = np.concatenate([as_is.columns == gold, np.zeros(len(rows), bool)])
    if dangling is None:
        balanced = fit_logistic(features, has_gold, np.ones(len(features)))
        least = 1 - found.column_scores.shape[0] / max(found.row_scores.shape[0], 1)
        dangling = _share_without(balanced(best_evidence(found).take(open_rows).features()), least)
    # The weights sum to the number of links, so that hiding counterparts does not pretend to more evidence.
    weight = np.where(has_gold, 1 - dangling, dangling)
    probability = _cross_fitted(features, correct, weight, len(rows))
    curve = threshold_curve(probability, correct, has_gold, weight)
    chosen = best_threshold(curve, len(rows)) if threshold is None else threshold
    return Decision(
        fit_logistic(features, correct, weight),
        chosen,
        dangling,
        len(rows),
        curve,
        probability,
        correct,
        verdict_quality(probability, correct, has_gold, chosen, weight),
    )


def verdict_quality(
    probability: np.ndarray,
    correct: np.ndarray,
    has_gold: np.ndarray,
    threshold: float,
    weight: np.ndarray | None = None,
) -> dict[str, float]:
    """Precision, recall and F1 of matches, and of the verdict that there is none; arguments as above."""
    weight = np.ones(len(probability)) if weight is None else weight
    kept = probability >= threshold

    def share(part: np.ndarray, of: np.ndarray) -> float:
        total = float(weight[of].sum())
        return float(weight[part & of].sum()) / total if total > 0 else float("nan")

    precision, recall = share(correct, kept), share(correct & kept, has_gold)
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0,
        "no_match_precision": share(~has_gold, ~kept),
        "no_match_recall": share(~kept, ~has_gold),
    }


def _share_without(has_gold: np.ndarray, least: float) -> float:
    """The share of rows without counterpart, by expectation maximisation.

    Args:
      has_gold: float[n], probability of a counterpart if as many rows had one as had none.
      least: what the numbers of rows and columns alone imply.
    """
    low = max(least, _SHARES[0])
    share = max(_START, low)
    for _ in range(_ROUNDS if len(has_gold) else 0):
        without = share * (1 - has_gold)
        new = float(np.mean(without / np.maximum(without + (1 - share) * has_gold, 1e-12)))
        new = min(max(new, low), _SHARES[1])
        if abs(new - share) < 1e-6:
            break
        share = new
    return share


def _cross_fitted(features: np.ndarray, correct: np.ndarray, weight: np.ndarray, links: int) -> np.ndarray:
    """Probabilities of every row by a model that saw neither look at its link."""
    fold = np.tile(np.arange(links) % min(_FOLDS, links), 2)
    probability = np.zeros(len(features))
    for k in range(fold.max() + 1):
        own = fold == k
        probability[own] = fit_logistic(features[~own], correct[~own], weight[~own])(features[own])
    return probability

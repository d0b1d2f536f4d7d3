"""How much each modality counts when entities are compared: chosen on validation links."""

from collections.abc import Callable, Mapping

import numpy as np

from mmea_jax.matching import gold_ranks, metrics
from mmea_jax.models.embeddings import Embeddings
from mmea_jax.training.evaluate import Sides
from mmea_jax.training.scores import WEIGHED, make_scorer

# Relative to the others' first, which is 1.
_GRID = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
# A weight moves only for so much more MRR: a few hundred links tell smaller gains from chance badly.
_LEAST_GAIN = 0.002
_ROUNDS = 2
# Links that are looked at, at most.
_LINKS = 1000


def choose_weights(
    embed: Callable[[np.ndarray, np.ndarray], list[Embeddings]], sides: Sides, csls_k: int
) -> tuple[float, ...]:
    """Weights of the joint similarity and of each modality's for the score ``joint+weighed``.

    One weight after the other is moved to where the MRR (CSLS, KG 1 → KG 2) of the links is best, twice.

    Args:
      embed: entities of KG 1 and of KG 2 → their embeddings.
      sides: validation links among their candidates.
      csls_k: neighbours of CSLS.

    Returns:
      ``M + 1`` weights, the joint similarity's first; they sum to ``M + 1``, as equal ones do.
    """
    asked = np.flatnonzero(sides.gold >= 0)[:_LINKS]
    left, right = (e.replace(support=None) for e in embed(sides.left[asked], sides.right))
    known: dict[tuple[float, ...], float] = {}

    def value(weights: tuple[float, ...]) -> float:
        if weights not in known:
            scorer = make_scorer(*(e.replace(weights=weights) for e in (left, right)), WEIGHED)
            known[weights] = metrics(gold_ranks(scorer, sides.gold[asked], csls_k)["csls"]["l2r"])["mrr"]
        return known[weights]

    best = (1.0,) * (len(left.modalities) + 1)
    for _ in range(_ROUNDS):
        before = best
        # The joint similarity last: beside well weighed modalities it may have nothing to add.
        for k in (*range(1, len(best)), 0):
            tried = [(*best[:k], weight, *best[k + 1 :]) for weight in _GRID]
            top = max((weights for weights in tried if any(weights)), key=value)
            if value(top) > value(best) + _LEAST_GAIN:
                best = top
        if best == before:
            break
    return tuple(weight * len(best) / sum(best) for weight in best)


def named_weights(weights: tuple[float, ...], modalities: tuple[str, ...]) -> Mapping[str, float]:
    """By name, for people and for ``results.json``."""
    return dict(zip(("joint", *modalities), weights, strict=True))

"""Results by kind of entity: how well connected it is, and what is known of both sides of a link."""

from collections.abc import Mapping

import numpy as np

from mmea_jax.vocabulary import MODALITIES, TEXT

# Bucket name and the smallest degree in it.
DEGREE_BUCKETS = (("0", 0), ("1-2", 1), ("3-5", 3), ("6-10", 6), ("11-20", 11), (">20", 21))

Slices = dict[str, dict[str, float]]


def _measure(ranks: np.ndarray) -> dict[str, float]:
    return {
        "count": len(ranks),
        "hits@1": float(np.mean(ranks <= 1)),
        "mrr": float(np.mean(1 / ranks)),
    }


def by_degree(ranks: np.ndarray, degree: np.ndarray) -> Slices:
    """Metrics by number of triples of the KG-1 entity, lowest bucket first; empty buckets are left out.

    Args:
      ranks: float[Q].
      degree: int[Q], triples that the query link's entity of KG 1 takes part in.

    Returns:
      ``{bucket: {"count", "hits@1", "mrr"}}``.
    """
    bucket = np.searchsorted([start for _, start in DEGREE_BUCKETS], degree, side="right") - 1
    return {
        name: _measure(ranks[bucket == at])
        for at, (name, _) in enumerate(DEGREE_BUCKETS)
        if (bucket == at).any()
    }


def by_modalities(
    ranks: np.ndarray, present_left: Mapping[str, np.ndarray], present_right: Mapping[str, np.ndarray]
) -> Slices:
    """Metrics by the set of modalities that both entities of a link have, such as ``relation+attribute``.

    Args:
      ranks: float[Q].
      present_left: per modality bool[Q], whether the link's entity of KG 1 has it.
      present_right: the same of KG 2; a modality missing in either mapping counts as absent.

    Returns:
      ``{set: {"count", "hits@1", "mrr"}}``, most frequent first; ``none`` for links that share nothing.
    """
    shared = [m for m in (*MODALITIES, TEXT) if m in present_left and m in present_right]
    both = np.zeros((len(ranks), len(shared)), bool)
    for column, m in enumerate(shared):
        both[:, column] = present_left[m] & present_right[m]
    kinds, kind_of = np.unique(both, axis=0, return_inverse=True)
    kind_of = kind_of.reshape(-1)
    order = np.argsort(-np.bincount(kind_of, minlength=len(kinds)), kind="stable")
    return {
        "+".join(m for m, has in zip(shared, kinds[at], strict=True) if has) or "none": _measure(
            ranks[kind_of == at]
        )
        for at in order
    }

"""Unsupervised alignment: pairs that look alike in one modality stand in for the seed links (EVA)."""

import jax.numpy as jnp
import numpy as np

from mmea_jax.data import Bag, KnowledgeGraphs, Split
from mmea_jax.data.splits import digest
from mmea_jax.errors import InputError
from mmea_jax.matching import Scorer, pseudo_links, unit_rows
from mmea_jax.matching.pivots import pivot_links

# How to make a modality available that the data do not offer by default.
_OFFERED_BY = {"visual": "--config.data.visual", "name": "--config.data.name", "char": "--config.data.char"}


def pivot_split(kgs: KnowledgeGraphs, split: Split, modality: str, count: int) -> Split:
    """The split with pivots for training links and without validation links.

    Pivots are the ``count`` most similar pairs by the modality's raw features, each entity once, among all
    entities of the two graphs. No gold link trains, and none selects an epoch; the test links stay those of
    ``split``, so that results compare with supervised ones. Test entities may be among the pivots.

    Args:
      kgs: the graphs.
      split: whose test links stay.
      modality: ``visual``, ``name`` or ``char``.
      count: pivots wanted; there are fewer where entities with the modality run out.

    Raises:
      InputError: the data lack the modality, on one side at least.
    """
    rows = kgs.modalities.get(modality)
    sides = [kgs.entities(side) for side in (0, 1)]
    if rows is None or not all(rows.present[own].any() for own in sides):
        raise InputError(
            f"no {modality} features on both sides to take pivots from",
            expected="entities of either graph that have them",
            mend=f"change --config.train.pivot, or switch them on with {_OFFERED_BY[modality]}",
        )
    # Only entities that have the modality: the others tie with everyone.
    owners = [own[rows.present[own]] for own in sides]
    found = pivot_links(Scorer(*(_unit_features(rows, own) for own in owners)), count)
    train = np.stack([own[found.pairs[:, k]] for k, own in enumerate(owners)], axis=1).astype(np.int32)
    valid = split.valid[:0]
    return Split(
        name=f"{len(train)} {modality} pivots; test links of {split.name}",
        train=train,
        valid=valid,
        test=split.test,
        sha256=digest(train, valid, split.test),
    )


def pivot_report(kgs: KnowledgeGraphs, split: Split, modality: str) -> dict:
    """What ``results.json`` says of the pivots; gold links serve this analysis alone."""
    return {
        "modality": modality,
        "count": len(split.train),
        "precision": pseudo_links.precision(split.train, kgs.links),
    }


def _unit_features(rows, entities: np.ndarray):
    """Raw features float32[K, f] of the entities, as unit rows."""
    features = rows.matrix()[entities].toarray() if isinstance(rows, Bag) else rows.features[entities]
    return unit_rows(jnp.asarray(features, jnp.float32))

"""Pivots in place of seeds, where the user has none or too few."""

import logging

import numpy as np

from mmea_jax.data import KnowledgeGraphs, Split
from mmea_jax.data.own import MIN_SEEDS, MIN_VALID
from mmea_jax.data.splits import digest
from mmea_jax.data.streams import stream
from mmea_jax.errors import InputError
from mmea_jax.training.pivoting import pivot_split
from mmea_jax.vocabulary import CHAR, VISUAL

log = logging.getLogger("mmea_jax")

# What pivots are taken from, in this order: names, by their letters, say more than images.
_SOURCES = (CHAR, VISUAL)
# Of the entities of the smaller graph, the share that becomes pivots: the nearest are seldom wrong.
_SHARE = 0.3
_MOST, _HELD_OUT = 5000, 0.2


def with_pivots(kgs: KnowledgeGraphs, split: Split) -> tuple[Split, dict | None]:
    """The split with the most similar pairs as further training links, if it has too few, and a report.

    A fifth of the pivots is held out to choose the epoch and to fit the probability on. As these are the
    easiest pairs, and some of them are wrong, the probability is then too high for harder ones.

    Args:
      kgs: the graphs.
      split: seeds that train and validate; with ``MIN_SEEDS`` of them it is returned as it is.

    Raises:
      InputError: neither names nor images to take pivots from.
    """
    seeds = np.concatenate([split.train, split.valid])
    if len(seeds) >= MIN_SEEDS:
        return split, None
    modality = next((m for m in _SOURCES if _on_both_sides(kgs, m)), None)
    if modality is None:
        raise InputError(
            f"{len(seeds)} seed links, and neither names nor images on both sides to do without",
            expected=f"{MIN_SEEDS} seed links, or labels, or images",
            mend="add --seeds, or name the labels' predicate with --label, or add images of both sides",
        )
    smaller = min(len(kgs.entities(side)) for side in (0, 1))
    count = min(_MOST, max(MIN_SEEDS, round(_SHARE * smaller)))
    pairs = pivot_split(kgs, split, modality, count).train
    pairs = pairs[~np.isin(pairs, seeds).any(axis=1)]
    if len(pairs) < MIN_VALID:
        raise InputError(
            f"{len(pairs)} pairs to take in place of seeds",
            expected=f"at least {MIN_VALID}, from entities of both graphs that have names or images",
            mend="add --seeds, or name the labels' predicate with --label, or add images of both sides",
        )
    order = stream(0, "own/pivots").permutation(len(pairs))
    held_out = round(_HELD_OUT * len(pairs))
    valid = np.concatenate([split.valid, pairs[np.sort(order[:held_out])]])
    train = np.concatenate([split.train, pairs[np.sort(order[held_out:])]])
    kind = "names" if modality == CHAR else "images"
    log.info(
        "UNSUPERVISED: the %d pairs with the most similar %s stand in for seeds; no link confirms them, and "
        "probabilities are fitted on such pairs alone",
        len(pairs),
        kind,
    )
    name = f"{len(seeds)} seeds and {len(pairs)} pairs of similar {kind}"
    report = {"modality": modality, "count": len(pairs), "seeds": len(seeds)}
    return Split(name, train, valid, split.test, digest(train, valid, split.test)), report


def _on_both_sides(kgs: KnowledgeGraphs, modality: str) -> bool:
    rows = kgs.modalities.get(modality)
    return rows is not None and all(rows.present[kgs.entities(side)].any() for side in (0, 1))

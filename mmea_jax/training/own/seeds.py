"""Pivots, the pairs of most similar names or images: in place of seeds, or beside them."""

import dataclasses
import logging

import numpy as np

from mmea_jax.data import KnowledgeGraphs, Split
from mmea_jax.data.own import MIN_SEEDS, MIN_VALID
from mmea_jax.data.splits import digest
from mmea_jax.data.streams import stream
from mmea_jax.errors import InputError
from mmea_jax.training.own.config import LEAST_EPOCHS
from mmea_jax.training.pivoting import pivot_split
from mmea_jax.training.stages import Stage
from mmea_jax.vocabulary import CHAR, VISUAL

log = logging.getLogger("mmea_jax")

# What pivots are taken from, in this order: names, by their letters, say more than images.
_SOURCES = (CHAR, VISUAL)
_KINDS = {CHAR: "names", VISUAL: "images"}
# Of the entities of the smaller graph, the share that becomes pivots: the nearest are seldom wrong.
_SHARE = 0.3
_MOST, _HELD_OUT = 5000, 0.2
# Beside seeds, the share of such pairs that must be right, by Laplace's rule: eight of eight will do.
_TRUSTED = 0.9


def with_pivots(kgs: KnowledgeGraphs, split: Split, alone: bool = False) -> tuple[Split, dict | None]:
    """The split with the most similar pairs as further training links, and a report of them, if any.

    Enough seeds are joined by the pairs that they themselves show to be right: those pairs that touch a seed
    are compared with it. Where seeds are too few, pairs stand in for them.

    Args:
      kgs: the graphs.
      split: seeds that train and validate.
      alone: add nothing to seeds of which there are enough.

    Raises:
      InputError: too few seeds, and neither names nor images to take pairs from.
    """
    count = len(split.train) + len(split.valid)
    if count < MIN_SEEDS:
        return _in_place_of_seeds(kgs, split)
    return (split, None) if alone else _beside_seeds(kgs, split)


def _beside_seeds(kgs: KnowledgeGraphs, split: Split) -> tuple[Split, dict | None]:
    """Pairs join the training where the seeds show that they are right; what validates stays as it is."""
    seeds = np.concatenate([split.train, split.valid])
    for modality in _SOURCES:
        if not _on_both_sides(kgs, modality):
            continue
        pairs = pivot_split(kgs, split, modality, _count(kgs)).train
        touching = np.isin(pairs, seeds).any(axis=1)
        partner = dict(seeds.tolist())
        right = sum(partner.get(one) == two for one, two in pairs[touching].tolist())
        checked, fresh = int(touching.sum()), pairs[~touching]
        if (right + 1) / (checked + 2) < _TRUSTED or not len(fresh):
            continue
        log.info(
            "%d pairs with the most similar %s join the %d seeds in training: of %d such pairs that the "
            "seeds tell of, %d are right",
            *(len(fresh), _KINDS[modality], len(seeds), checked, right),
        )
        train = np.concatenate([split.train, fresh])
        name = f"{split.name}; {len(fresh)} pairs of similar {_KINDS[modality]} train too"
        report = {"modality": modality, "count": len(fresh), "seeds": len(seeds)}
        report |= {"checked": checked, "right": right}
        return Split(name, train, split.valid, split.test, digest(train, split.valid, split.test)), report
    return split, None


def _in_place_of_seeds(kgs: KnowledgeGraphs, split: Split) -> tuple[Split, dict]:
    """Pairs stand in for seeds.

    A fifth of them, and of few as many as of seeds, is held out to choose the epoch and to fit the
    probability on. As these are the easiest pairs, and some of them are wrong, the probability is then too
    high for harder ones.
    """
    seeds = np.concatenate([split.train, split.valid])
    modality = next((m for m in _SOURCES if _on_both_sides(kgs, m)), None)
    if modality is None:
        raise InputError(
            f"{len(seeds)} seed links, and neither names nor images on both sides to do without",
            expected=f"{MIN_SEEDS} seed links, or labels, or images",
            mend="add --seeds, or name the labels' predicate with --label, or add images of both sides",
        )
    pairs = pivot_split(kgs, split, modality, _count(kgs)).train
    pairs = pairs[~np.isin(pairs, seeds).any(axis=1)]
    if len(pairs) < MIN_VALID:
        raise InputError(
            f"{len(pairs)} pairs to take in place of seeds",
            expected=f"at least {MIN_VALID}, from entities of both graphs that have names or images",
            mend="add --seeds, or name the labels' predicate with --label, or add images of both sides",
        )
    order = stream(0, "own/pivots").permutation(len(pairs))
    held_out = max(round(_HELD_OUT * len(pairs)), min(MIN_VALID, len(pairs) // 2))
    valid = np.concatenate([split.valid, pairs[np.sort(order[:held_out])]])
    train = np.concatenate([split.train, pairs[np.sort(order[held_out:])]])
    log.info(
        "UNSUPERVISED: the %d pairs with the most similar %s stand in for seeds; no link confirms them, and "
        "probabilities are fitted on such pairs alone",
        *(len(pairs), _KINDS[modality]),
    )
    name = f"{len(seeds)} seeds and {len(pairs)} pairs of similar {_KINDS[modality]}"
    report = {"modality": modality, "count": len(pairs), "seeds": len(seeds)}
    return Split(name, train, valid, split.test, digest(train, valid, split.test)), report


def _count(kgs: KnowledgeGraphs) -> int:
    """How many pairs to take."""
    smaller = min(len(kgs.entities(side)) for side in (0, 1))
    return min(_MOST, max(MIN_SEEDS, round(_SHARE * smaller)))


def of_as_many_steps(stage: Stage, before: int, after: int) -> Stage:
    """The stage with about the steps that it was planned with, now that its passes are longer.

    Args:
      stage: planned for ``before`` training links.
      before: links that were known then.
      after: links that train.
    """
    steps = [stage.batches(max(1, links))[0] for links in (before, after)]
    epochs = max(-(-stage.epochs * steps[0] // steps[1]), min(stage.epochs, LEAST_EPOCHS))
    return dataclasses.replace(stage, epochs=epochs)


def _on_both_sides(kgs: KnowledgeGraphs, modality: str) -> bool:
    rows = kgs.modalities.get(modality)
    return rows is not None and all(rows.present[kgs.entities(side)].any() for side in (0, 1))

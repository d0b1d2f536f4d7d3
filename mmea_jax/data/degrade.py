"""Missing and ambiguous modalities, after the UMVM protocol: rows taken away, rows that repeat others."""

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from mmea_jax.data.completion import CompletionGraph
from mmea_jax.data.knowledge_graphs import Bag, Dense, KnowledgeGraphs
from mmea_jax.data.streams import stream
from mmea_jax.errors import InputError, closest
from mmea_jax.vocabulary import MODALITIES, STRUCTURE, TEXT

_COPY_NOISE = 0.05  # length of what is added to a near copy, whose own length is 1


# Whatever has entities with a side and modalities can be degraded.
Graphs = TypeVar("Graphs", KnowledgeGraphs, CompletionGraph)


def degrade(
    kgs: Graphs,
    missing: Mapping[str, float],
    ambiguous: Mapping[str, float],
    seed: int,
    of: np.ndarray | None = None,
) -> Graphs:
    """Takes rows of modalities away, then makes some of those left nearly repeat another entity's.

    ``missing[m] = r`` leaves ``round(r · N)`` of all N entities with their row of ``m``; where fewer have
    one, all of them stay. With ``of``, N counts these entities alone, and the others keep what they have.
    For one seed, the rows kept at a lower ``r`` are among those at a higher one.
    ``ambiguous[m] = q`` replaces ``round(q · P)`` of the P present rows by that of another entity of the
    same side that has one (a copy across would give links away); dense rows get a little noise.

    Args:
      kgs: the graphs; left as they are.
      missing: modality to the share that is kept, in (0, 1].
      ambiguous: modality to the share that is replaced, in [0, 1].
      seed: non-negative; every modality draws from streams of its own.
      of: bool[all entities], those whose rows may go missing; all by default.

    Raises:
      InputError: a modality is unknown, absent from the data or the structure, or a share out of range.
    """
    for modality, share in missing.items():
        _check_modality(kgs, "missing", modality)
        _check_missing(modality, share)
    for modality, share in ambiguous.items():
        _check_modality(kgs, "ambiguous", modality)
        _check_ambiguous(modality, share)
    modalities = dict(kgs.modalities)
    of = np.ones(kgs.num_entities, bool) if of is None else of
    for modality, share in missing.items():
        rng = stream(seed, f"missing/{modality}")
        modalities[modality] = _with_missing(modalities[modality], share, of, rng)
    for modality, share in ambiguous.items():
        rng = stream(seed, f"ambiguous/{modality}")
        modalities[modality] = _with_copies(modalities[modality], kgs.side, share, rng)
    return dataclasses.replace(kgs, modalities=modalities)


def _check_modality(kgs: KnowledgeGraphs | CompletionGraph, knob: str, modality: str) -> None:
    if modality == STRUCTURE:
        raise InputError(
            f"data.{knob}.structure",
            expected="a modality other than the structure, which every entity has",
            mend=f"remove --config.data.{knob}.structure",
        )
    if modality not in (*MODALITIES, TEXT):
        raise InputError(
            f"the modality {modality!r} in data.{knob}{closest(modality, MODALITIES)}",
            expected=f"one of {', '.join(m for m in MODALITIES if m != STRUCTURE)}",
            mend=f"correct --config.data.{knob}.{modality}",
        )
    if modality not in kgs.modalities:
        raise InputError(
            f"data.{knob}.{modality}, but {kgs.name} is loaded without {modality}",
            expected=f"one of {', '.join(kgs.modalities) or 'none: no modality is loaded'}",
            mend=f"remove --config.data.{knob}.{modality}, or switch --config.data.{modality} on",
        )


def _check_missing(modality: str, share: float) -> None:
    if share == 0:
        raise InputError(
            f"data.missing.{modality}=0, which keeps no row",
            expected="the share of entities that keep theirs, in (0, 1]",
            mend=f"switch the modality off instead, --config.data.{modality}=none",
        )
    if not 0 < share <= 1:
        raise InputError(
            f"data.missing.{modality}={share}",
            expected="the share of entities that keep theirs, in (0, 1]",
            mend=f"set --config.data.missing.{modality}",
        )


def _check_ambiguous(modality: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise InputError(
            f"data.ambiguous.{modality}={share}",
            expected="the share of present rows that repeat another's, in [0, 1]",
            mend=f"set --config.data.ambiguous.{modality}",
        )


def _with_missing(rows: Bag | Dense, share: float, of: np.ndarray, rng: np.random.Generator) -> Bag | Dense:
    size = len(rows.present)
    order = rng.permutation(size)
    keepers = order[(rows.present & of)[order]][: round(share * of.sum())]
    present = rows.present & ~of
    present[keepers] = True
    return _taken(rows, np.arange(size), present)


def _with_copies(rows: Bag | Dense, side: np.ndarray, share: float, rng: np.random.Generator) -> Bag | Dense:
    size = len(rows.present)
    order, uniform = rng.permutation(size), rng.random(size)
    have = order[rows.present[order]]
    copies = have[: round(share * len(have))]
    source = np.arange(size)
    source[copies] = _others(copies, uniform[copies], rows.present, side)
    copies = copies[source[copies] != copies]
    taken = _taken(rows, source, rows.present)
    if isinstance(taken, Bag):
        return taken
    noise = rng.standard_normal((len(copies), taken.width)).astype(np.float32)
    near = taken.features[copies] + _COPY_NOISE / np.sqrt(taken.width) * noise
    taken.features[copies] = near / np.linalg.norm(near, axis=1, keepdims=True)
    return taken


def _others(entities: np.ndarray, uniform: np.ndarray, present: np.ndarray, side: np.ndarray) -> np.ndarray:
    """For each entity another present one of its side, or itself where it is the only one."""
    others = entities.copy()
    for one in (0, 1):
        peers = np.flatnonzero(present & (side == one))
        asked = np.flatnonzero(side[entities] == one)
        if len(peers) > 1:
            # One to len(peers) - 1 places further on, in a circle: anyone but the entity itself.
            step = 1 + (uniform[asked] * (len(peers) - 1)).astype(int)
            others[asked] = peers[(np.searchsorted(peers, entities[asked]) + step) % len(peers)]
    return others


def _taken(rows: Bag | Dense, source: np.ndarray, present: np.ndarray) -> Bag | Dense:
    """Row ``source[i]`` for each entity ``i`` that is present, nothing for the others; new arrays."""
    if isinstance(rows, Dense):
        return Dense(np.where(present[:, None], rows.features[source], np.float32(0)), present)
    lengths = np.diff(rows.offsets)[source] * present
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    entries = np.repeat(rows.offsets[source] - offsets[:-1], lengths) + np.arange(offsets[-1])
    return Bag(offsets, rows.columns[entries], rows.values[entries], rows.vocabulary, present)

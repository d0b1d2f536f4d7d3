"""Features of the layout that goes by names: two pickles a modality, one a side."""

from pathlib import Path

import numpy as np

from mmea_jax.data.formats import named, pickles
from mmea_jax.data.formats.features import Features, read_features
from mmea_jax.data.knowledge_graphs import Dense, KnowledgeGraphs
from mmea_jax.data.visual import dense
from mmea_jax.errors import InputError, closest
from mmea_jax.vocabulary import Modality

# A pickle with a vector in it is longer than so many bytes.
_SMALL = 64


def feature_paths(folder: Path, modality: Modality) -> list[Path]:
    """The files of a modality's features, KG 1 first; empty where there is none.

    Raises:
      InputError: one side's file is there and the other's is not.
    """
    if modality not in named.FEATURES:
        return []
    paths = [folder / f"{named.FEATURES[modality]}_{side}.pkl" for side in (1, 2)]
    there = [path for path in paths if path.is_file()]
    if len(there) == 1:
        raise InputError(
            f"{there[0].name} alone",
            expected=" and ".join(path.name for path in paths),
            mend="add the other side's file, or remove this one",
            file=folder,
        )
    return there


def read_named_features(folder: Path, modality: Modality, kgs: KnowledgeGraphs) -> tuple[Dense, list[str]]:
    """The modality from both sides' files, and notes.

    Raises:
      InputError: a file is missing or unsound, names no entity of its side, or the widths differ.
    """
    paths = feature_paths(folder, modality)
    if not paths:
        stem = named.FEATURES[modality]
        raise InputError(
            f"no {stem}_1.pkl",
            expected=f"{stem}_1.pkl and {stem}_2.pkl",
            mend=f"put them there, or --config.data.{modality}=none",
            file=folder,
        )
    sides = [(k, side) for k, path in enumerate(paths) if (side := read_side(path))]
    if not sides:
        raise InputError(
            "features of no entity",
            expected="a vector for one entity at least",
            mend=f"write the files again, or --config.data.{modality}=none",
            file=paths[0],
        )
    widths = {side.vectors.shape[1] for _, side in sides}
    if len(widths) > 1:
        raise InputError(
            f"features of width {sides[1][1].vectors.shape[1]}",
            expected=f"{sides[0][1].vectors.shape[1]}, as in {paths[0].name}",
            mend="compute both sides' features with one model",
            file=paths[1],
        )
    ids = tuple(i for k, side in sides for i in _ids(side, kgs, k, paths[k]))
    merged = Features(ids, np.concatenate([side.vectors for _, side in sides]))
    rows, notes = dense(merged, kgs, paths[0])
    return rows, [f"{modality} features from {' and '.join(path.name for path in paths)}", *notes]


def read_side(path: Path) -> Features | None:
    """One side's features; None for a dict without entries, as where one side alone has the modality.

    Raises:
      InputError: see ``read_features``.
    """
    if path.stat().st_size < _SMALL and pickles.load(path) == {}:
        return None
    return read_features(path)


def _ids(features: Features, kgs: KnowledgeGraphs, side: int, path: Path) -> list[int]:
    known = {kgs.entity_names[entity]: int(kgs.entity_ids[entity]) for entity in kgs.entities(side)}
    strangers = [key for key in features.keys if key not in known]
    if strangers:
        hint = closest(strangers[0], known) if isinstance(strangers[0], str) else ""
        raise InputError(
            f"features for {strangers[0]!r}{hint}, which is no entity of KG {side + 1} "
            f"({len(strangers)} such keys)",
            expected="names that the triples, attributes or links of that side have",
            mend="take the feature file that belongs to this data set, or remove the entries",
            file=path,
        )
    return [known[key] for key in features.keys]

"""Visual features from the published feature files: which file, and which row is whose."""

from pathlib import Path

import numpy as np

from mmea_jax.data.formats.features import SUFFIXES, Features, read_features
from mmea_jax.data.knowledge_graphs import Dense, KnowledgeGraphs
from mmea_jax.errors import InputError, closest


def visual_file(root: Path, dataset: str, kept: float | None = None) -> tuple[Path, bool]:
    """The file of a data set's visual features, and whether it holds just the share ``kept``.

    Files are looked for where the published sets have them, as ``.npz``, ``.safetensors`` or ``.pkl``:
    ``pkls/<split>_GA_id_img_feature_dict[_R]`` for DBP15K, ``pkls/<dataset>_id_img_feature_dict[_R]``
    for FB15K–DB15K and the like, ``OpenEA/pkl/<dataset>_id_img_feature_dict[_R]`` for OpenEA.

    Args:
      root: the folder that holds the data sets.
      dataset: a folder below root, such as ``DBP15K/zh_en``.
      kept: the share R of entities that shall keep an image; None for all that have one.

    Raises:
      InputError: neither a file for R nor the full one is there; the error lists those that are.
    """
    stem = _stem(root, dataset)
    there = sorted(p for p in stem.parent.glob(f"{stem.name}*") if p.suffix in SUFFIXES)
    if kept is not None:
        for path in there:
            if _share(path, stem) == kept:
                return path, True
    full = [stem.with_name(stem.name + suffix) for suffix in SUFFIXES]
    for path in full:
        if path.is_file():
            return path, False
    shares = [share for path in there if (share := _share(path, stem)) is not None]
    instead = f", or --config.data.missing.visual={shares[0]:g} for the file that is there" if shares else ""
    raise InputError(
        f"no file of visual features for {dataset}; there are {', '.join(p.name for p in there) or 'none'}",
        expected="the full set of features",
        mend=f"put the file there, or --config.data.visual=simulated, or --config.data.visual=none{instead}",
        file=full[-1],
    )


def dense(features: Features, kgs: KnowledgeGraphs, path: Path) -> tuple[Dense, list[str]]:
    """One row an entity, scaled to length 1; a vector of zeros counts as none.

    Args:
      features: by entity id or by entity name.
      kgs: whose entities they are.
      path: where they come from, for the message.

    Returns:
      ``Dense`` of N rows, and notes.

    Raises:
      InputError: a key is no entity.
    """
    known = _index(features, kgs)
    strangers = [key for key in features.keys if key not in known]
    if strangers:
        hint = closest(strangers[0], known) if isinstance(strangers[0], str) else ""
        raise InputError(
            f"features for {strangers[0]!r}{hint}, which is no entity ({len(strangers)} such keys)",
            expected="keys that ent_ids_1 or ent_ids_2 declares",
            mend="take the feature file that belongs to this data set, or remove the entries",
            file=path,
        )
    # Half precision would overflow in the squares.
    vectors = features.vectors.astype(np.float32)
    peaks = np.abs(vectors).max(axis=1, keepdims=True)
    filled = peaks[:, 0] > 0
    vectors = vectors[filled] / peaks[filled]
    rows = np.array([known[key] for key in features.keys])[filled]
    table = np.zeros((kgs.num_entities, vectors.shape[1]), np.float32)
    table[rows] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    present = np.zeros(kgs.num_entities, bool)
    present[rows] = True
    zeros = int((~filled).sum())
    return Dense(table, present), [f"{zeros} vectors of zeros taken as absent"] if zeros else []


def read_visual(
    root: Path, dataset: str, kgs: KnowledgeGraphs, kept: float | None
) -> tuple[Dense, bool, list[str]]:
    """The visual modality from files, whether it already holds just the share ``kept``, and notes.

    Raises:
      InputError: see ``visual_file``, ``read_features`` and ``dense``.
    """
    path, reduced = visual_file(root, dataset, kept)
    modality, notes = dense(read_features(path), kgs, path)
    return modality, reduced, [f"visual features from {path.relative_to(root)}", *notes]


def _stem(root: Path, dataset: str) -> Path:
    family, *rest = Path(dataset).parts
    if family == "OpenEA":
        return root / family / "pkl" / f"{rest[-1] if rest else family}_id_img_feature_dict"
    own = f"{rest[-1]}_GA" if family == "DBP15K" and rest else family
    return root / "pkls" / f"{own}_id_img_feature_dict"


def _share(path: Path, stem: Path) -> float | None:
    """The R in a file's name; None for the full file and for other names."""
    tail = path.name.removesuffix(path.suffix).removeprefix(stem.name)
    try:
        return float(tail[1:]) if tail.startswith("_") else None
    except ValueError:
        return None


def _index(features: Features, kgs: KnowledgeGraphs) -> dict:
    if isinstance(features.keys[0], str):
        return {name: entity for entity, name in enumerate(kgs.entity_names)}
    return {identifier: entity for entity, identifier in enumerate(kgs.entity_ids.tolist())}

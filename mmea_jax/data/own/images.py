"""Image features of the user's own graphs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmea_jax.data.formats.features import Features, read_features
from mmea_jax.data.knowledge_graphs import Dense
from mmea_jax.data.own.rdf import local_name
from mmea_jax.errors import InputError


def visual_features(
    files: tuple[str, str], indexes: tuple[Mapping[str, int], Mapping[str, int]], num_entities: int
) -> tuple[Dense | None, list[str]]:
    """The visual modality from a feature file a side, and notes; None where neither side has one.

    Args:
      files: of KG 1 and KG 2, empty for none; keys are entity names, aliases, or the last parts of URIs.
      indexes: from names and aliases to entities.
      num_entities: N.

    Raises:
      InputError: a file is unsound, no key of it is an entity, or the two differ in width.
    """
    found = [read_features(Path(file)) if file else None for file in files]
    widths = {features.vectors.shape[1] for features in found if features is not None}
    if not widths:
        return None, []
    if len(widths) > 1:
        raise InputError(
            f"image features of widths {' and '.join(str(f.vectors.shape[1]) for f in found)}",
            expected="one width on both sides",
            mend="compute both with the same model",
            file=files[1],
        )
    table = np.zeros((num_entities, widths.pop()), np.float32)
    notes = []
    for file, features, index in zip(files, found, indexes, strict=True):
        if features is not None:
            notes += _fill(table, features, index, file)
    return Dense(table, np.abs(table).max(axis=1) > 0), notes


def _fill(table: np.ndarray, features: Features, index: Mapping[str, int], file: str) -> list[str]:
    # A URI is a clumsy file name; the last part of it will do where it is unambiguous.
    tails: dict[str, int | None] = {}
    for name, entity in index.items():
        tail = local_name(name)
        tails[tail] = None if tail in tails else entity
    index = {tail: entity for tail, entity in tails.items() if entity is not None} | dict(index)
    keys = [str(key) for key in features.keys]
    known = np.array([key in index for key in keys], bool)
    if not known.any():
        raise InputError(
            f"features for {keys[0] if keys else 'nothing'!r}, and none for an entity of the graph",
            expected="keys that are names of entities",
            mend="write the features again with the entities' names as keys",
            file=file,
        )
    # Half precision would overflow in the squares.
    vectors = features.vectors[known].astype(np.float32)
    peaks = np.abs(vectors).max(axis=1, keepdims=True)
    vectors = np.divide(vectors, peaks, out=np.zeros_like(vectors), where=peaks > 0)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [index[key] for key, own in zip(keys, known, strict=True) if own]
    table[rows] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    strangers = int((~known).sum())
    return [f"{Path(file).name}: features of {strangers:,} names that are no entity"] if strangers else []

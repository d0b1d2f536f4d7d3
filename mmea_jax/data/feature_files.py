"""Modalities from feature files that the user names, in place of what a data set has of its own."""

from collections.abc import Mapping
from pathlib import Path

from mmea_jax.data.completion_features import read_modality
from mmea_jax.data.formats.features import read_features
from mmea_jax.data.knowledge_graphs import Dense, KnowledgeGraphs
from mmea_jax.data.visual import dense
from mmea_jax.vocabulary import Modality


def alignment_features(
    files: Mapping[Modality, str | Path], kgs: KnowledgeGraphs
) -> tuple[dict[Modality, Dense], list[str]]:
    """The modalities of ``files``, rows by entity id or name, and notes.

    Args:
      files: modality to a ``.npz``, ``.safetensors`` or ``.pkl`` file, such as the encoders write.
      kgs: whose entities they are.

    Returns:
      ``Dense`` of N rows a modality; an entity without a row, or with one of zeros, lacks the modality.

    Raises:
      InputError: an unsound file, or a key that is no entity.
    """
    found: dict[Modality, Dense] = {}
    notes = []
    for modality, path in files.items():
        found[modality], lines = dense(read_features(Path(path)), kgs, Path(path))
        notes += [_note(modality, path), *lines]
    return found, notes


def completion_features(
    files: Mapping[Modality, str | Path], names: tuple[str, ...]
) -> tuple[dict[Modality, Dense], list[str]]:
    """The same for a graph to be completed, whose N ``names`` stand in order of their ids.

    Raises:
      InputError: an unsound file, a key that is no entity, or an array with another number of rows.
    """
    found: dict[Modality, Dense] = {}
    notes = []
    for modality, path in files.items():
        found[modality], lines = read_modality(Path(path), names)
        notes += [_note(modality, path), *lines]
    return found, notes


def _note(modality: Modality, path: str | Path) -> str:
    return f"{modality} features from {Path(path).name}"

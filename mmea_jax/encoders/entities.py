"""Whose features they are: the entities of a data set, of either layout, with their names in words."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from mmea_jax.data import DataOptions, load
from mmea_jax.data.completion_features import name_words
from mmea_jax.data.formats import openke
from mmea_jax.data.locate import SYNTHETIC
from mmea_jax.data.names import words_of
from mmea_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Entities:
    """The entities of one or two graphs.

    Attributes:
      dataset: what the data set is called.
      ids: N ids, as the files have them; what feature files go by.
      names: N names (URIs).
      words: N strings: each (translated) name in words; empty for identifiers, which say nothing in words.
    """

    dataset: str
    ids: tuple[int, ...]
    names: tuple[str, ...]
    words: tuple[str, ...]


def data_folder(data: str, root: str | None) -> tuple[str, Path | None]:
    """``(data set, root)`` of what ``--data`` and ``--root`` say.

    ``data`` is the folder of a data set, or its name below the root; without a root the environment's
    ``MMEA_DATA``, or ``data``, is one, as it is for the configurations.
    """
    if data == SYNTHETIC:
        return SYNTHETIC, None
    folder = Path(data)
    if root is None and folder.is_dir():
        folder = folder.resolve()
        # Published names have two parts, as in DBP15K/zh_en, and feature files and splits go by them.
        return "/".join(folder.parts[-2:]), folder.parent.parent
    return data, Path(root or os.environ.get("MMEA_DATA", "data"))


def read_entities(data: str, root: str | None) -> Entities:
    """The entities of a data set for alignment or completion.

    Raises:
      InputError: there is no such data set, or a file of it is unsound.
    """
    dataset, base = data_folder(data, root)
    if base is not None and (base / dataset / openke.MARK).is_file():
        names, _ = openke.dictionaries(base / dataset)
        words = [" ".join(own) for own in name_words(names)]
        return Entities(dataset, tuple(range(len(names))), names, tuple(words))
    bags = dict.fromkeys(("relation", "attribute", "visual"), "none")
    kgs, _ = load(DataOptions(dataset=dataset, root=base, **bags))
    words = [_spoken(name, own) for name, own in zip(kgs.entity_names, kgs.words, strict=True)]
    return Entities(dataset, tuple(kgs.entity_ids.tolist()), kgs.entity_names, tuple(words))


def plain_keys(keys: Sequence[str]) -> list[int] | list[str]:
    """The keys as integers if all are, written plainly (``7``, not ``007``); else as they are."""
    ids = all(key.isascii() and key.isdigit() and str(int(key)) == key for key in keys)
    return [int(key) for key in keys] if ids else list(keys)


def positions(keys: Sequence[str], entities: Entities, file: Path) -> list[int]:
    """The entity of each key: an id, a name, or the last part of a name where only one entity has it.

    Raises:
      InputError: a key that is no entity, or one of several.
    """
    index: dict[str, int | None] = {}
    for entity, name in enumerate(entities.names):
        tail = name.rstrip("/>").rpartition("/")[2]
        index[tail] = None if tail in index else entity
    index |= {name: entity for entity, name in enumerate(entities.names)}
    index |= {str(identifier): entity for entity, identifier in enumerate(entities.ids)}
    found = [index.get(key, -1) for key in keys]
    for key, entity in zip(keys, found, strict=True):
        if entity is None or entity < 0:
            strangers = sum(one is None or one < 0 for one in found)
            fault = "which is no entity" if entity is not None else "which several entities are called"
            raise InputError(
                f"the key {key[:120]!r}, {fault} ({strangers} such keys)",
                expected=f"an id or a name of an entity of {entities.dataset}",
                mend="correct or remove it, or give keys by id",
                file=file,
            )
    return found


def _spoken(name: str, words: str) -> str:
    """The words of a name; none if they are only those of an identifier."""
    return "" if words.split() == words_of(name) and not name_words([name])[0] else words

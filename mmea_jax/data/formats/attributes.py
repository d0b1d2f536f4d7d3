"""The published attribute files: ``entity name<TAB>attribute<TAB>attribute…``, one line or more an entity."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmea_jax.data.bounds import read_within
from mmea_jax.data.formats.tables import decode
from mmea_jax.errors import InputError, closest


def read_attributes(
    path: Path, entities: Mapping[str, int], codes: dict[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """``(int32[n], int32[n])``: entities and the attributes they have, in the file's order.

    A file that is absent or empty gives none. A line with an entity and no attribute is allowed.

    Args:
      path: the file.
      entities: from a name of this side to its entity.
      codes: from an attribute to its number; attributes met for the first time are added.

    Raises:
      InputError: the file is not UTF-8, or a line begins with a name that is no entity of this side.
    """
    if not path.exists():
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    owners: list[int] = []
    lengths: list[int] = []
    columns: list[int] = []
    for number, line in enumerate(decode(path, read_within(path, 20)).split("\n"), start=1):
        name, *attributes = line.rstrip("\r").split("\t")
        owner = entities.get(name)
        if owner is None:
            if not line.strip():
                continue
            raise _unknown(name, entities, path, number)
        own = [codes.setdefault(attribute, len(codes)) for attribute in attributes if attribute]
        owners.append(owner)
        lengths.append(len(own))
        columns += own
    return np.repeat(np.array(owners, np.int32), np.array(lengths, np.int64)), np.array(columns, np.int32)


def _unknown(name: str, entities: Mapping[str, int], path: Path, number: int) -> InputError:
    declared = f"ent_ids_{path.name.rpartition('_')[2]}"
    return InputError(
        f"the entity name {name[:120]!r}{closest(name, entities)}",
        expected=f"a name that {declared} declares, then attributes, separated by tabs",
        mend=f"declare the entity in {declared}, or correct or remove the line",
        file=path,
        line=number,
    )

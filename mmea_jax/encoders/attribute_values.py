"""The numbers that entities have for their attributes, from the files of either layout for alignment."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mmea_jax.data import KnowledgeGraphs
from mmea_jax.data.bounds import read_within
from mmea_jax.data.formats import named
from mmea_jax.data.formats.consistency import to_entities
from mmea_jax.data.formats.published import SIDES
from mmea_jax.data.formats.tables import TIMES, decode
from mmea_jax.data.load import layout_of
from mmea_jax.errors import InputError

Values = dict[tuple[int, int], float]


def read_values(folder: Path, kgs: KnowledgeGraphs, columns: Mapping[str, int]) -> Values:
    """From an entity and a column to a number; of several numbers of one attribute the first counts.

    The published layout has them in ``numerical_triples_1/2``, the one that goes by names among the values
    of ``attr_triples_1/2``.

    Args:
      folder: the data set's folder.
      kgs: whose entities they are.
      columns: from an attribute's name to its column; others are passed over.

    Raises:
      InputError: a line of ``numerical_triples`` that is no id, attribute and number, or an unknown id.
    """
    rows = _by_name(folder, kgs) if layout_of(folder) is named else _by_id(folder, kgs)
    found: Values = {}
    for entity, attribute, value in rows:
        if attribute in columns and np.isfinite(value):
            found.setdefault((entity, columns[attribute]), value)
    return found


def _by_name(folder: Path, kgs: KnowledgeGraphs) -> Iterator[tuple[int, str, float]]:
    for side, rows in enumerate(named.read_named(folder).attributes):
        index = {kgs.entity_names[entity]: entity for entity in kgs.entities(side).tolist()}
        for name, attribute, value in rows:
            try:
                # Typed literals such as "12.5"^^<…#double> begin with the number.
                number = float(value.partition("^^")[0].strip('"'))
            except ValueError:
                continue
            yield index[name], attribute, number


def _by_id(folder: Path, kgs: KnowledgeGraphs) -> Iterator[tuple[int, str, float]]:
    for side in SIDES:
        path = folder / f"numerical_triples_{side}"
        if not path.is_file():
            continue
        lines = enumerate(decode(path, read_within(path, TIMES)).split("\n"), start=1)
        rows = [_fields(path, number, line) for number, line in lines if line.strip()]
        identifiers = np.array([row[0] for row in rows], np.int64)
        entities = to_entities(identifiers, kgs.entity_ids, kgs.side == side - 1, side, path)
        for entity, (_, attribute, value) in zip(entities.tolist(), rows, strict=True):
            yield entity, attribute, value


def _fields(path: Path, number: int, line: str) -> tuple[int, str, float]:
    try:
        identifier, attribute, value = line.rstrip("\r").split("\t")
        return int(identifier), attribute, float(value)
    except ValueError:
        raise InputError(
            f"{line[:80]!r}",
            expected="id<TAB>attribute<TAB>number",
            mend="correct or remove the line",
            file=path,
            line=number,
        ) from None

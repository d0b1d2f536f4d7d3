"""A data set in the published layout as a study wants it: links by name, who has none, parts removed."""

import json
from collections.abc import Iterable
from pathlib import Path

from mmea_jax.data.names import translated_file
from mmea_jax.data.own.read import read_graph

LINKS = "ill_ent_ids"
# Files of KG 2 whose lines begin with an entity's id, or with its name.
_BY_ID, _BY_NAME = ("ent_ids_2", "numerical_triples_2"), ("training_attrs_2",)


def read_links(data: Path) -> list[tuple[str, str]]:
    """The links of a folder, by the names of their entities.

    Raises:
      InputError: a file is at fault.
    """
    sides = [read_graph(str(data), k).aliases for k in (1, 2)]
    lines = (data / LINKS).read_text(encoding="utf-8").split("\n")
    pairs = [line.split() for line in lines if line.strip()]
    return [(sides[0][one], sides[1][two]) for one, two in pairs]


def unlinked(data: Path) -> tuple[set[str], set[str]]:
    """Entities of KG 1 that no link names, and those of them whose name an unlinked entity of KG 2 has.

    Raises:
      InputError: a file is at fault.
    """
    alone, texts = [], []
    for k, linked in enumerate(zip(*read_links(data), strict=True), start=1):
        source = read_graph(str(data), k)
        alone.append(source.entities - set(linked))
        texts.append({name: {text for _, text in source.labels.get(name, ())} for name in alone[-1]})
    other = set().union(*texts[1].values())
    return alone[0], {name for name, own in texts[0].items() if own & other}


def without_counterparts(data: Path, links: Iterable[tuple[str, str]], out: Path) -> Path:
    """Writes the data set without the second entities of the links, and without these links.

    Args:
      data: folder in the published layout.
      links: entities of KG 1 and KG 2, by name.
      out: folder for the copy, which gets the names of ``data`` and of the folder above it.

    Returns:
      The folder of the copy.

    Raises:
      InputError: a file is at fault.
    """
    number = {name: identifier for identifier, name in read_graph(str(data), 2).aliases.items()}
    names = {two for _, two in links}
    gone = {number[name] for name in names}
    copy = out / data.resolve().parent.name / data.name
    copy.mkdir(parents=True, exist_ok=True)
    for file in sorted(path for path in data.iterdir() if path.is_file()):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        (copy / file.name).write_text("".join(_kept(file.name, lines, gone, names)), encoding="utf-8")
    if (translated := translated_file(data)) is not None:
        target = copy.parent / translated.parent.name / translated.name
        target.parent.mkdir(exist_ok=True)
        entries = json.loads(translated.read_text(encoding="utf-8"))
        target.write_text(json.dumps([entry for entry in entries if str(entry[0]) not in gone]))
    return copy


def _kept(name: str, lines: list[str], gone: set[str], names: set[str]) -> list[str]:
    """The lines of a file that name no removed entity."""
    if name in _BY_ID:
        return [line for line in lines if line.split("\t", 1)[0].strip() not in gone]
    if name in _BY_NAME:
        return [line for line in lines if line.split("\t", 1)[0].strip() not in names]
    if name == "triples_2":
        return [line for line in lines if not gone.intersection(line.split()[::2])]
    if name == LINKS:
        return [line for line in lines if not gone.intersection(line.split()[1:])]
    return lines

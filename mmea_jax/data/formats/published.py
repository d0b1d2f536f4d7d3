"""Reader of the layout that multi-modal entity alignment data sets are published in.

A folder such as ``DBP15K/zh_en`` holds ``ent_ids_1/2``, ``triples_1/2`` and ``ill_ent_ids``, and may
hold ``training_attrs_1/2``, ``rel_ids_1/2`` and, beside it, ``translated_ent_name/*.json``.
Ids need not be contiguous on a side; an entity's index is its id's rank over both sides.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from mmea_jax.data import names as entity_names
from mmea_jax.data.bags import attribute_bag, relation_bag
from mmea_jax.data.formats.attributes import read_attributes
from mmea_jax.data.formats.consistency import check_entities, one_to_one, to_entities
from mmea_jax.data.formats.tables import line_of, read_integers, read_names
from mmea_jax.data.knowledge_graphs import Bag, KnowledgeGraphs
from mmea_jax.vocabulary import ATTRIBUTE, CHAR, NAME, RELATION, Modality

# A folder with this file is a data set of this layout.
MARK = "ent_ids_1"
SIDES = (1, 2)


def files(folder: Path, modalities: Collection[Modality]) -> list[Path]:
    """The files that ``read`` opens for these modalities, as far as they exist; sorted."""
    stems = ["ent_ids", "triples", "rel_ids"] + ["training_attrs"] * (ATTRIBUTE in modalities)
    paths = [folder / f"{stem}_{side}" for stem in stems for side in SIDES] + [folder / "ill_ent_ids"]
    paths += filter(None, [entity_names.translated_file(folder)])
    return sorted(path for path in paths if path.exists())


def read(
    folder: Path,
    name: str,
    modalities: Collection[Modality],
    bag_width: int = 1000,
    drop_contradicting: bool = False,
) -> KnowledgeGraphs:
    """Both graphs, their gold links, and the bags among ``modalities``.

    Args:
      folder: the data set's folder.
      name: what the data set is called in reports.
      modalities: which of relation, attribute, name and char to build; one that no file has content
        for is left out.
      bag_width: how many of the most frequent relations and attributes the bags keep.
      drop_contradicting: leave out a link that gives an entity a second counterpart; else it is an error.

    Returns:
      ``KnowledgeGraphs`` with triples sorted and distinct; what was dropped is in its notes.

    Raises:
      InputError: a file is missing, empty or malformed, or contradicts another.
    """
    ids, uris, side = _entities(folder)
    triples, relations, notes = _triples(folder, ids, side)
    links, dropped = _links(folder, ids, side, drop_contradicting)
    bags: dict[Modality, Bag] = {}
    if RELATION in modalities:
        bags[RELATION] = relation_bag(triples, len(ids), relations, bag_width)
    if ATTRIBUTE in modalities:
        bags[ATTRIBUTE] = _attributes(folder, uris, side, bag_width)
    words = _words(folder, ids, uris)
    bags |= {m: make(words) for m, make in _WORD_BAGS.items() if m in modalities}
    return KnowledgeGraphs(
        name=name,
        entity_ids=ids,
        entity_names=uris,
        words=tuple(" ".join(own) for own in words),
        side=side,
        triples=triples[np.lexsort(triples.T[::-1])],
        relation_names=relations,
        links=links,
        modalities={m: bag for m, bag in bags.items() if bag.width},
        notes=(*notes, *dropped),
    )


_WORD_BAGS = {NAME: entity_names.word_bag, CHAR: entity_names.char_bag}


def _entities(folder: Path) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Ids ascending over both sides, their names, and their side."""
    paths = (folder / "ent_ids_1", folder / "ent_ids_2")
    (ids1, names1), (ids2, names2) = map(read_names, paths)
    check_entities((ids1, ids2), paths)
    ids = np.concatenate([ids1, ids2])
    order = np.argsort(ids)
    uris = names1 + names2
    side = (order >= len(ids1)).astype(np.int8)
    return ids[order], tuple(uris[i] for i in order), side


def _triples(
    folder: Path, ids: np.ndarray, side: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...], list[str]]:
    """Distinct triples in the files' order, the relations' names, and notes."""
    tables, notes = [], []
    for k in SIDES:
        path = folder / f"triples_{k}"
        rows = read_integers(path, "head relation tail")
        own = side == k - 1
        heads = to_entities(rows[:, 0], ids, own, k, path)
        tails = to_entities(rows[:, 2], ids, own, k, path)
        tables.append(np.stack([heads, rows[:, 1], tails], axis=1))
    relation_ids = [np.unique(table[:, 1]) for table in tables]
    shared = len(np.intersect1d(*relation_ids))
    if shared:
        notes.append(f"{shared} relation ids occur on both sides; taken as different relations")
    dense = [np.searchsorted(own, table[:, 1]) for own, table in zip(relation_ids, tables, strict=True)]
    dense[1] = dense[1] + len(relation_ids[0])
    triples = np.concatenate(tables)
    triples[:, 1] = np.concatenate(dense)
    distinct = _first_of_each(triples)
    if not distinct.all():
        notes.append(f"{(~distinct).sum()} duplicate triples dropped")
    triples = triples[distinct].astype(np.int32)
    names = [_relation_names(folder / f"rel_ids_{k}", relation_ids[k - 1]) for k in SIDES]
    return triples, (*names[0], *names[1]), notes


def _first_of_each(rows: np.ndarray) -> np.ndarray:
    """bool[n]: the rows that no earlier row equals."""
    order = np.lexsort(rows.T)  # stable: equal rows keep their order
    first = np.ones(len(rows), bool)
    first[order[1:]] = (rows[order[1:]] != rows[order[:-1]]).any(axis=1)
    return first


def _relation_names(path: Path, relation_ids: np.ndarray) -> list[str]:
    known: dict[int, str] = {}
    if path.exists() and path.stat().st_size:
        identifiers, names = read_names(path)
        known = dict(zip(identifiers.tolist(), names, strict=True))
    return [known.get(relation, str(relation)) for relation in relation_ids.tolist()]


def _links(folder: Path, ids: np.ndarray, side: np.ndarray, drop: bool) -> tuple[np.ndarray, list[str]]:
    """int32[L, 2] gold links, and notes."""
    path = folder / "ill_ent_ids"
    shown = read_integers(path, "id1 id2")
    links = np.stack([to_entities(shown[:, k], ids, side == k, k + 1, path) for k in (0, 1)], axis=1)
    kept = one_to_one(links, shown, path, drop)
    lines = ", ".join(str(line_of(path, row)) for row in np.flatnonzero(~kept)[:10])
    notes = [f"{(~kept).sum()} links dropped that contradict an earlier one ({path.name}, line {lines})"]
    return links[kept], [] if kept.all() else notes


def _attributes(folder: Path, uris: tuple[str, ...], side: np.ndarray, width: int) -> Bag:
    codes: dict[str, int] = {}
    parts = []
    for k in SIDES:
        # Of entities that share a name the first has the attributes; reversed, it is the last to be written.
        own = {uris[i]: i for i in np.flatnonzero(side == k - 1)[::-1].tolist()}
        parts.append(read_attributes(folder / f"training_attrs_{k}", own, codes))
    rows, columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return attribute_bag(rows, columns, len(uris), tuple(codes), width)


def _words(folder: Path, ids: np.ndarray, uris: tuple[str, ...]) -> list[list[str]]:
    path = entity_names.translated_file(folder)
    if path is None:
        return [entity_names.words_of(uri) for uri in uris]
    return entity_names.read_translated(path, {identifier: i for i, identifier in enumerate(ids.tolist())})

"""The layout that TMEA publishes: everything by name, features pickled a side, links in five folds.

A folder holds ``rel_triples_1/2`` (``head<TAB>relation<TAB>tail``) and may hold ``attr_triples_1/2``
(``entity<TAB>attribute<TAB>value``), ``ent_links`` (all links), ``721_5fold/<k>/{train,valid,test}_links``
(pairs of names), and ``clip_image_1/2.pkl`` and ``bert_attr_1/2.pkl``, dicts from a name to an array
``[1, f]``. It is the layout of OpenEA with features. Entities are numbered in the files' order, KG 1 first.
"""

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from mmea_jax.data import names as entity_names
from mmea_jax.data.bags import attribute_bag, relation_bag
from mmea_jax.data.bounds import read_within
from mmea_jax.data.formats.tables import TIMES, decode, line_of, read_bytes
from mmea_jax.data.knowledge_graphs import Bag, KnowledgeGraphs
from mmea_jax.errors import InputError
from mmea_jax.vocabulary import ATTRIBUTE, CHAR, NAME, RELATION, VISUAL, Modality

# A folder with this file is a data set of this layout.
MARK = "rel_triples_1"
FOLDS = "721_5fold"
PARTS = ("train", "valid", "test")
# Feature files of a modality, without side and suffix.
FEATURES = {VISUAL: "clip_image", ATTRIBUTE: "bert_attr"}
_LINKS = "ent_links"
_SIDES = (1, 2)
_WORD_BAGS = {NAME: entity_names.word_bag, CHAR: entity_names.char_bag}


@dataclasses.dataclass(frozen=True)
class Named:
    """What the text files say, by name.

    Attributes:
      triples: of each side, ``(head, relation, tail)`` in the file's order.
      attributes: of each side, ``(entity, attribute, value)``; the value may be empty.
      links: ``(entity of KG 1, entity of KG 2)``, in the files' order, to where it stands: the file, and the
        row among those with content.
    """

    triples: tuple[list[tuple[str, ...]], ...]
    attributes: tuple[list[tuple[str, ...]], ...]
    links: dict[tuple[str, ...], tuple[Path, int]]

    def entities(self, side: int) -> list[str]:
        """Names of KG 1 (``side`` 0) or KG 2 (1), by first appearance in triples, attributes and links."""
        names = [name for head, _, tail in self.triples[side] for name in (head, tail)]
        names += [entity for entity, *_ in self.attributes[side]]
        return list(dict.fromkeys([*names, *(link[side] for link in self.links)]))


def files(folder: Path, modalities: Collection[Modality]) -> list[Path]:
    """The text files that ``read`` opens, as far as they exist; sorted."""
    del modalities  # entities are numbered by all files
    paths = [folder / f"{stem}_{side}" for stem in ("rel_triples", "attr_triples") for side in _SIDES]
    return sorted(path for path in [*paths, *link_files(folder)] if path.is_file())


def read(
    folder: Path,
    name: str,
    modalities: Collection[Modality],
    bag_width: int = 1000,
    drop_contradicting: bool = False,
) -> KnowledgeGraphs:
    """Both graphs, their gold links, and the bags among ``modalities``; as ``formats.published.read``.

    Raises:
      InputError: a file is missing, empty or malformed, or contradicts another.
    """
    named = read_named(folder)
    own = [named.entities(side) for side in (0, 1)]
    index = [dict(zip(names, _numbers(own, side), strict=True)) for side, names in enumerate(own)]
    triples, relations, notes = _triples(named, index)
    links, dropped = _links(named, index, drop_contradicting)
    uris = (*own[0], *own[1])
    bags: dict[Modality, Bag] = {}
    if RELATION in modalities:
        bags[RELATION] = relation_bag(triples, len(uris), relations, bag_width)
    if ATTRIBUTE in modalities:
        bags[ATTRIBUTE] = _attributes(named, index, bag_width)
    words = [entity_names.words_of(uri) for uri in uris]
    bags |= {m: make(words) for m, make in _WORD_BAGS.items() if m in modalities}
    return KnowledgeGraphs(
        name=name,
        entity_ids=np.arange(len(uris), dtype=np.int64),
        entity_names=uris,
        words=tuple(" ".join(own) for own in words),
        side=np.repeat(np.array([0, 1], np.int8), [len(names) for names in own]),
        triples=triples[np.lexsort(triples.T[::-1])],
        relation_names=relations,
        links=links,
        modalities={m: bag for m, bag in bags.items() if bag.width},
        notes=(*notes, *dropped),
    )


def read_named(folder: Path) -> Named:
    """The text files of a folder.

    Raises:
      InputError: one is missing, empty or malformed, or there are no links.
    """
    triples = tuple(read_lines(folder / f"rel_triples_{side}", "head relation tail") for side in _SIDES)
    attributes = tuple(attribute_lines(folder / f"attr_triples_{side}") for side in _SIDES)
    paths = link_files(folder)
    if not paths:
        raise InputError(
            f"neither {_LINKS} nor {FOLDS}/<k>/train_links",
            expected="the gold links",
            mend="put one of them there",
            file=folder,
        )
    return Named(triples, attributes, _each_once(paths))


def _each_once(paths: Sequence[Path]) -> dict[tuple[str, ...], tuple[Path, int]]:
    found: dict[tuple[str, ...], tuple[Path, int]] = {}
    for path in paths:
        for row, link in enumerate(read_links(path)):
            if link in found:
                raise _unfit(link, "repeats", *found[link], path, row)
            found[link] = path, row
    return found


def _unfit(link, how: str, before: Path, before_row: int, path: Path, row: int) -> InputError:
    return InputError(
        f"link {' – '.join(link)}, which {how} line {line_of(before, before_row)} of {before.name}",
        expected="each entity in one link at most",
        mend="remove one of the two lines"
        + ("" if how == "repeats" else ", or drop it with --config.data.contradicting_links=drop"),
        file=path,
        line=line_of(path, row),
    )


def read_links(path: Path) -> list[tuple[str, ...]]:
    """Pairs of names, one a line."""
    return read_lines(path, "entity1 entity2")


def fold(folder: Path, name: str) -> Path | None:
    """The folder of the fold of that name, ``721_5fold/<k>``, if the data set has it."""
    path = folder / name
    return path if path.parent == folder / FOLDS and path.is_dir() else None


def folds(folder: Path) -> list[str]:
    """Names of a data set's folds, as ``fold`` knows them."""
    return sorted(f"{FOLDS}/{path.name}" for path in (folder / FOLDS).glob("*") if path.is_dir())


def read_lines(path: Path, columns: str) -> list[tuple[str, ...]]:
    """Fields of a required file's lines, separated by tabs; blank lines are skipped.

    Raises:
      InputError: the file is missing, empty or not UTF-8, or a line has another number of fields.
    """
    expected = columns.replace(" ", "<TAB>")
    return list(_fields(path, read_bytes(path, f"lines of {expected}"), len(columns.split()), expected))


def _fields(path: Path, content: bytes, count: int, expected: str) -> Iterable[tuple[str, ...]]:
    for number, line in enumerate(decode(path, content).split("\n"), start=1):
        if not line.strip():
            continue
        fields = tuple(line.rstrip("\r").split("\t"))
        if len(fields) != count or not all(fields):
            raise InputError(
                f"{len(fields)} field(s) in {line[:80]!r}",
                expected=expected,
                mend="complete the line, with single tabs between fields",
                file=path,
                line=number,
            )
        yield fields


def attribute_lines(path: Path) -> list[tuple[str, ...]]:
    """Entity, attribute and value; the file and any value may be absent, and a value may hold tabs.

    Raises:
      InputError: the file is not UTF-8, or a line lacks entity or attribute.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(decode(path, read_within(path, TIMES)).split("\n"), start=1):
        if not line.strip():
            continue
        entity, _, rest = line.rstrip("\r").partition("\t")
        attribute, _, value = rest.partition("\t")
        if not entity or not attribute:
            raise InputError(
                f"{line[:80]!r}",
                expected="entity<TAB>attribute<TAB>value",
                mend="complete the line, or remove it",
                file=path,
                line=number,
            )
        rows.append((entity, attribute, value))
    return rows


def link_files(folder: Path) -> list[Path]:
    """``ent_links``, or else the files of the first fold, which divides all links; empty for neither."""
    if (folder / _LINKS).is_file():
        return [folder / _LINKS]
    for name in folds(folder):
        return [path for part in PARTS if (path := folder / name / f"{part}_links").is_file()]
    return []


def _numbers(own: Sequence[Sequence[str]], side: int) -> range:
    """Numbers of a side's entities."""
    start = side * len(own[0])
    return range(start, start + len(own[side]))


def _triples(named: Named, index) -> tuple[np.ndarray, tuple[str, ...], list[str]]:
    """Distinct triples in the files' order, the relations' names, and notes."""
    rows, relations = [], []
    for side, triples in enumerate(named.triples):
        start = len(relations)
        own = {r: start + k for k, r in enumerate(dict.fromkeys(relation for _, relation, _ in triples))}
        relations += own
        rows += [(index[side][h], own[r], index[side][t]) for h, r, t in dict.fromkeys(triples)]
    repeats = sum(map(len, named.triples)) - len(rows)
    notes = [f"{repeats} duplicate triples dropped"] if repeats else []
    return np.array(rows, np.int32), tuple(relations), notes


def _links(named: Named, index, drop: bool) -> tuple[np.ndarray, list[str]]:
    """int32[L, 2] gold links, and notes."""
    links, kept = [], []
    first: tuple[dict[str, tuple[str, ...]], ...] = ({}, {})
    for link, place in named.links.items():
        before = first[0].get(link[0], first[1].get(link[1]))
        if before is not None and not drop:
            raise _unfit(link, "contradicts", *named.links[before], *place)
        kept.append(before is None)
        links.append([index[side][link[side]] for side in (0, 1)])
        if before is None:
            first[0][link[0]] = first[1][link[1]] = link
    shown = ", ".join(" – ".join(link) for link, keep in zip(named.links, kept, strict=True) if not keep)
    dropped = f"{kept.count(False)} links dropped that contradict an earlier one ({shown[:200]})"
    return np.array(links, np.int32)[np.array(kept)], [] if all(kept) else [dropped]


def _attributes(named: Named, index, width: int) -> Bag:
    codes: dict[str, int] = {}
    pairs = [
        (index[side][entity], codes.setdefault(attribute, len(codes)))
        for side, rows in enumerate(named.attributes)
        for entity, attribute, _ in rows
    ]
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    return attribute_bag(rows, columns, sum(map(len, index)), tuple(codes), width)

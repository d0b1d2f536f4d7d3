"""A data set's folder from the published layout to the one that goes by names, and back.

What the published layout has no file for is kept under its own name, so that the way back loses nothing:
attribute values in ``attr_triples_1/2``. The other layout has no list of entities: one without triple,
attribute and link has no place in it.
"""

import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmea_jax.data.bounds import read_within
from mmea_jax.data.formats import named, published
from mmea_jax.data.formats.features import SUFFIXES, Features, read_features, write_features
from mmea_jax.data.formats.tables import TIMES, decode, is_integer, read_integers, read_names
from mmea_jax.data.named_features import read_side
from mmea_jax.errors import InputError
from mmea_jax.vocabulary import ATTRIBUTE, VISUAL, Modality

# Feature files beside the published layout's tables, by modality, without suffix.
STEMS = {VISUAL: "images", ATTRIBUTE: "abstracts"}
_SIDES = (1, 2)
_PREFIX = f"{named.FOLDS}_"


def convert(source: Path, target: Path, features: Mapping[Modality, Path] | None = None) -> list[str]:
    """Writes the data set of ``source`` into the new folder ``target`` in the other layout.

    Args:
      source: a folder of either layout.
      target: a folder that does not exist, or is empty.
      features: feature files by modality, for a source in the published layout; by default ``images`` and
        ``abstracts`` in the source.

    Returns:
      What was written, for people.

    Raises:
      InputError: the source is in neither layout or unsound, or the target holds something.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(
            "a target that holds something", expected="a new folder", mend="choose another", file=target
        )
    by_names = (source / named.MARK).is_file()
    if not by_names and not (source / published.MARK).is_file():
        raise InputError(
            "no data set",
            expected=f"a folder with {published.MARK} or {named.MARK}",
            mend="give the folder of one data set",
            file=source,
        )
    if by_names and features:
        raise InputError(
            "feature files for a data set that has its own",
            expected="them for a source in the published layout alone",
            mend="leave them out",
            file=source,
        )
    # Nothing is written before everything is read.
    written = _to_published(source) if by_names else _to_names(source, features or {})
    target.mkdir(parents=True, exist_ok=True)
    for path, content in written.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Features):
            write_features(file, content)
        else:
            file.write_bytes(content)
    return sorted(written)


def _to_names(source: Path, features: Mapping[Modality, Path]) -> dict[str, bytes]:
    """Content by path of the layout that goes by names."""
    names = [_distinct(source / f"ent_ids_{side}") for side in _SIDES]
    every = names[0] | names[1]
    written = {}
    for side, own in zip(_SIDES, names, strict=True):
        relations = _optional_names(source / f"rel_ids_{side}")
        triples = [
            (own[h], relations.get(r, str(r)), own[t])
            for h, r, t in _known(source / f"triples_{side}", "head relation tail", own, (0, 2))
        ]
        written[f"rel_triples_{side}"] = _lines(triples)
        written[f"attr_triples_{side}"] = _attribute_triples(source, side, own)
    links = _known(source / "ill_ent_ids", "id1 id2", every, (0, 1))
    written["ent_links"] = _lines([(every[a], every[b]) for a, b in links])
    placed = [_placed(written, side) for side in _SIDES]
    for path in sorted((source / "splits").glob("*/*_links")):
        pairs = [(every[a], every[b]) for a, b in _known(path, "id1 id2", every, (0, 1))]
        written[f"{named.FOLDS}/{path.parent.name.removeprefix(_PREFIX)}/{path.name}"] = _lines(pairs)
    for modality, stem in STEMS.items():
        path = features.get(modality) or _feature_file(source / stem)
        if path:
            written |= _pickles(named.FEATURES[modality], read_features(path), names, placed, path)
    return written


def _to_published(source: Path) -> dict[str, bytes | Features]:
    """Content by path of the published layout. Ids count both sides' entities through."""
    graphs = named.read_named(source)
    own = [graphs.entities(side) for side in (0, 1)]
    start = (0, len(own[0]))
    ids = [{name: first + k for k, name in enumerate(names)} for first, names in zip(start, own, strict=True)]
    written: dict[str, bytes | Features] = {}
    first_relation = 0
    for side, k in enumerate(_SIDES):
        triples = graphs.triples[side]
        relations = {
            r: first_relation + i for i, r in enumerate(dict.fromkeys(relation for _, relation, _ in triples))
        }
        first_relation += len(relations)
        written[f"ent_ids_{k}"] = _lines([(i, name) for name, i in ids[side].items()])
        written[f"rel_ids_{k}"] = _lines([(i, name) for name, i in relations.items()])
        written[f"triples_{k}"] = _lines([(ids[side][h], relations[r], ids[side][t]) for h, r, t in triples])
        written[f"training_attrs_{k}"] = _lines(_attribute_names(graphs.attributes[side]))
        # The published layout has no place for values that are no numbers; its reader passes this over.
        written[f"attr_triples_{k}"] = _lines(graphs.attributes[side])
    written["ill_ent_ids"] = _lines([(ids[0][one], ids[1][two]) for one, two in graphs.links])
    for fold in named.folds(source):
        for path in sorted((source / fold).glob("*_links")):
            pairs = [(_of(ids[0], one, path), _of(ids[1], two, path)) for one, two in named.read_links(path)]
            written[f"splits/{_PREFIX}{path.parent.name}/{path.name}"] = _lines(pairs)
    for modality, stem in STEMS.items():
        paths = [source / f"{named.FEATURES[modality]}_{side}.pkl" for side in _SIDES]
        if all(path.is_file() for path in paths):
            written[f"{stem}.npz"] = _merged(paths, ids)
    return written


def _distinct(path: Path) -> dict[int, str]:
    """Names by id; refuses a name that two entities of the side share."""
    ids, names = read_names(path)
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(
                f"the name {name!r} for the second time",
                expected="names that tell entities apart, for a layout that goes by names",
                mend="make the names distinct",
                file=path,
            )
        seen.add(name)
    return dict(zip(ids.tolist(), names, strict=True))


def _optional_names(path: Path) -> dict[int, str]:
    if not path.exists() or not path.stat().st_size:
        return {}
    ids, names = read_names(path)
    return dict(zip(ids.tolist(), names, strict=True))


def _known(
    path: Path, columns: str, names: Mapping[int, str], entities: Sequence[int]
) -> list[tuple[int, ...]]:
    """Rows of integers whose ``entities`` columns are all known."""
    rows = [tuple(row) for row in read_integers(path, columns).tolist()]
    strangers = [row[k] for row in rows for k in entities if row[k] not in names]
    if strangers:
        raise InputError(
            f"entity id {strangers[0]}, which no entity file declares",
            expected="ids that ent_ids_1 or ent_ids_2 declares",
            mend="declare the entity, or remove the line",
            file=path,
        )
    return rows


def _attribute_triples(source: Path, side: int, names: Mapping[int, str]) -> bytes:
    """Attributes with their values as far as there are any; all of them where the folder kept them."""
    kept = source / f"attr_triples_{side}"
    if kept.exists():
        return _lines(named.attribute_lines(kept))
    rows = _valued(source / f"numerical_triples_{side}", names)
    known = {row[:2] for row in rows}
    path = source / f"training_attrs_{side}"
    if path.exists():
        for line in decode(path, read_within(path, TIMES)).split("\n"):
            entity, *attributes = line.rstrip("\r").split("\t")
            rows += [(entity, a, "") for a in dict.fromkeys(attributes) if a and (entity, a) not in known]
    return _lines(rows)


def _valued(path: Path, names: Mapping[int, str]) -> list[tuple[str, ...]]:
    """Entity, attribute and value of each line of a file that need not be there."""
    rows = []
    lines = decode(path, read_within(path, TIMES)).split("\n") if path.exists() else []
    for number, line in enumerate(lines, start=1):
        fields = line.rstrip("\r").split("\t", 2)
        if not line.strip():
            continue
        if len(fields) < 3 or not is_integer(fields[0]) or int(fields[0]) not in names:
            raise InputError(
                repr(line[:80]),
                expected="id<TAB>attribute<TAB>number, with an id that the entity file declares",
                mend="correct or remove the line",
                file=path,
                line=number,
            )
        rows.append((names[int(fields[0])], *fields[1:]))
    return rows


def _attribute_names(rows: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """One line an entity: its name and its attributes, each once."""
    owned: dict[str, dict[str, None]] = {}
    for entity, attribute, _ in rows:
        owned.setdefault(entity, {})[attribute] = None
    return [(entity, *attributes) for entity, attributes in owned.items()]


def _feature_file(stem: Path) -> Path | None:
    paths = [stem.with_suffix(suffix) for suffix in SUFFIXES]
    return next((path for path in paths if path.is_file()), None)


def _placed(written: Mapping[str, bytes], side: int) -> set[str]:
    """Names of a side that its triples, attributes or the links mention."""
    columns = {f"rel_triples_{side}": (0, 2), f"attr_triples_{side}": (0,), "ent_links": (side - 1,)}
    return {
        line.split("\t")[column]
        for path, own in columns.items()
        for line in written[path].decode().split("\n")
        if line.strip()
        for column in own
    }


def _pickles(
    stem: str,
    features: Features,
    names: Sequence[Mapping[int, str]],
    placed: Sequence[set[str]],
    path: Path,
) -> dict[str, bytes]:
    """Both sides' pickles: the published code of this layout reads nothing else."""
    sides: tuple[dict, dict] = ({}, {})
    spoken = [own.keys() | set(own.values()) for own in names]
    for key, vector in zip(features.keys, features.vectors, strict=True):
        side = next((k for k, own in enumerate(spoken) if key in own), None)
        if side is None:
            raise InputError(
                f"features for {key!r}, which is no entity",
                expected="ids or names of the data set",
                mend="take the feature file that belongs to it",
                file=path,
            )
        name = names[side].get(key, key)
        if name in placed[side]:
            sides[side][name] = np.asarray(vector)[None]
    return {f"{stem}_{k + 1}.pkl": pickle.dumps(own) for k, own in enumerate(sides)}


def _merged(paths: Sequence[Path], ids: Sequence[Mapping[str, int]]) -> Features:
    sides = [(k, side) for k, path in enumerate(paths) if (side := read_side(path))]
    keys = tuple(_of(ids[k], key, paths[k]) for k, side in sides for key in side.keys)
    return Features(keys, np.concatenate([side.vectors for _, side in sides]))


def _of(ids: Mapping[str, int], name: str, path: Path) -> int:
    if name not in ids:
        raise InputError(
            f"the entity {name!r}",
            expected="one of the side's triples, attributes or links",
            mend="correct or remove the line",
            file=path,
        )
    return ids[name]


def _lines(rows: Iterable[Sequence]) -> bytes:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows).encode()

"""One side of a data set in the published layout."""

from pathlib import Path

import numpy as np

from mmea_jax.data.formats.attributes import read_attributes
from mmea_jax.data.formats.tables import decode, read_bytes, read_integers, read_names
from mmea_jax.data.names import read_translated, translated_file
from mmea_jax.data.own.source import Source
from mmea_jax.errors import InputError


def side_of(folder: Path, side: int) -> int | None:
    """Which of its sides a folder stands for: ``side`` where it has both, the one it has, or None."""
    there = [k for k in (1, 2) if (folder / f"ent_ids_{k}").is_file()]
    return None if not there else side if len(there) == 2 else there[0]


def files(folder: Path, side: int) -> list[Path]:
    """The files that ``read_side`` opens, as far as they exist."""
    stems = ("ent_ids", "rel_ids", "triples", "training_attrs", "numerical_triples")
    paths = [*(folder / f"{stem}_{side}" for stem in stems), translated_file(folder)]
    return [path for path in paths if path is not None and path.is_file()]


def read_side(folder: Path, side: int, into: Source) -> None:
    """Adds triples, attributes, numbers and translated names of one side.

    Links may call its entities by their ids too.

    Args:
      folder: with ``ent_ids_<side>`` and so on.
      side: 1 or 2.
      into: the graph.

    Raises:
      InputError: a file is missing, malformed, or names an id or entity that is not declared.
    """
    ids, names = read_names(folder / f"ent_ids_{side}")
    own = dict(zip(ids.tolist(), names, strict=True))
    into.entities |= set(names)
    into.aliases |= {str(identifier): name for identifier, name in own.items()}
    relations = _relations(folder / f"rel_ids_{side}")
    path = folder / f"triples_{side}"
    for head, relation, tail in read_integers(path, "head relation tail").tolist():
        # Relations without a name of their own are this side's: the number means nothing on the other.
        name = relations.get(relation, f"relation {relation} of side {side}")
        into.add_triple(_known(head, own, path), name, _known(tail, own, path))
    _attributes(folder / f"training_attrs_{side}", names, into)
    _numbers(folder / f"numerical_triples_{side}", own, into)
    _translated(folder, side, own, into)


def _relations(path: Path) -> dict[int, str]:
    if not path.exists() or not path.stat().st_size:
        return {}
    ids, names = read_names(path)
    return dict(zip(ids.tolist(), names, strict=True))


def _known(identifier: int, own: dict[int, str], path: Path) -> str:
    if identifier not in own:
        raise InputError(
            f"entity id {identifier}, which ent_ids_{path.name[-1]} does not declare",
            expected="declared ids",
            mend="declare the entity, or remove the line",
            file=path,
        )
    return own[identifier]


def _attributes(path: Path, names: list[str], into: Source) -> None:
    codes: dict[str, int] = {}
    rows, columns = read_attributes(path, {name: i for i, name in enumerate(names)}, codes)
    attributes = list(codes)
    into.attributes |= {
        (names[i], attributes[a]) for i, a in zip(rows.tolist(), columns.tolist(), strict=True)
    }


def _numbers(path: Path, own: dict[int, str], into: Source) -> None:
    if not path.exists() or not path.stat().st_size:
        return
    for number, line in enumerate(decode(path, read_bytes(path, "numbers")).split("\n"), start=1):
        fields = line.rstrip("\r").split("\t")
        if not line.strip():
            continue
        if len(fields) < 3 or not fields[0].isdecimal() or int(fields[0]) not in own:
            raise InputError(
                repr(line[:80]),
                expected=f"id<TAB>attribute<TAB>number, with an id of ent_ids_{path.name[-1]}",
                mend="correct or remove the line",
                file=path,
                line=number,
            )
        into.add_literal(own[int(fields[0])], fields[1], fields[2])


def _translated(folder: Path, side: int, own: dict[int, str], into: Source) -> None:
    path = translated_file(folder)
    if path is None:
        return
    # The file lists both sides' entities, whichever is read.
    other = folder / f"ent_ids_{3 - side}"
    ids = np.concatenate([list(own), read_names(other)[0] if other.is_file() else []]).astype(np.int64)
    index = {identifier: at for at, identifier in enumerate(ids.tolist())}
    words = read_translated(path, index)
    for identifier, name in own.items():
        into.add_label(name, " ".join(words[index[identifier]]))

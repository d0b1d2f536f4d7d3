"""The OpenKE layout of completion data: counts on first lines, ids from 0, columns head, tail, relation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmea_jax.data.formats.tables import decode, is_integer, line_of, parse_integers, read_bytes
from mmea_jax.errors import InputError

# A folder with this file is a data set of this layout.
MARK = "entity2id.txt"
RELATIONS = "relation2id.txt"
PARTS = ("train", "valid", "test")
_COLUMNS = "head tail relation"
_PAIR = "name<TAB or space>id"


def read_dictionary(path: Path) -> tuple[str, ...]:
    """Names by id, of a file whose first line is their count and whose others are ``name<TAB or space>id``.

    Ids are rows of feature tables, so they must be 0, 1, … without a gap; their order is free.

    Raises:
      InputError: the file is missing or malformed, its count is wrong, or an id or name stands twice.
    """
    expected = f"a count, then lines of {_PAIR}"
    lines = decode(path, read_bytes(path, expected)).split("\n")
    filled = [(number, line.rstrip("\r")) for number, line in enumerate(lines, start=1) if line.strip()]
    count = _count(path, *filled[0])
    _check_count(path, filled[0][0], count, len(filled) - 1)
    names: list[str | None] = [None] * count
    line_of_name: dict[str, int] = {}
    for number, line in filled[1:]:
        name, identifier = _pair(path, number, line)
        if not 0 <= identifier < count:
            raise InputError(
                f"id {identifier}",
                expected=f"the ids 0 to {count - 1}, each once, for they number the rows of feature tables",
                mend="number the lines anew, and the triples with them",
                file=path,
                line=number,
            )
        if names[identifier] is not None or name in line_of_name:
            what, before = (
                (f"name {name[:80]!r}", line_of_name[name])
                if name in line_of_name
                else (f"id {identifier}", line_of_name[names[identifier]])
            )
            raise InputError(
                f"{what}, which line {before} has too",
                expected="each name and each id once",
                mend="remove one of the two lines, or give it a name and an id of its own",
                file=path,
                line=number,
            )
        names[identifier], line_of_name[name] = name, number
    return tuple(names)


def read_triples(path: Path, num_entities: int, num_relations: int) -> np.ndarray:
    """int32[T, 3], columns **head, relation, tail**, of a file whose lines are head, tail, relation.

    Args:
      path: the file; its first line is the count.
      num_entities: N.
      num_relations: R.

    Raises:
      InputError: the file is missing or malformed, its count is wrong, or an id is not declared.
    """
    content = read_bytes(path, f"a count, then lines of {_COLUMNS}")
    start = len(content) - len(content.lstrip())
    first = content.count(b"\n", 0, start) + 1
    end = content.find(b"\n", start)
    end = len(content) if end < 0 else end
    count = _count(path, first, content[start:end].decode("utf-8", "replace"))
    # Newlines stay in place of the count, so that line numbers remain right.
    rows = parse_integers(path, b"\n" * (first - 1) + content[end:], _COLUMNS)
    _check_count(path, first, count, len(rows))
    for column, limit, kind, file in (
        (0, num_entities, "head", MARK),
        (1, num_entities, "tail", MARK),
        (2, num_relations, "relation", RELATIONS),
    ):
        wrong = np.flatnonzero((rows[:, column] < 0) | (rows[:, column] >= limit))
        if len(wrong):
            row = int(wrong[0])
            raise InputError(
                f"{kind} id {rows[row, column]} in {' '.join(map(str, rows[row]))!r}, which {file} does not "
                f"declare",
                expected=f"{_COLUMNS}, in this order, {kind} ids below {limit}",
                mend=f"declare it in {file}, reorder the columns, or remove the line",
                file=path,
                line=line_of(path, row + 1),
            )
    return rows[:, [0, 2, 1]].astype(np.int32)


def dictionaries(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of entities and of relations."""
    return read_dictionary(folder / MARK), read_dictionary(folder / RELATIONS)


def parts(folder: Path, names: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
    """Triples of train, valid and test, as ``read_triples`` gives them; a file of validation is optional."""
    sizes = [len(own) for own in names]
    paths = {part: folder / f"{part}2id.txt" for part in PARTS}
    if not paths["valid"].exists():
        del paths["valid"]
    return {part: read_triples(path, *sizes) for part, path in paths.items()}


def _count(path: Path, number: int, line: str) -> int:
    if is_integer(line.strip()) and int(line) >= 0:
        return int(line)
    raise InputError(
        f"{line.strip()[:80]!r}",
        expected="the number of lines that follow, alone on the first line",
        mend="write that number above the lines",
        file=path,
        line=number,
    )


def _check_count(path: Path, number: int, count: int, found: int) -> None:
    if count != found:
        raise InputError(
            f"the count {count} above {found} lines",
            expected="the number of lines that follow",
            mend=f"write {found} there, or restore what is missing",
            file=path,
            line=number,
        )


def _pair(path: Path, number: int, line: str) -> tuple[str, int]:
    fields = line.rsplit("\t" if "\t" in line else None, 1)
    if len(fields) == 2 and fields[0].strip() and is_integer(fields[1].strip()):
        return fields[0].strip(), int(fields[1])
    raise InputError(
        f"{line.strip()[:80]!r}",
        expected=f"{_PAIR}, with an integer id",
        mend="complete the line, with a tab or a space between name and id",
        file=path,
        line=number,
    )

"""What the files of one alignment data set must agree on; each error names the file and the line."""

from pathlib import Path

import numpy as np

from mmea_jax.data.formats.tables import line_of
from mmea_jax.errors import InputError


def check_entities(ids: tuple[np.ndarray, np.ndarray], paths: tuple[Path, Path]) -> None:
    """Every id is declared once, and on one side.

    Raises:
      InputError: an id stands twice in a file, or in both files.
    """
    for own, path in zip(ids, paths, strict=True):
        row = _first_repeat(own)
        if row is not None:
            raise InputError(
                f"entity id {own[row]} for the second time",
                expected="each id once",
                mend="remove the line, or give the entity an id of its own",
                file=path,
                line=line_of(path, row),
            )
    shared = np.flatnonzero(np.isin(ids[1], ids[0]))
    if len(shared):
        identifier = ids[1][shared[0]]
        first = line_of(paths[0], int(np.flatnonzero(ids[0] == identifier)[0]))
        raise InputError(
            f"entity id {identifier}, which line {first} of {paths[0].name} declares too",
            expected="each entity on one side",
            mend="give the two sides distinct ids, and the triples and links with them",
            file=paths[1],
            line=line_of(paths[1], int(shared[0])),
        )


def to_entities(
    column: np.ndarray, ids: np.ndarray, allowed: np.ndarray, side: int, path: Path
) -> np.ndarray:
    """int32[n]: the entities that a column of ids stands for.

    Args:
      column: int64[n], ids as a file has them, one a row of that file.
      ids: int64[N], all ids, ascending.
      allowed: bool[N], the entities of the side that this column must name.
      side: 1 or 2, of the column; for the message.
      path: the file the column comes from.

    Raises:
      InputError: an id is not declared, or belongs to the other side.
    """
    entities = np.minimum(np.searchsorted(ids, column), len(ids) - 1)
    declared = ids[entities] == column
    wrong = np.flatnonzero(~(declared & allowed[entities]))
    if len(wrong):
        row = int(wrong[0])
        other = f"belongs to ent_ids_{3 - side}" if declared[row] else "no entity file declares"
        raise InputError(
            f"entity id {column[row]}, which {other}",
            expected=f"an id that ent_ids_{side} declares",
            mend=f"declare the entity in ent_ids_{side}, or correct or remove the line",
            file=path,
            line=line_of(path, row),
        )
    return entities.astype(np.int32)


def one_to_one(links: np.ndarray, shown: np.ndarray, path: Path, drop: bool) -> np.ndarray:
    """bool[L]: the links to keep, so that each entity is in one at most.

    Args:
      links: int[L, 2], as in ``KnowledgeGraphs.links``.
      shown: int[L, 2], the same rows as the file has them.
      path: their file.
      drop: whether a link that contradicts an earlier one is left out; it is an error otherwise.

    Raises:
      InputError: a link is repeated, or two links give an entity different counterparts.
    """
    kept = np.ones(len(links), bool)
    first: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for row, (left, right) in enumerate(links.tolist()):
        before = first[0].get(left, first[1].get(right))
        if before is None:
            first[0][left] = first[1][right] = row
            continue
        repeats = bool((links[before] == links[row]).all())
        if not drop or repeats:
            raise _unfit(row, before, shown, path, repeats)
        kept[row] = False
    return kept


def _unfit(row: int, before: int, shown: np.ndarray, path: Path, repeats: bool) -> InputError:
    earlier = f"line {line_of(path, before)}: {_pair(shown[before])}"
    instead = (
        "" if repeats else ", or drop the later one of such lines with --config.data.contradicting_links=drop"
    )
    return InputError(
        f"link {_pair(shown[row])}, which {'repeats' if repeats else 'contradicts'} {earlier}",
        expected="each entity in one link at most",
        mend=f"remove one of the two lines{instead}",
        file=path,
        line=line_of(path, row),
    )


def _first_repeat(values: np.ndarray) -> int | None:
    """The first row whose value stands in an earlier row."""
    _, first = np.unique(values, return_index=True)
    again = np.ones(len(values), bool)
    again[first] = False
    return int(np.argmax(again)) if again.any() else None


def _pair(link: np.ndarray) -> str:
    return f"{link[0]}–{link[1]}"

"""Links between the user's own graphs, by the entities' names."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmea_jax.data.own import rdf, tables
from mmea_jax.errors import InputError, closest

# An error message that searches a million names for the closest would be late.
_SEARCHED = 50_000


def read_links(
    location: str, left: Mapping[str, int], right: Mapping[str, int], lenient: bool = False
) -> tuple[np.ndarray, list[str]]:
    """int32[L, 2] links, and notes.

    Args:
      location: a table whose first two columns are an entity of KG 1 and one of KG 2, or an RDF file of
        ``owl:sameAs`` or SKOS match triples.
      left: from a name of KG 1 to its entity.
      right: of KG 2.
      lenient: leave out links that name no entity, and those that give an entity a second counterpart.

    Raises:
      InputError: the file is at fault, or a link is and ``lenient`` is not set.
    """
    path = Path(location)
    if rdf.suffix_of(path) in rdf.SUFFIXES:
        pairs = rdf.read_same_as(path)
    else:
        pairs = [(row[0], row[1], line) for line, row in tables.rows(path, 2, "pairs of entities")]
    links, strangers, contradicting = [], 0, 0
    partner: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for one, two, line in pairs:
        own, other = left.get(one), right.get(two)
        if own is None and other is None and two in left and one in right:
            own, other = left[two], right[one]
        if own is None or other is None:
            if not lenient:
                name, known, side = (one, left, 1) if own is None else (two, right, 2)
                raise _stranger(name, known, side, path, line)
            strangers += 1
            continue
        if (own, other) == (own, partner[0].get(own)):
            continue
        if own in partner[0] or other in partner[1]:
            if not lenient:
                raise _contradiction(one, two, path, line)
            contradicting += 1
            continue
        partner[0][own], partner[1][other] = other, own
        links.append((own, other))
    notes = [f"{strangers:,} links of {path.name} left out that name no entity"] * (strangers > 0)
    notes += [f"{contradicting:,} links of {path.name} left out that contradict an earlier one"] * (
        contradicting > 0
    )
    return np.array(links, np.int32).reshape(-1, 2), notes


def _stranger(name: str, known: Mapping[str, int], side: int, path: Path, line: int | None) -> InputError:
    hint = closest(name, known) if len(known) < _SEARCHED else ""
    return InputError(
        f"{name[:120]!r}{hint}, which is no entity of KG {side}",
        expected="an entity of KG 1, then one of KG 2, named as the graphs name them",
        mend="correct or remove the link, or leave such links out with --lenient",
        file=path,
        line=line,
    )


def _contradiction(one: str, two: str, path: Path, line: int | None) -> InputError:
    return InputError(
        f"a second counterpart for {one[:80]!r} or {two[:80]!r}",
        expected="each entity in one link at most",
        mend="remove one of the two links, or leave the later one out with --lenient",
        file=path,
        line=line,
    )

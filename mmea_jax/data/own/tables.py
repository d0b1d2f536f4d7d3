"""Triples, attributes and names in plain tables, TSV or CSV."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from mmea_jax.data.formats.tables import decode, read_bytes
from mmea_jax.data.own.source import Source
from mmea_jax.errors import InputError

SUFFIXES = (".tsv", ".csv", ".txt", "")
# How the tables of a folder are told apart: by the beginning of their names.
TRIPLES, ATTRIBUTES, NAMES = ("triples", "rel_triples"), ("attributes", "attr_triples"), ("names", "labels")
# A literal as N-Triples writes it; data sets put them into tables too.
_LITERAL = re.compile(r'"(?P<text>.*)"(?:@(?P<language>[\w-]+)|\^\^<?(?P<type>[^<>]+)>?)?', re.DOTALL)
# A first line of such words is a heading.
_HEADINGS = {
    "head", "relation", "tail", "subject", "predicate", "object", "entity", "entity1", "entity2", "attribute",
    "value", "name", "label", "language", "left", "right", "source", "target", "path", "image", "property",
    "subject_id", "object_id", "predicate_id", "s", "p", "o", "h", "r", "t",
}  # fmt: skip


def kind_of(path: Path) -> str | None:
    """``triples``, ``attributes`` or ``names``, by the file's name; None for any other file."""
    if path.suffix.lower() not in SUFFIXES:
        return None
    kinds = {"triples": TRIPLES, "attributes": ATTRIBUTES, "names": NAMES}
    return next((kind for kind, stems in kinds.items() if path.name.lower().startswith(stems)), None)


def read_table(path: Path, kind: str, into: Source) -> None:
    """Adds what a table says.

    Args:
      path: comma-separated for ``.csv``, tab-separated otherwise; UTF-8.
      kind: ``triples`` (head, relation, tail, where a tail in quotation marks, as N-Triples writes literals,
        is a literal), ``attributes`` (entity, attribute, value) or ``names`` (entity, name and, if there is
        a third column, language).
      into: what the graph's files said before.

    Raises:
      InputError: the file cannot be read, or a line has too few fields or an empty one.
    """
    for _, row in rows(path, 2 if kind == "names" else 3, kind):
        if kind == "names":
            text, language, _ = literal(row[1]) or (row[1], "", "")
            into.add_label(row[0], text, row[2] if len(row) > 2 else language)
        elif found := literal(row[2]):
            text, _, datatype = found
            into.add_literal(row[0], row[1], text, datatype)
        elif kind == "attributes":
            into.add_literal(*row[:3])
        else:
            into.add_triple(*row[:3])


def literal(field: str) -> tuple[str, str, str] | None:
    """Text, language and datatype of a field in quotation marks, as N-Triples writes it; None for others."""
    found = _LITERAL.fullmatch(field)
    return (found["text"], found["language"] or "", found["type"] or "") if found else None


def rows(path: Path, least: int, expected: str) -> Iterator[tuple[int, list[str]]]:
    """Lines of a table with their numbers, fields stripped; blank lines, comments and a heading are skipped.

    Args:
      path: the table.
      least: fields that a line must have.
      expected: what the table holds, for messages.

    Raises:
      InputError: the file cannot be read, is not UTF-8, or a line has too few fields or an empty one.
    """
    comma = path.suffix.lower() == ".csv"
    text = decode(path, read_bytes(path, f"a table of {expected}"))
    # Quotation marks are a literal's own in a TSV file, and the format's in a CSV file.
    quoting = csv.QUOTE_MINIMAL if comma else csv.QUOTE_NONE
    reader = csv.reader(text.splitlines(keepends=True), delimiter="," if comma else "\t", quoting=quoting)
    first = True
    try:
        for fields in reader:
            row = [_bare(field.strip()) for field in fields]
            if not any(row) or row[0].startswith("#"):
                continue
            heading, first = first and {field.lower() for field in row} <= _HEADINGS, False
            if heading:
                continue
            if len(row) < least or not all(row[:least]):
                raise InputError(
                    f"{len(row)} field(s) in {repr(' | '.join(row))[:80]}",
                    expected=f"{least} fields, separated by {'commas' if comma else 'tabs'}: {expected}",
                    mend="complete or remove the line",
                    file=path,
                    line=reader.line_num,
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(
            f"no sound table ({error})",
            expected=f"a table of {expected}",
            mend="correct the line",
            file=path,
            line=reader.line_num,
        ) from None


def _bare(field: str) -> str:
    """A URI without the angle brackets that N-Triples has it in."""
    return field[1:-1] if len(field) > 2 and field[0] == "<" and field[-1] == ">" else field

"""Text tables to arrays, fast where a file is sound, exact about the line where it is not."""

from pathlib import Path

import numpy as np

from mmea_jax.data.bounds import read_within
from mmea_jax.errors import InputError

# What int() takes and no id should hold: '1_000' is a name, not a number.
_NOT_IN_NUMBERS = b"_"
# Memory that the lines and fields of a file take while it is read, in units of its size.
TIMES = 20
_LARGEST = np.iinfo(np.int64).max


def read_bytes(path: Path, expected: str) -> bytes:
    """The content of a required file.

    Raises:
      InputError: the file is missing, cannot be read, or holds nothing but blanks.
    """
    try:
        content = read_within(path, TIMES)
    except OSError as error:
        there = ", ".join(sorted(p.name for p in path.parent.glob("*"))) or "nothing"
        raise InputError(
            f"no readable file ({error.strerror}); the folder holds {there}",
            expected=expected,
            mend=f"put {path.name} there, or choose another folder with --config.data.root",
            file=path,
        ) from None
    if not content.strip():
        raise InputError("an empty file", expected=expected, mend=f"restore {path.name}", file=path)
    return content


def read_integers(path: Path, columns: str) -> np.ndarray:
    """int64[n, fields] of a required file of whitespace-separated integers; blank lines are skipped.

    Args:
      path: the file.
      columns: the names of the columns, such as ``'head relation tail'``.

    Raises:
      InputError: the file is missing or empty, a line has another number of fields, or one is no integer.
    """
    content = read_bytes(path, f"lines of {len(columns.split())} integers: {columns}")
    return parse_integers(path, content, columns)


def parse_integers(path: Path, content: bytes, columns: str) -> np.ndarray:
    """What ``read_integers`` gives, of content that was read already.

    Raises:
      InputError: a line has another number of fields, or one is no integer.
    """
    fields = len(columns.split())
    rows = [row for row in map(bytes.split, content.split(b"\n")) if row]
    if set(map(len, rows)) <= {fields} and _NOT_IN_NUMBERS not in content:
        try:
            return np.array([int(field) for row in rows for field in row], np.int64).reshape(-1, fields)
        except (ValueError, OverflowError):
            pass  # the search below says where
    raise _first_bad_line(path, content, columns)


def read_names(path: Path) -> tuple[np.ndarray, list[str]]:
    """``(int64[n] ids, n names)`` of a required file of ``id<TAB>name`` lines; blank lines are skipped.

    Raises:
      InputError: the file is missing or empty, is not UTF-8, or a line is no such pair.
    """
    expected = "id<TAB>name"
    text = decode(path, read_bytes(path, f"lines of {expected}"))
    identifiers, names = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.rstrip("\r")
        if not line.strip():
            continue
        identifier, tab, name = line.partition("\t")
        if not tab or not name:
            raise InputError(
                f"{line[:80]!r}",
                expected=expected,
                mend="complete the line, with a tab between id and name",
                file=path,
                line=number,
            )
        if not is_integer(identifier):
            raise InputError(
                f"id {identifier[:40]!r}",
                expected=f"{expected} with an integer id",
                mend="number the entities or relations, and use these numbers in the other files",
                file=path,
                line=number,
            )
        identifiers.append(int(identifier))
        names.append(name)
    return np.array(identifiers, np.int64), names


def decode(path: Path, content: bytes) -> str:
    """The file's text.

    Raises:
      InputError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"bytes that are not UTF-8 ({error.reason})",
            expected="UTF-8 text",
            mend="save the file as UTF-8",
            file=path,
            line=content.count(b"\n", 0, error.start) + 1,
        ) from None


def is_integer(field: str | bytes) -> bool:
    """Whether the field is an integer of 64 bits in plain decimal digits."""
    try:
        # The length guard keeps int() from its own limit on digits, which raises another error.
        return field.isascii() and len(field) < 32 and abs(_plain_int(field)) <= _LARGEST
    except ValueError:
        return False


def line_of(path: Path, row: int) -> int:
    """The 1-based line of the file that became the 0-based ``row`` of its table."""
    filled = (number for number, line in enumerate(path.read_bytes().split(b"\n"), 1) if line.strip())
    return next(number for position, number in enumerate(filled) if position == row)


def _plain_int(field: str | bytes) -> int:
    if "_" in (field if isinstance(field, str) else field.decode()):
        raise ValueError
    return int(field)


def _first_bad_line(path: Path, content: bytes, columns: str) -> InputError:
    fields = len(columns.split())
    for number, line in enumerate(content.split(b"\n"), start=1):
        row = line.split()
        shown = line.strip().decode("utf-8", "replace")[:80]
        if row and len(row) != fields:
            return InputError(
                f"{len(row)} field(s) in {shown!r}",
                expected=f"{fields} fields: {columns}",
                mend="complete or remove the line",
                file=path,
                line=number,
            )
        for field in row:
            if not is_integer(field):
                return InputError(
                    f"{field.decode('utf-8', 'replace')[:40]!r} in {shown!r}",
                    expected=f"integers: {columns}",
                    mend="write the ids that the entity and relation files declare",
                    file=path,
                    line=number,
                )
    raise AssertionError(f"{path}: the fast parser refused a sound file")

"""The one exception that a user's input may cause, and how it reads."""

import difflib
import itertools
from collections.abc import Iterable
from os import PathLike

_COMPARED = 50_000


class InputError(ValueError):
    """Bad input or configuration; the command line prints it and exits with code 2.

    Args:
      found: what is wrong, as it was found.
      expected: what would have been right.
      mend: what the user can do about it.
      file: the file at fault, if one is.
      line: its 1-based line, if one is.
    """

    def __init__(
        self,
        found: str,
        *,
        expected: str,
        mend: str,
        file: str | PathLike | None = None,
        line: int | None = None,
    ):
        self.found, self.expected, self.mend = found, expected, mend
        self.file, self.line = file, line
        where = "" if file is None else f"{file}:{line}: " if line is not None else f"{file}: "
        super().__init__(f"{where}found {found}; expected {expected}. To mend it: {mend}.")


def closest(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt word: `` (did you mean 'x'?)`` or an empty string."""
    # Of millions of names the comparison would take minutes.
    near = difflib.get_close_matches(word, itertools.islice(known, _COMPARED), n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""

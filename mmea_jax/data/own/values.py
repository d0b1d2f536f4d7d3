"""Literals as comparable words: numbers and dates by their value, short texts as they are."""

import datetime
import math
import re

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_DATE = re.compile(r"(-?\d{4,5})-(\d{2})-(\d{2})(T.*)?(Z|[+-]\d\d:\d\d)?")
_YEAR_MONTH = re.compile(r"(-?\d{4,5})-(\d{2})(Z|[+-]\d\d:\d\d)?")
_SPACES = re.compile(r"\s+")
_XSD = "http://www.w3.org/2001/XMLSchema#"
# Integers that may well be years.
_YEARS = (1000, 2100)
# A longer text is prose: its words say more than that it equals another.
_LONGEST = 64
MARKS = ("number ", "about ", "date ", "month ", "year ", "text ")


def value_words(lexical: str, datatype: str = "") -> tuple[str, ...]:
    """Words that two literals share where their values agree, however they are written.

    A number gives its four leading digits and, coarser, its two; a date gives day, month and year, and an
    integer that may be a year that year; a short text itself, in lower case.

    Args:
      lexical: the literal as it is written.
      datatype: its URI, empty for none.

    Returns:
      None to three words, each of which begins with one of ``MARKS``.
    """
    text = lexical.strip()
    found = _date(text, datatype) or _number(text, datatype)
    if found or not text or len(text) > _LONGEST:
        return found
    return ("text " + _SPACES.sub(" ", text).casefold(),)


def is_value_word(word: str) -> bool:
    """Whether a word of the attribute bag is a value rather than an attribute's name."""
    return word.startswith(MARKS)


def _number(text: str, datatype: str) -> tuple[str, ...]:
    if not _NUMBER.fullmatch(text):
        return ()
    value = float(text)
    if not math.isfinite(value):
        return ()
    words = (f"number {_plain(value, 4)}", f"about {_plain(value, 2)}")
    whole = value.is_integer() and _YEARS[0] <= value <= _YEARS[1]
    is_year = datatype.endswith("#gYear") or (whole and "." not in text and "e" not in text.lower())
    return (*words, f"year {int(value)}") if is_year and whole else words


def _plain(value: float, digits: int) -> str:
    # + 0.0 turns −0 into 0.
    return f"{float(f'{value:.{digits - 1}e}') + 0.0:g}"


def _date(text: str, datatype: str) -> tuple[str, ...]:
    if match := _DATE.fullmatch(text):
        year, month, day = (int(part) for part in match.groups()[:3])
        if not _is_day(year, month, day):
            return ()
        # Of a year alone many data sets make its first of January.
        if datatype == f"{_XSD}gYear":
            return (f"year {year}",)
        return (f"date {year}-{month:02}-{day:02}", f"month {year}-{month:02}", f"year {year}")
    if (match := _YEAR_MONTH.fullmatch(text)) and 1 <= int(match[2]) <= 12:
        return (f"month {int(match[1])}-{match[2]}", f"year {int(match[1])}")
    return ()


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        # A leap year stands for years that datetime has not.
        datetime.date(year if 1 <= year <= 9999 else 2000, month, day)
    except ValueError:
        return False
    return True

"""Literals that mean the same share a word, however they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmea_jax.data.own.values import is_value_word, value_words

XSD = "http://www.w3.org/2001/XMLSchema#"


@pytest.mark.parametrize(
    ("one", "two", "shared"),
    [
        ("1961-08-04", "1961-08-04T00:00:00Z", "date 1961-08-04"),
        ("1961-08-04", "1961", "year 1961"),
        ("1961-08", "1961-08-30", "month 1961-08"),
        ("12345", "1.2345e4", "number 1.234e+04"),
        ("54.204", "54.2", "about 54"),
        ("-0.0", "0", "number 0"),
        ("Ulm  an der Donau", "ulm an der donau", "text ulm an der donau"),
    ],
)
def test_equal_values_share_a_word(one, two, shared):
    common = set(value_words(one)) & set(value_words(two))
    assert shared in common or any(word.startswith(shared.split()[0]) for word in common)
    assert common


@pytest.mark.parametrize(("one", "two"), [("1961-08-04", "1962-08-04"), ("17", "170"), ("red", "blue")])
def test_other_values_share_none(one, two):
    assert not set(value_words(one)) & set(value_words(two))


def test_a_first_of_january_that_is_typed_as_a_year_is_no_day():
    assert value_words("1961-01-01", f"{XSD}gYear") == ("year 1961",)


@pytest.mark.parametrize("text", ["1961-13-40", "2001-02-30", "", "  ", "x" * 65, "1e999"])
def test_what_is_no_value_gives_no_number_or_date(text):
    assert not [word for word in value_words(text) if not word.startswith("text ")]


@given(st.text(max_size=80))
def test_any_text_gives_marked_words(text):
    assert all(is_value_word(word) and "\n" not in word for word in value_words(text))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_the_same_in_every_notation(value):
    assert set(value_words(repr(value))[:2]) == set(value_words(f"{value:.17e}")[:2])

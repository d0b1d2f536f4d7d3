"""Words of names, and the bags that they make."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmea_jax.data.formats import published
from mmea_jax.data.names import char_bag, word_bag, words_of
from mmea_jax.errors import InputError

words = st.lists(st.lists(st.text("abc", max_size=4), max_size=3), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("http://dbpedia.org/resource/Kim_Dae-jung", ["kim", "dae", "jung"]),
        ("http://zh.dbpedia.org/resource/民族陣線_(法國)", ["民族陣線", "法國"]),
        ("http://dbpedia.org/resource/Z%C3%BCrich", ["zürich"]),
        ("plain Name", ["plain", "name"]),
        ("/m/010016", ["010016"]),
        ("http://a/()", []),
    ],
)
def test_words_of(name, expected):
    assert words_of(name) == expected


@given(words)
def test_bags_have_rows_of_length_one_and_equal_names_equal_rows(drawn):
    doubled = [*drawn, *drawn]
    for bag in (char_bag(doubled), word_bag(doubled)):
        rows = bag.matrix().toarray()
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), bag.present.astype(float), rtol=1e-5)
        np.testing.assert_allclose(rows[: len(drawn)], rows[len(drawn) :], rtol=1e-6)
        assert list(bag.vocabulary) == sorted(set(bag.vocabulary))


def test_char_bag_counts_bigrams_within_words():
    bag = char_bag([["anan", "no"], ["a"], []])
    assert bag.vocabulary == ("an", "na", "no")
    np.testing.assert_allclose(bag.matrix().toarray()[0], np.array([2, 1, 1]) / np.sqrt(6), rtol=1e-6)
    assert bag.present.tolist() == [True, False, False]


def test_word_bag_keeps_shared_words_and_favours_rare_ones():
    bag = word_bag([["red", "apple"], ["red", "apple"], ["red", "pear"], ["stone"]])
    assert bag.vocabulary == ("apple", "red")
    apple, red = bag.matrix().toarray()[0]
    np.testing.assert_allclose(apple / red, np.sqrt(3 / 2), rtol=1e-6)
    assert bag.present.tolist() == [True, True, True, False]


def test_words_come_from_the_entity_names_where_nothing_is_translated(tiny):
    bags = published.read(tiny.folder, "Tiny/a_b", ("name", "char")).modalities
    assert bags["name"].vocabulary == ("apple", "green", "pear", "red", "tree")
    assert bags["name"].present.tolist() == [True] * 6 + [False] * 2


def test_translated_names_take_precedence(tiny):
    tiny.write("../translated_ent_name/dbp_a_b.json", json.dumps([[0, ["Blue", "Sky"]], [3, ["blue"]]]))
    bags = published.read(tiny.folder, "Tiny/a_b", ("name", "char")).modalities
    assert bags["name"].vocabulary == ("blue",)
    assert np.flatnonzero(bags["char"].present).tolist() == [0, 3]


BAD = {
    "no JSON": ('[\n[0, ["a"]],\n[1 ["b"]]]', 3, "no JSON", "restore the file"),
    "no list": ("{}", None, "a dict", "restore the file"),
    "no words": ('[[0, "red"]]', None, '[0, "red"] (entry 1)', "restore the entry"),
    "no id": ('[[0, ["a"]], ["0", ["a"]]]', None, "(entry 2)", "restore the entry"),
    "a stranger": ('[[7, ["a"]]]', None, "id 7 that is no entity", "remove the entry"),
    "a repeat": ('[[0, ["a"]], [0, ["a"]]]', None, "id 0 a second time", "remove the entry"),
    "not UTF-8": (b'[[0, ["\xff"]]]', None, "not UTF-8", "save the file as UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_translations_are_named(tiny, case):
    content, line, found, mend = BAD[case]
    path = tiny.write("../translated_ent_name/dbp_a_b.json", content)
    with pytest.raises(InputError, match=re.escape(found)) as error:
        published.read(tiny.folder, "Tiny/a_b", ("name",))
    assert error.value.file.resolve() == path.resolve()
    assert error.value.line == line
    assert mend in error.value.mend

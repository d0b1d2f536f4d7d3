"""Matching of attributes and what is told of them; NumPy only."""

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from mmea_jax.data import DataOptions, SyntheticOptions
from mmea_jax.encoders.abstract_text import (
    MOST,
    abstract_prompt,
    linked_examples,
    match_prompt,
    phrases,
    template,
    told_labels,
)
from mmea_jax.encoders.attribute_matching import common_vocabulary, examples, label_weights
from mmea_jax.encoders.attribute_scores import agreement, scores, trigrams
from mmea_jax.encoders.attribute_tables import AttributeTables, attribute_words, read_tables, summed
from mmea_jax.errors import InputError
from tests.data.test_named import FILES

WORDS = ("birth date", "date of birth", "population", "inhabitants", "name", "only one", "height")
# The meanings that an encoder would give: the first two and the next two mean nearly the same.
MEANINGS = np.eye(7, dtype=np.float32)
MEANINGS[1] = 0.95 * MEANINGS[0] + np.sqrt(1 - 0.95**2) * MEANINGS[1]
MEANINGS[3] = 0.95 * MEANINGS[2] + np.sqrt(1 - 0.95**2) * MEANINGS[3]


def world(pairs=40, noise=0.0, seed=0):
    """People and towns in two graphs that name attributes their own way; entity i and pairs + i are one."""
    rng = np.random.default_rng(seed)
    town = np.arange(pairs) % 2 == 1
    owns = np.zeros((2 * pairs, len(WORDS)), np.float32)
    owns[:pairs, 0], owns[pairs:, 1] = ~town, ~town
    owns[:pairs, 2], owns[pairs:, 3] = town, town
    owns[:, 4] = 1
    owns[0, 5] = 1
    owns[rng.random(owns.shape) < noise] = 0
    train = np.stack([np.arange(pairs), pairs + np.arange(pairs)], axis=1)[: pairs // 2]
    side = np.repeat(np.array([0, 1], np.int8), pairs)
    return AttributeTables(sparse.csr_array(owns), WORDS, side, train, {(1, 2): 2837021.0, (0, 0): np.nan})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("http://dbpedia.org/property/birthDate", "birth date"),
        ("http://rdf.freebase.com/ns/topic_server.population_number", "population number"),
        ("http://xmlns.com/foaf/0.1/name", "name"),
        ("http://www.w3.org/2000/01/rdf-schema#label", "label"),
        ("<http://x/p/%E4%BA%BA%E5%8F%A3>", "人口"),
        ("height", "height"),
        ("!!", "!!"),
    ],
)
def test_attribute_names_in_words(name, words):
    assert attribute_words(name) == words


@given(st.lists(st.text(alphabet="abc d", min_size=1, max_size=8), min_size=2, max_size=6, unique=True))
@settings(deadline=None)
def test_letters_compare_names_whatever_their_order(words):
    rows = trigrams(words).toarray()
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    backwards = trigrams(words[::-1]).toarray()[::-1]
    np.testing.assert_allclose(rows @ rows.T, backwards @ backwards.T, atol=1e-5)


def test_scores_agree_with_a_slow_count():
    rng = np.random.default_rng(1)
    owns = (rng.random((60, 7)) < 0.4).astype(np.float32)
    links = np.stack([rng.permutation(30)[:25], 30 + rng.permutation(30)[:25]], axis=1)
    meanings = rng.standard_normal((7, 5)).astype(np.float32)
    meanings /= np.linalg.norm(meanings, axis=1, keepdims=True)
    letters = trigrams(WORDS)
    linked = agreement(sparse.csr_array(owns), links)
    one, two = np.array([0, 2, 5]), np.array([1, 3, 4, 6])
    found = np.concatenate([block for _, block in scores(one, two, letters, meanings, linked)])
    for i, a in enumerate(one):
        for j, b in enumerate(two):
            named = (letters.toarray()[a] @ letters.toarray()[b] + meanings[a] @ meanings[b]) / 2
            first, second = owns[links[:, 0], a].sum(), owns[links[:, 1], b].sum()
            both = (owns[links[:, 0], a] * owns[links[:, 1], b]).sum()
            weight = 0.5 if min(first, second) >= 5 else 0.0
            expected = (1 - weight) * named + weight * 2 * both / (first + second + 2)
            assert found[i, j] == pytest.approx(expected, abs=1e-5)


def test_what_means_the_same_and_is_owned_by_the_same_gets_one_label():
    vocabulary = common_vocabulary(world(), MEANINGS, None)
    label = vocabulary.label
    assert label[0] == label[1]
    assert label[2] == label[3]
    assert len(set(label[[0, 2, 4, 5]].tolist())) == 4
    assert set(vocabulary.matched) == {("birth date", "date of birth"), ("population", "inhabitants")}
    assert vocabulary.asked == 0


def test_test_links_change_nothing():
    tables = world(noise=0.2)
    assert len(tables.train) == 20

    def with_counterparts(first, last):
        """KG 2's entities of this range in reverse order."""
        owns = tables.owns.toarray()
        owns[first:last] = owns[first:last][::-1]
        return dataclasses.replace(tables, owns=sparse.csr_array(owns))

    tests, seeds = with_counterparts(60, 80), with_counterparts(40, 60)
    one, two = (common_vocabulary(t, MEANINGS, None) for t in (tables, tests))
    np.testing.assert_array_equal(one.label, two.label)
    np.testing.assert_array_equal(one.weight, two.weight)
    assert not np.array_equal(one.weight, common_vocabulary(seeds, MEANINGS, None).weight)


def test_labels_that_tell_nothing_are_filtered_out():
    tables = world()
    weight = label_weights(tables, np.arange(7), 7)
    # Unmatched ones are known on one side only, and 'name' is owned by everyone.
    assert (weight == 0).all()
    weight = common_vocabulary(tables, MEANINGS, None).weight
    assert (weight > 0).sum() == 2
    # Where one graph has no attributes at all nothing can be matched; what is not too rare stays.
    owns = tables.owns.toarray()
    owns[40:] = 0
    alone = AttributeTables(sparse.csr_array(owns), WORDS, tables.side, tables.train, {})
    weight = label_weights(alone, np.arange(7), 7)
    assert (weight > 0).tolist() == [True, False, True, False, True, False, False]


def test_a_label_that_links_contradict_is_filtered_out():
    pairs = 40
    rng = np.random.default_rng(0)
    owns = np.zeros((2 * pairs, 2), np.float32)
    owns[:pairs:2, 0] = 1  # of linked entities never both
    owns[pairs + 1 :: 2, 0] = 1
    owns[:, 1] = np.tile(rng.random(pairs) < 0.5, 2)
    train = np.stack([np.arange(pairs), pairs + np.arange(pairs)], axis=1)
    tables = AttributeTables(sparse.csr_array(owns), ("a", "b"), np.repeat(np.int8([0, 1]), pairs), train, {})
    weight = label_weights(tables, np.arange(2), 2)
    assert weight[0] == 0 < weight[1]


def test_a_judge_decides_on_what_is_in_doubt():
    tables = world()
    asked = []

    def judge(shown, pairs):
        asked.append((shown, pairs))
        return [False] * len(pairs)

    # Letters have nothing in common, and meanings little: the pair is in doubt for want of either.
    meanings = MEANINGS.copy()
    meanings[3] = 0
    meanings[3, 2:4] = 0.5, np.sqrt(0.75)
    sure = ("birth date", "date of birth")
    refused = common_vocabulary(tables, meanings, judge)
    assert refused.asked == 1
    assert refused.matched == (sure,)
    (shown, pairs) = asked[0]
    assert pairs == [("population", "inhabitants")]
    assert shown[0] == (sure, True)
    agreed = common_vocabulary(tables, meanings, lambda shown, pairs: [True] * len(pairs))
    assert agreed.matched == (sure, ("population", "inhabitants"))


def test_examples_are_what_training_links_show():
    tables = world()
    shown = examples(WORDS, agreement(tables.owns, tables.train), [(0, 1)])
    assert shown[0] == (("birth date", "date of birth"), True)
    assert (("birth date", "inhabitants"), False) in shown
    assert not [pair for pair, same in shown if not same and {*pair} <= {"birth date", "date of birth"}]
    nothing = agreement(tables.owns, tables.train[:0])
    assert examples(WORDS, nothing, [(0, 1)]) == []


def test_phrases_and_the_template():
    tables = world()
    vocabulary = common_vocabulary(tables, MEANINGS, None)
    told = told_labels(tables, vocabulary)
    spoken = phrases(tables, vocabulary, told)
    assert spoken[1] == [f"{vocabulary.labels[vocabulary.label[2]]} 2837000"]
    assert spoken[0] == spoken[40] == [vocabulary.labels[vocabulary.label[0]]]
    assert template(["a"]) == "Described by a."
    assert template(["a", "b", "c"]) == "Described by a, b and c."
    assert template([]) == ""


@given(st.integers(0, 10))
@settings(deadline=None, max_examples=10)
def test_told_labels_are_the_weightiest_own_ones(seed):
    rng = np.random.default_rng(seed)
    owns = (rng.random((20, 60)) < 0.7).astype(np.float32)
    side = np.repeat(np.int8([0, 1]), 10)
    train = np.stack([np.arange(10), 10 + np.arange(10)], axis=1)
    tables = AttributeTables(sparse.csr_array(owns), tuple(map(str, range(60))), side, train, {})
    vocabulary = common_vocabulary(tables, np.eye(60, dtype=np.float32), None)
    for own, labels in zip(owns, told_labels(tables, vocabulary), strict=True):
        has = {int(vocabulary.label[a]) for a in np.flatnonzero(own)}
        has = {label for label in has if vocabulary.weight[label] > 0}
        assert set(labels) <= has
        assert len(labels) == min(len(has), MOST)
        weights = vocabulary.weight[labels]
        assert (np.diff(weights) <= 0).all()
        left = vocabulary.weight[list(has - set(labels))]
        assert not len(left) or left.max() <= weights.min()


def test_prompts_show_training_pairs_and_end_with_the_question():
    tables = world()
    vocabulary = common_vocabulary(tables, MEANINGS, None)
    told = told_labels(tables, vocabulary)
    spoken = phrases(tables, vocabulary, told)
    shown = linked_examples(told, spoken, tables.train)
    assert len(shown) == 2
    prompt = abstract_prompt(shown, ["height 1.85"])
    assert prompt.endswith("Attributes: height 1.85\nAbstract:")
    assert prompt.count("Abstract: Described by") == 4
    assert linked_examples(told, spoken, tables.train[:0]) == []
    asked = match_prompt([(("a", "b"), True), (("c", "d"), False)], ("e", "f"))
    assert asked.endswith("a | b -> yes\nc | d -> no\ne | f ->")


def test_columns_of_like_words_are_summed():
    owns = sparse.csr_array(np.array([[1, 1, 0], [0, 0, 1.0]]))
    assert summed(owns, np.array([1, 1, 0]), 2).toarray().tolist() == [[0, 1], [1, 0]]


def test_attributes_and_numbers_are_read(tiny):
    tiny.write("numerical_triples_1", "0\ttaste\t2.5\n0\ttaste\t3\n8\tunknown\t1\n\n")
    _, tables = read_tables(tiny.options())
    assert set(tables.words) == {"colour", "taste", "weight", "size"}
    assert tables.values == {(0, tables.words.index("taste")): 2.5}
    assert tables.train.tolist() == [[0, 1]]
    assert tables.owns.toarray()[1].sum() == 2


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("0\ttaste\n", "numerical_triples_1:1"),
        ("1\ttaste\t2\n", "entity id 1"),
        ("0\ttaste\ta\n", "'0.taste.a'"),
    ],
)
def test_bad_numbers_are_named(tiny, line, found):
    tiny.write("numerical_triples_1", line)
    with pytest.raises(InputError, match=found.replace(".", r"\S*")):
        read_tables(tiny.options())


def test_attributes_of_the_layout_by_names_are_read(tmp_path):
    folder = tmp_path / "Tiny" / "named"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    options = DataOptions("Tiny/named", tmp_path, split="721_5fold/1", valid_ratio=0, visual="none")
    kgs, tables = read_tables(options)
    weight = tables.words.index("weight")
    assert tables.values == {(kgs.entity_names.index("a/Axe"), weight): 3.5}
    # Vectors that come with the data set take the place of the names in training, not here.
    for side, names in ((1, ["a/Red", "a/Axe"]), (2, ["b/Red"])):
        vectors = {name: np.ones((1, 4), np.float32) for name in names}
        (folder / f"bert_attr_{side}.pkl").write_bytes(pickle.dumps(vectors))
    _, again = read_tables(options)
    assert again.words == tables.words
    assert (again.owns != tables.owns).nnz == 0
    assert again.values == tables.values


def test_a_data_set_without_attributes_is_refused(tiny):
    for side in (1, 2):
        tiny.write(f"training_attrs_{side}", "")
    with pytest.raises(InputError, match="no attributes in"):
        read_tables(tiny.options())


def test_the_generated_attributes_are_read():
    _, tables = read_tables(DataOptions(synthetic=SyntheticOptions(entities=40)))
    assert tables.owns.shape[0] == 80
    assert len(tables.train)

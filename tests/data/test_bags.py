"""Bags against counting by hand."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmea_jax.data.bags import attribute_bag, bag_from_counts, most_frequent, normalised, relation_bag

N, R = 7, 5
NAMES = [f"r{r}" for r in range(R)]
triples = st.lists(
    st.tuples(st.integers(0, N - 1), st.integers(0, R - 1), st.integers(0, N - 1)), unique=True, min_size=1
).map(lambda rows: np.array(rows, np.int32))
pairs = st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, R - 1))).map(
    lambda rows: np.array(rows, np.int32).reshape(-1, 2)
)


def assert_sound(bag):
    assert bag.offsets.dtype == np.int64
    assert bag.columns.dtype == np.int32
    assert bag.values.dtype == np.float32
    assert bag.offsets[0] == 0
    assert bag.offsets[-1] == len(bag.columns) == len(bag.values)
    lengths = np.diff(bag.offsets)
    np.testing.assert_array_equal(bag.present, lengths > 0)
    for start, end in zip(bag.offsets[:-1], bag.offsets[1:], strict=True):
        assert (np.diff(bag.columns[start:end]) > 0).all()


@given(triples, st.integers(1, R))
def test_relation_rows_sum_to_the_triples_an_entity_is_in(rows, width):
    bag = relation_bag(rows, N, NAMES, width)
    assert_sound(bag)
    kept = {NAMES.index(word) for word in bag.vocabulary}
    expected = Counter(e for h, r, t in rows.tolist() for e in (h, t) if r in kept)
    assert bag.matrix().sum(axis=1).tolist() == [expected[e] for e in range(N)]


@given(triples, st.integers(1, R))
def test_relations_kept_are_the_most_common(rows, width):
    # Counter.most_common breaks ties by first appearance, as the published features do.
    common = Counter(rows[:, 1].tolist()).most_common(width)
    bag = relation_bag(rows, N, NAMES, width)
    assert bag.vocabulary == tuple(NAMES[r] for r, _ in common)
    assert bag.matrix().sum(axis=0).tolist() == [2 * count for _, count in common]


@given(pairs, st.integers(1, R))
def test_attributes_are_zero_or_one_whatever_repeats(cells, width):
    bag = attribute_bag(cells[:, 0], cells[:, 1], N, NAMES, width)
    assert_sound(bag)
    assert set(bag.values.tolist()) <= {1.0}
    distinct = Counter(a for _, a in dict.fromkeys(map(tuple, cells.tolist())))
    assert bag.vocabulary == tuple(NAMES[a] for a, _ in distinct.most_common(width))


def test_ties_go_to_the_first_seen():
    assert most_frequent(np.array([3, 1, 1, 3, 0, 2]), 5, 3).tolist() == [3, 1, 0]


def test_entries_of_one_cell_add_up_and_zeros_go():
    bag = bag_from_counts(np.array([1, 1, 2]), np.array([1, 1, 0]), np.array([1, 2, 0]), 3, ["a", "b"])
    assert_sound(bag)
    assert bag.matrix().toarray().tolist() == [[0, 0], [0, 3], [0, 0]]


@settings(max_examples=50)
@given(hnp.arrays(np.float32, (4, 3), elements=st.sampled_from([0.0, 0.5, 1.0, 30.0])))
def test_normalised_rows_have_length_one_or_none(dense):
    rows, columns = np.nonzero(dense)
    bag = normalised(bag_from_counts(rows, columns, dense[rows, columns], 4, ["a", "b", "c"]))
    lengths = np.linalg.norm(bag.matrix().toarray(), axis=1)
    np.testing.assert_allclose(lengths, bag.present.astype(float), rtol=1e-6)
    np.testing.assert_array_equal(bag.present, dense.any(axis=1))

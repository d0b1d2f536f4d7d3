"""Bags that also hold what neighbours hold, against sums by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.data import DataOptions, load
from mmea_jax.data.bags import bag_from_counts
from mmea_jax.data.knowledge_graphs import KnowledgeGraphs
from mmea_jax.data.neighbourhood import with_neighbours
from mmea_jax.data.options import SyntheticOptions
from mmea_jax.errors import InputError


def graphs(n: int, triples) -> KnowledgeGraphs:
    return KnowledgeGraphs(
        name="small",
        entity_ids=np.arange(n),
        entity_names=tuple("abcdefgh"[:n]),
        words=("",) * n,
        side=np.zeros(n, np.int8),
        triples=np.asarray(triples, np.int32).reshape(-1, 3),
        relation_names=("r",),
        links=np.zeros((0, 2), np.int32),
        modalities={},
    )


def by_hand(counts: np.ndarray, triples) -> np.ndarray:
    n, width = counts.shape
    logs = np.log1p(counts)
    around = np.zeros((n, width))
    for i in range(n):
        neighbours = {t for h, _, t in triples if h == i} | {h for h, _, t in triples if t == i}
        for j in neighbours - {i}:
            around[i] += logs[j] / max(logs[j].sum(), 1e-30)
    lengths = [np.linalg.norm(half, axis=1, keepdims=True) for half in (logs, around)]
    return np.hstack([h / np.where(k > 0, k, 1) for h, k in zip((logs, around), lengths, strict=True)])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_agrees_with_sums_by_hand(data):
    n, width = 6, 4
    counts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n * width, max_size=n * width)))
    counts = counts.reshape(n, width)
    end = st.integers(0, n - 1)
    triples = data.draw(st.lists(st.tuples(end, st.just(0), end), max_size=10))
    rows, columns = np.nonzero(counts)
    bag = bag_from_counts(rows, columns, counts[rows, columns], n, "wxyz")
    found = with_neighbours(bag, graphs(n, triples))
    expected = by_hand(counts, triples)
    np.testing.assert_allclose(found.matrix().toarray(), expected, atol=1e-6)
    np.testing.assert_array_equal(found.present, expected.any(axis=1))
    assert found.vocabulary == (*"wxyz", *(f"neighbour: {w}" for w in "wxyz"))


def test_a_missing_row_is_not_seen_by_way_of_the_neighbours():
    options = DataOptions(
        synthetic=SyntheticOptions(entities=80), neighbours=("attribute",), missing={"attribute": 0.1}
    )
    kgs, _ = load(options)
    plain, _ = load(dataclasses.replace(options, neighbours=()))
    width = plain.modalities["attribute"].width
    rows = kgs.modalities["attribute"].matrix().toarray()
    kept = plain.modalities["attribute"].present
    np.testing.assert_array_equal(rows[:, :width].any(axis=1), kept)
    # Words that only missing rows hold are in no neighbour's half either.
    gone = ~plain.modalities["attribute"].matrix().toarray().any(axis=0)
    assert not rows[:, width:][:, gone].any()
    assert rows[:, width:].any()


def test_only_bags_can_have_neighbours():
    with pytest.raises(InputError, match=r"data\.neighbours.*one of relation, attribute, name, char"):
        load(DataOptions(neighbours=("visual",)))

"""The edge list against its definition."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmea_jax.data import KnowledgeGraphs
from mmea_jax.data.structure import degrees, edges

N = 6
triples = st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, 2), st.integers(0, N - 1)), unique=True)


def _graphs(rows):
    return KnowledgeGraphs(
        name="drawn",
        entity_ids=np.arange(N),
        entity_names=tuple("abcdef"),
        words=tuple("abcdef"),
        side=np.zeros(N, np.int8),
        triples=np.array(rows, np.int32).reshape(-1, 3),
        relation_names=("r",) * 3,
        links=np.zeros((0, 2), np.int32),
        modalities={},
    )


@given(triples)
def test_edges_are_both_directions_and_self_loops_sorted_without_repeats(rows):
    receivers, senders = edges(_graphs(rows))
    expected = {(e, e) for e in range(N)} | {pair for h, _, t in rows for pair in ((h, t), (t, h))}
    assert list(zip(receivers.tolist(), senders.tolist(), strict=True)) == sorted(expected)
    assert receivers.dtype == senders.dtype == np.int32


@given(triples)
def test_degrees_count_other_entities(rows):
    neighbours = {e: {a + b - e for a, _, b in rows if e in (a, b) and a != b} for e in range(N)}
    assert degrees(_graphs(rows)).tolist() == [len(neighbours[e]) for e in range(N)]

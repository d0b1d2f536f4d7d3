import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.nn.graph import make_graph

WIDEST = 64


def symmetric_edges(pairs, num_entities):
    """Sorted distinct (receiver, sender) of both directions of ``pairs`` and the self-loops."""
    loops = np.repeat(np.arange(num_entities)[:, None], 2, axis=1)
    pairs = np.concatenate([np.reshape(pairs, (-1, 2)).astype(int), loops])
    return np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0).T


def star(leaves):
    """Entity 0 has degree ``leaves + 1``, its self-loop included."""
    return symmetric_edges([(0, leaf + 1) for leaf in range(leaves)], leaves + 1)


def rows_of(graph):
    return [*graph.buckets, *([] if graph.long is None else [graph.long])]


def check_layout(graph, receivers, senders):
    """Every edge is in exactly one slot, and each index leads where its field says."""
    num_edges, num_entities = len(receivers), graph.num_entities
    np.testing.assert_array_equal(graph.edges.receivers, receivers)
    np.testing.assert_array_equal(graph.edges.senders, senders)
    np.testing.assert_array_equal(receivers[graph.reverse], senders)
    np.testing.assert_array_equal(senders[graph.reverse], receivers)
    for bucket in rows_of(graph):
        filled = bucket.edges < num_edges
        assert filled.any(axis=1).all(), "a row without an edge"
        owner = np.broadcast_to(bucket.entities[:, None], bucket.edges.shape)
        np.testing.assert_array_equal(receivers[bucket.edges[filled]], owner[filled])
        np.testing.assert_array_equal(senders[bucket.edges[filled]], bucket.neighbours[filled])
        assert (bucket.edges[~filled] == num_edges).all()
        assert (bucket.neighbours[~filled] == 0).all()
    flat = np.concatenate([bucket.edges.reshape(-1) for bucket in rows_of(graph)])
    np.testing.assert_array_equal(np.sort(flat[flat < num_edges]), np.arange(num_edges))
    np.testing.assert_array_equal(flat[graph.slots], np.arange(num_edges))
    owners = [bucket.entities for bucket in graph.buckets]
    if graph.long is not None:
        assert (np.diff(graph.long_segments) >= 0).all()
        of_segment = np.full(graph.num_long, -1)
        of_segment[graph.long_segments] = graph.long.entities
        np.testing.assert_array_equal(of_segment[graph.long_segments], graph.long.entities)
        owners.append(of_segment)
    np.testing.assert_array_equal(np.concatenate(owners)[graph.order], np.arange(num_entities))


@st.composite
def random_edges(draw):
    num_entities = draw(st.integers(1, 90))
    entity = st.integers(0, num_entities - 1)
    pairs = draw(st.lists(st.tuples(entity, entity), max_size=60))
    hubs = draw(st.lists(entity, max_size=2))
    pairs += [(hub, other) for hub in hubs for other in range(num_entities)]
    return num_entities, *symmetric_edges(pairs, num_entities)


@settings(max_examples=60, deadline=None)
@given(random_edges())
def test_layout_of_random_graphs(case):
    num_entities, receivers, senders = case
    graph = make_graph(receivers, senders, num_entities)
    check_layout(graph, receivers, senders)
    degree = np.bincount(receivers)
    assert graph.num_long == np.sum(degree > WIDEST)
    for array in (graph.edges.receivers, graph.edges.senders, graph.reverse, graph.order, graph.slots):
        assert array.dtype == np.int32


@pytest.mark.parametrize("degree", [2, 3, 5, WIDEST, WIDEST + 1, 2 * WIDEST, 2 * WIDEST + 1, 200])
def test_hub_is_cut_into_as_few_rows_as_possible(degree):
    receivers, senders = star(degree - 1)
    graph = make_graph(receivers, senders, degree)
    check_layout(graph, receivers, senders)
    if degree <= WIDEST:
        assert graph.long is None
        assert graph.num_long == 0
    else:
        assert graph.num_long == 1
        assert len(graph.long.entities) == -(-degree // WIDEST)


def test_without_links_each_entity_keeps_its_loop():
    graph = make_graph(np.arange(5), np.arange(5), 5)
    check_layout(graph, np.arange(5), np.arange(5))
    np.testing.assert_array_equal(graph.reverse, np.arange(5))


def test_pair_keys_do_not_overflow():
    # 100,000² exceeds int32; a chain makes the two directions meet far from the start.
    n = 100_000
    receivers, senders = symmetric_edges(np.stack([np.arange(n - 1), np.arange(1, n)], 1), n)
    graph = make_graph(receivers.astype(np.int32), senders.astype(np.int32), n)
    check_layout(graph, receivers, senders)


def test_padding_on_a_power_law_graph_is_a_fifth_at_most():
    rng = np.random.default_rng(0)
    pairs = np.minimum(rng.zipf(1.6, (20_000, 2)) - 1, 4_999)
    pairs = np.where(rng.random((20_000, 2)) < 0.6, rng.integers(0, 5_000, (20_000, 2)), pairs)
    receivers, senders = symmetric_edges(pairs, 5_000)
    graph = make_graph(receivers, senders, 5_000)
    slots = sum(bucket.edges.size for bucket in rows_of(graph))
    assert len(receivers) <= slots <= 1.2 * len(receivers)


@pytest.mark.parametrize(
    ("receivers", "senders", "message"),
    [
        ([0, 1, 0, 1], [0, 1, 1, 0], "sorted"),
        ([0, 0, 1, 1], [1, 0, 0, 1], "sorted"),
        ([0, 0, 0, 1, 1], [0, 1, 1, 0, 1], "distinct"),
        ([0, 0, 1, 1, 2], [0, 1, 0, 2, 2], "not symmetric"),
        ([0, 0, 1, 1, 2, 2], [0, 1, 0, 2, 1, 3], "outside"),
        ([0, 0, 1, 1, 2, 2], [-1, 1, 0, 2, 1, 2], "outside"),
        ([0, 0, 1, 1, 2, 2, 3], [0, 1, 0, 1, 2, 3, 2], "outside"),
        ([0, 0, 1, 1], [0, 1, 0, 1], "self-loop"),
        ([0, 0, 2, 2], [0, 2, 0, 2], "self-loop"),
    ],
)
def test_refuses_a_bad_edge_list(receivers, senders, message):
    with pytest.raises(ValueError, match=message):
        make_graph(np.array(receivers), np.array(senders), 3)


@pytest.mark.parametrize(
    ("receivers", "senders"), [([0, 1, 2, 3], [0, 1, 2, 0]), ([-1, 0, 1, 2], [1, 0, 1, 2]), ([], [])]
)
def test_refuses_receivers_outside_and_no_edges(receivers, senders):
    with pytest.raises(ValueError):
        make_graph(np.array(receivers, int), np.array(senders, int), 3)

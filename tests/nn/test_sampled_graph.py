"""Sampled neighbourhoods: complete where they can be, unbiased where not, and the same attention."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.nn.attention import DiagonalAttention
from mmea_jax.nn.graph import make_graph
from mmea_jax.nn.sampled_graph import SampledGraph, grow, make_sampled

RNG = np.random.default_rng(0)


def graph_of(n: int, edges: int):
    ends = RNG.integers(0, n, (edges, 2))
    ends = np.unique(np.concatenate([ends, ends[:, ::-1], np.repeat(np.arange(n)[:, None], 2, 1)]), axis=0)
    return make_graph(ends[:, 0], ends[:, 1], n)


def on_device(graph):
    return jax.tree.map(jnp.asarray, graph)


def test_few_neighbours_are_all_drawn():
    graph = graph_of(20, 25)
    sampled = on_device(make_sampled(graph, 12))
    found, real = jax.jit(sampled.draw)(jax.random.key(0), jnp.arange(20))
    for entity in range(20):
        expected = graph.edges.senders[graph.edges.receivers == entity]
        drawn = np.asarray(found)[entity][np.asarray(real)[entity]]
        assert drawn[0] == entity
        assert sorted(drawn) == sorted(expected)


def test_of_many_each_is_drawn_at_most_once_and_as_often_as_any_other():
    degree, size = 23, 5
    graph = SampledGraph(jnp.array([0, degree]), jnp.arange(degree) + 1, size)
    keys = jax.random.split(jax.random.key(1), 4000)
    found, real = jax.jit(jax.vmap(lambda key: graph.draw(key, jnp.zeros(1, jnp.int32))))(keys)
    found = np.asarray(found)[:, 0]
    assert real.all()
    assert (found[:, 0] == 0).all()
    assert all(len(set(row)) == size + 1 for row in found)
    # Stretches differ in length by one, and so do the chances.
    frequency = np.bincount(found[:, 1:].ravel(), minlength=degree + 1)[1:] / len(keys)
    lengths = np.diff(np.arange(size + 1) * degree // size)
    np.testing.assert_allclose(frequency, np.repeat(1 / lengths, lengths), atol=0.03)


def test_an_entity_without_neighbours_has_itself():
    graph = on_device(make_sampled(make_graph(np.arange(3), np.arange(3), 3), 2))
    found, real = graph.draw(jax.random.key(0), jnp.array([2]))
    np.testing.assert_array_equal(real, [[True, False, False]])
    assert found[0, 0] == 2


@pytest.mark.parametrize("layers", [1, 2])
def test_attention_over_all_neighbours_is_that_of_the_whole_graph(layers):
    n = 30
    graph = graph_of(n, 40)
    encoder = DiagonalAttention(layers=layers, heads=2)
    x = RNG.normal(size=(n, 6)).astype(np.float32)
    params = encoder.init(jax.random.key(0), graph, x)
    params = jax.tree.map(lambda p: p + 0.3 * RNG.normal(size=p.shape).astype(np.float32), params)
    entities = jnp.array([4, 0, 29, 4, -1])
    sampled = on_device(make_sampled(graph, int(np.bincount(graph.edges.receivers).max())))

    def of_tree(params, x):
        return encoder.apply(params, grow(sampled, jax.random.key(2), entities, layers), x)

    def of_graph(params, x):
        return encoder.apply(params, graph, x)[jnp.maximum(entities, 0)]

    def value_and_gradient(function):
        return jax.jit(jax.value_and_grad(lambda p, x: jnp.sum(jnp.sin(function(p, x))), argnums=(0, 1)))

    for one, other in zip(
        jax.tree.leaves(value_and_gradient(of_graph)(params, x)),
        jax.tree.leaves(value_and_gradient(of_tree)(params, x)),
        strict=True,
    ):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)


def test_no_neighbour_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        make_sampled(graph_of(4, 3), 0)

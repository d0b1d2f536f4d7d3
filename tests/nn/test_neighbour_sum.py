import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from mmea_jax.nn.graph import make_graph
from mmea_jax.nn.neighbour_sum import neighbour_sum

N = 230


@pytest.fixture(scope="module")
def graph():
    """Hubs of degree 200 and 90 (long rows), a ring, and entities with their loop alone.

    Few distinct degrees, because each bucket of rows is compiled apart.
    """
    pairs = [(3, other) for other in range(3, 203)] + [(120, other) for other in range(120, 209)]
    pairs += [(i, (i + 1) % 220) for i in range(220)]
    pairs += [(i, i) for i in range(N)]
    pairs = np.array(pairs)
    receivers, senders = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0).T
    graph = make_graph(receivers, senders, N)
    assert graph.num_long == 2
    assert len(graph.buckets) == 4
    assert np.bincount(receivers).min() == 1
    return graph


def operands(graph, heads=2, width=7, seed=0):
    rng = np.random.default_rng(seed)
    x, g = rng.standard_normal((2, N, width), np.float32)
    alpha = rng.standard_normal((len(graph.slots), heads), np.float32)
    w = rng.standard_normal((heads, width), np.float32)
    return x, alpha, w, g


def dense(graph, x, alpha, w):
    """The sum by a matrix ``[N, N, H]``."""
    matrix = jnp.zeros((N, N, alpha.shape[1]))
    matrix = matrix.at[graph.edges.receivers, graph.edges.senders].set(alpha)
    return jnp.einsum("ijh,jd,hd->id", matrix, x, w) / len(w)


def value_and_gradients(function, graph, x, alpha, w, g):
    def inner(x, alpha, w):
        out = function(graph, x, alpha, w)
        return jnp.sum(out * g), out

    gradients, out = jax.jit(jax.grad(inner, argnums=(0, 1, 2), has_aux=True))(x, alpha, w)
    return out, *gradients


@pytest.mark.parametrize(("heads", "width"), [(1, 1), (3, 5)])
def test_values_and_gradients_equal_dense(graph, heads, width):
    given = operands(graph, heads, width)
    got = value_and_gradients(neighbour_sum, graph, *given)
    expected = value_and_gradients(dense, graph, *given)
    for ours, oracle in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, oracle, rtol=1e-5, atol=1e-5 * np.abs(oracle).max())


@pytest.fixture(scope="module")
def whole(graph):
    """The result where each bucket is reduced at once."""
    graph = dataclasses.replace(graph, slots_at_once=1 << 20)
    return value_and_gradients(neighbour_sum, graph, *operands(graph))


@pytest.mark.parametrize("slots_at_once", [1, 193])
def test_chunks_do_not_change_the_result(graph, whole, slots_at_once):
    given = operands(graph)
    parts = value_and_gradients(
        neighbour_sum, dataclasses.replace(graph, slots_at_once=slots_at_once), *given
    )
    for part, expected in zip(parts, whole, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-5, atol=1e-5)


def test_attention_as_matrix(graph):
    """With a softmax over neighbours the sum is a row-stochastic matrix times ``x``."""
    x, scores, _, _ = operands(graph, heads=1)
    matrix = np.full((N, N), -np.inf)
    matrix[graph.edges.receivers, graph.edges.senders] = scores[:, 0]
    matrix = special.softmax(matrix, axis=1)
    alpha = matrix[graph.edges.receivers, graph.edges.senders][:, None].astype(np.float32)
    out = jax.jit(neighbour_sum)(graph, x, alpha, np.ones((1, x.shape[1]), np.float32))
    np.testing.assert_allclose(out, matrix @ x, rtol=1e-5, atol=1e-5)
    alone = np.bincount(graph.edges.receivers) == 1
    np.testing.assert_allclose(out[alone], x[alone], rtol=1e-6)


def test_nothing_leaks_between_entities(graph):
    """An entity reaches its own neighbours only; padding slots read entity 0 and must add nothing."""
    x, alpha, w, _ = operands(graph)
    total = jax.jit(neighbour_sum)
    expected = total(graph, x, alpha, w)
    changed = total(graph, np.where(np.arange(N)[:, None] == 0, 1e3, x), alpha, w)
    receivers, senders = graph.edges.receivers, graph.edges.senders
    others = np.setdiff1d(np.arange(N), receivers[senders == 0])
    np.testing.assert_array_equal(changed[others], expected[others])


def test_traces_once_for_a_graph(graph):
    traces = 0

    @jax.jit
    def step(graph, x, alpha, w):
        nonlocal traces
        traces += 1
        return jax.grad(lambda x: jnp.sum(neighbour_sum(graph, x, alpha, w) ** 2))(x)

    for seed in range(3):
        step(graph, *operands(graph, seed=seed)[:3])
    assert traces == 1

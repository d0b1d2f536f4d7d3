from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.nn.attention import DiagonalAttention, GraphConvolution, attention_coefficients, elu
from mmea_jax.nn.graph import make_graph

N, WIDTH, HEADS = 90, 6, 2


@pytest.fixture(scope="module")
def graph():
    """A hub of degree 80, a ring through it, and lone entities at the end."""
    pairs = [(1, i) for i in range(80)] + [(i, (i + 1) % 85) for i in range(85)] + [(i, i) for i in range(N)]
    pairs = np.array(pairs)
    return make_graph(*np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0).T, N)


@pytest.fixture(scope="module")
def connected(graph):
    """bool[N, N]."""
    matrix = np.zeros((N, N), bool)
    matrix[graph.edges.receivers, graph.edges.senders] = True
    return matrix


def dense_attention(connected, x, w, a):
    """One layer as docs/methods/shared.md writes it, head after head."""
    out = 0
    for head in range(len(w)):
        u = x * w[head]
        query, key = u @ a[head, : x.shape[1]], u @ a[head, x.shape[1] :]
        score = jax.nn.leaky_relu(query[:, None] + key[None, :], 0.2)
        attention = jax.nn.softmax(jnp.where(connected, -score, -jnp.inf), axis=1)
        out = out + attention @ u / len(w)
    return out


def dense_encoder(connected, x, params, layers):
    for layer in range(layers):
        x = dense_attention(connected, x, params[f"w_{layer}"], params[f"a_{layer}"])
        x = jax.nn.elu(x) if layer < layers - 1 else x
    return x


def random_params(layers, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {f"w_{i}": (HEADS, WIDTH) for i in range(layers)}
    shapes |= {f"a_{i}": (HEADS, 2 * WIDTH) for i in range(layers)}
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def features(seed=1):
    return np.random.default_rng(seed).standard_normal((N, WIDTH), np.float32)


def test_published_numbers(golden):
    reference = np.load(golden / "gat.npz")
    order = np.lexsort([reference["edge_key"], reference["edge_query"]])
    graph = make_graph(reference["edge_query"][order], reference["edge_key"][order], len(reference["x"]))
    params = {f"{name}_{i}": reference[f"layer{i}_{name}"] for i in range(2) for name in "wa"}
    output = jax.jit(DiagonalAttention(layers=2, heads=2).apply)({"params": params}, graph, reference["x"])
    np.testing.assert_allclose(output, reference["output"], rtol=1e-5, atol=1e-6)


def test_values_and_gradients_equal_dense(graph, connected):
    layers = 2
    params, x = random_params(layers), features()
    cotangent = features(2)

    def ours(params, x):
        out = DiagonalAttention(layers, HEADS).apply({"params": params}, graph, x)
        return jnp.sum(out * cotangent), out

    def oracle(params, x):
        out = dense_encoder(connected, x, params, layers)
        return jnp.sum(out * cotangent), out

    got, expected = (jax.jit(jax.grad(f, (0, 1), has_aux=True))(params, x) for f in (ours, oracle))
    for value, reference in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(value, reference, rtol=1e-4, atol=1e-5 * np.abs(reference).max())


def test_coefficients_sum_to_one_and_prefer_low_scores(graph):
    x = features()
    w = np.ones((1, WIDTH), np.float32)
    a = np.concatenate([np.zeros((1, WIDTH)), np.eye(1, WIDTH)], 1).astype(np.float32)
    alpha = np.asarray(jax.jit(attention_coefficients)(graph, x, w, a))
    receivers, senders = graph.edges.receivers, graph.edges.senders
    np.testing.assert_allclose(np.bincount(receivers, alpha[:, 0]), 1.0, rtol=1e-5)
    hub = receivers == 1
    # The score of a neighbour is its first coordinate: attention falls as it grows.
    ordered = alpha[hub, 0][np.argsort(x[senders[hub], 0])]
    assert (np.diff(ordered) <= 0).all()


def test_coefficients_survive_large_scores(graph):
    x = 1e4 * features()
    a = np.ones((HEADS, 2 * WIDTH), np.float32)
    alpha = np.asarray(jax.jit(attention_coefficients)(graph, x, np.ones((HEADS, WIDTH), np.float32), a))
    assert np.isfinite(alpha).all()
    np.testing.assert_allclose(np.bincount(graph.edges.receivers, alpha[:, 0]), 1.0, rtol=1e-5)


def test_lone_entities_keep_their_weighted_vector(graph, connected):
    params, x = random_params(1), features()
    out = jax.jit(DiagonalAttention(1, HEADS).apply)({"params": params}, graph, x)
    alone = connected.sum(1) == 1
    assert alone.any()
    np.testing.assert_allclose(out[alone], (x * params["w_0"].mean(0))[alone], rtol=1e-5)


def test_layers_are_the_radius(graph, connected):
    """The gradient of one entity's vector is zero beyond as many hops as there are layers."""
    layers, entity = 2, 83
    params = random_params(layers)

    def of_entity(x):
        return DiagonalAttention(layers, HEADS).apply({"params": params}, graph, x)[entity].sum()

    gradient = np.asarray(jax.jit(jax.grad(of_entity))(features()))
    within = np.linalg.matrix_power(connected.astype(int), layers)[entity] > 0
    assert within.sum() < N
    np.testing.assert_array_equal(np.abs(gradient).max(1) > 0, within)


def test_initial_parameters(graph):
    params = jax.jit(DiagonalAttention(layers=2, heads=3).init)(jax.random.key(0), graph, features())[
        "params"
    ]
    assert jax.tree.map(jnp.shape, params) == {
        "w_0": (3, WIDTH),
        "a_0": (3, 2 * WIDTH),
        "w_1": (3, WIDTH),
        "a_1": (3, 2 * WIDTH),
    }
    bound = (2 * WIDTH) ** -0.5
    for layer in range(2):
        np.testing.assert_array_equal(params[f"w_{layer}"], 1.0)
        a = np.abs(params[f"a_{layer}"])
        assert 0.8 * bound < a.max() <= bound
    assert not np.array_equal(params["a_0"], params["a_1"])


def test_convolution_equals_dense(graph, connected):
    x, widths = features(), (5, 4)
    module = GraphConvolution(widths)
    params = jax.jit(module.init)(jax.random.key(0), graph, x)["params"]
    params = jax.tree.map(lambda p: p + 0.1, params)  # so that the biases matter
    degree = connected.sum(1)
    adjacency = (connected / np.sqrt(np.outer(degree, degree))).astype(np.float32)

    def dense(params, x):
        for i in range(len(widths)):
            x = adjacency @ (x @ params[f"kernel_{i}"]["kernel"]) + params[f"bias_{i}"]
            x = jnp.maximum(x, 0) if i < len(widths) - 1 else x
        return x

    def ours(params, x):
        return module.apply({"params": params}, graph, x)

    def squares(function, params, x):
        out = function(params, x)
        return jnp.sum(out**2), out

    got, expected = (
        jax.jit(jax.grad(partial(squares, function), (0, 1), has_aux=True))(params, x)
        for function in (ours, dense)
    )
    assert got[1].shape == (N, 4)
    assert got[1].min() < 0, "the last layer has no ReLU"
    for value, reference in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(value, reference, rtol=1e-4, atol=1e-5 * np.abs(reference).max())


def test_elu_and_its_gradient_are_those_of_the_library():
    x = jnp.array([-100.0, -2.0, -1e-3, 0.0, 1e-3, 3.0, 100.0])
    np.testing.assert_allclose(elu(x), jax.nn.elu(x), rtol=1e-6)
    found, expected = (jax.grad(lambda x, f=f: jnp.sum(f(x)))(x) for f in (elu, jax.nn.elu))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.isnan(elu(jnp.array(jnp.nan)))

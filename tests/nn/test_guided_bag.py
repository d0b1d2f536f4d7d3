import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.nn.guided_bag import GuidedBagEncoder
from tests.nn.test_bags import DIM, ENTITIES, WIDTH, kernel, random_bags, sparse

encoder = GuidedBagEncoder(DIM)


@jax.jit
def encode(words, rows, entities, queries):
    return encoder.apply({"params": {"words": words}}, rows, entities, queries)


@jax.jit
def gradients(words, rows, entities, queries, cotangent):
    def total(words, queries):
        return jnp.sum(encode(words, rows, entities, queries) * cotangent)

    return jax.grad(total, (0, 1))(words, queries)


def dense(words, counts, queries):
    """The oracle: a softmax over all words, weighed by how often a row holds them."""
    scores = queries @ words.T
    powers = counts * jnp.exp(scores - scores.max(axis=1, keepdims=True))
    total = powers.sum(axis=1, keepdims=True)
    return powers / jnp.where(total > 0, total, 1) @ words


@jax.jit
def dense_gradients(words, queries, counts, cotangent):
    return jax.grad(lambda w, q: jnp.sum(dense(w, counts, q) * cotangent), (0, 1))(words, queries)


def questions(rows, seed=7):
    return 2 * np.random.default_rng(seed).standard_normal((rows, DIM), np.float32)


@pytest.mark.parametrize("entities", ENTITIES.values(), ids=ENTITIES.keys())
def test_values_and_gradients_equal_a_dense_softmax(entities):
    matrix, words, queries = random_bags(), kernel(), questions(len(entities))
    got = encode(words, sparse(matrix), entities, queries)
    np.testing.assert_allclose(got, dense(words, matrix[entities], queries), rtol=1e-4, atol=1e-5)
    cotangent = np.random.default_rng(5).standard_normal(got.shape, np.float32)
    expected = dense_gradients(words, queries, matrix[entities], cotangent)
    found = gradients(words, sparse(matrix), entities, queries, cotangent)
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_a_query_of_zeros_gives_the_mean_and_an_empty_bag_zeros():
    matrix, words, entities = random_bags(), kernel(), ENTITIES["empty between"]
    got = encode(words, sparse(matrix), entities, np.zeros((len(entities), DIM), np.float32))
    counts = matrix[entities]
    expected = counts @ words / np.maximum(counts.sum(1, keepdims=True), 1)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(got[1], 0.0)


def test_large_scores_do_not_overflow_and_padding_is_zero():
    matrix, words = random_bags(), kernel()
    entities = np.array([3, -1, 5, -1, 10])
    got = np.asarray(encode(words, sparse(matrix), entities, 1e3 * questions(5)))
    assert np.isfinite(got).all()
    np.testing.assert_array_equal(got[[1, 3]], 0.0)


def test_bags_that_do_not_fit_give_nan_not_a_part():
    matrix = random_bags()
    assert np.isnan(encode(kernel(), sparse(matrix, 3), np.arange(20), questions(20))).all()


def test_words_start_at_unit_length_on_average():
    wide = GuidedBagEncoder(64)
    queries = np.zeros((5, 64), np.float32)
    params = jax.jit(wide.init)(jax.random.key(0), sparse(random_bags()), np.arange(5), queries)
    words = params["params"]["words"]
    assert words.shape == (WIDTH, 64)
    np.testing.assert_allclose(np.mean(np.sum(words**2, axis=1)), 1.0, rtol=0.2)

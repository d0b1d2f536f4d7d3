import jax
import jax.numpy as jnp
import numpy as np

from mmea_jax.nn import translation
from mmea_jax.nn.translation import RelationTable
from mmea_jax.nn.triples import TripleBatch

translations = jax.jit(translation.translations)
three_ends = jax.jit(translation.three_ends)


def batch():
    positive = jnp.array([(0, 1, 2), (3, 0, 3), (4, 1, 0), (2, 0, 1)], jnp.int32)
    negative = jnp.array([(5, 1, 2), (3, 0, 1), (4, 1, 4), (2, 0, 1)], jnp.int32)
    return TripleBatch(positive, negative, jnp.array([True, True, True, False]))


def test_three_vectors_a_row_give_both_triples():
    rng = np.random.default_rng(0)
    entities, relations = rng.standard_normal((6, 4)), rng.standard_normal((4, 4))
    given = batch()
    got = translations(entities[np.asarray(three_ends(given))], relations, given)
    for found, rows in zip(got, (given.positive, given.negative), strict=True):
        expected = entities[rows[:, 0]] + relations - entities[rows[:, 2]]
        valid = np.asarray(given.valid)
        np.testing.assert_allclose(np.asarray(found)[valid], expected[valid], rtol=1e-5)


def test_relations_are_unit_rows_of_a_table_with_a_plain_gradient():
    table, asked = RelationTable(4), jnp.array([2, 0, 2, 2])
    params = jax.jit(table.init, static_argnums=2)(jax.random.key(0), asked, 3)
    rows = params["params"]["table"]
    got = jax.jit(table.apply, static_argnums=2)(params, asked, 3)
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(got, expected[asked], rtol=1e-5)
    cotangent = np.random.default_rng(1).standard_normal((4, 4)).astype(np.float32)

    def total(params):
        return jnp.sum(table.apply(params, asked, 3) * cotangent)

    def oracle(rows):
        return jnp.sum((rows / jnp.linalg.norm(rows, axis=1, keepdims=True))[asked] * cotangent)

    found = jax.jit(jax.grad(total))(params)["params"]["table"]
    np.testing.assert_allclose(found, jax.jit(jax.grad(oracle))(rows), rtol=1e-4, atol=1e-6)

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.losses import margin
from mmea_jax.nn.normalise import unit

translation_margin = jax.jit(margin.translation_margin)
pair_margin = jax.jit(margin.pair_margin)


def dense(z1, z2, bound=2.0):
    """The loss as it is written, with all scores."""
    scores, own = z1 @ z2.T, np.eye(len(z1))
    return np.mean((1 - own) * scores**2 + own * np.maximum(0, bound - scores) ** 2)


def test_translation_margin_of_the_published_code(golden):
    with np.load(golden / "tmea.npz") as found:
        entities, relations = unit(found["param/ent_embed.weight"]), unit(found["param/rel_embed.weight"])
        moved = [
            entities[t[:, 0]] + relations[t[:, 1]] - entities[t[:, 2]]
            for t in (found["triples_pos"], found["triples_neg"])
        ]
        expected = found["transe_margin_loss"]
    np.testing.assert_allclose(translation_margin(*moved, 1.0), expected, rtol=1e-5)


def test_pair_margin_of_the_published_code(golden):
    with np.load(golden / "tmea.npz") as found:
        scores, expected = found["scores"], found["contrastive_margin_loss"]
    got = pair_margin(scores, np.eye(len(scores), dtype=np.float32))
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_a_satisfied_triple_costs_nothing_and_an_invalid_one_neither():
    positive = jnp.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    negative = jnp.array([[2.0, 0.0], [0.0, 1.0], [0.5, 0.0]])
    # 1 + 0 − 4 < 0; 1 + 2 − 1 = 2; 1 + 1 − ¼ = 1.75.
    np.testing.assert_allclose(translation_margin(positive, negative, 1.0), 3.75)
    valid = jnp.array([True, False, True])
    np.testing.assert_allclose(translation_margin(positive, negative, 1.0, valid), 1.75)
    gradient = jax.jit(jax.grad(margin.translation_margin))(positive, negative, 1.0, valid)
    np.testing.assert_allclose(gradient, [[0, 0], [0, 0], [2, 0]])


@given(st.integers(0, 999), st.sampled_from((0.5, 2.0)))
@settings(max_examples=20, deadline=None)
def test_pair_margin_needs_no_matrix_of_scores(seed, bound):
    rng = np.random.default_rng(seed)
    z1, z2 = rng.standard_normal((2, 9, 5)).astype(np.float32)
    valid = rng.random(9) < 0.7
    np.testing.assert_allclose(pair_margin(z1, z2, bound), dense(z1, z2, bound), rtol=1e-4)
    expected = dense(z1[valid], z2[valid], bound) if valid.any() else 0.0
    # What an invalid row holds has no part in it.
    z1[~valid] = 1e6
    np.testing.assert_allclose(pair_margin(z1, z2, bound, valid), expected, rtol=1e-4)


def test_its_gradient_is_that_of_the_scores_matrix():
    z1, z2 = np.random.default_rng(0).standard_normal((2, 6, 4)).astype(np.float32)

    def written(z1, z2):
        scores, own = z1 @ z2.T, jnp.eye(len(z1))
        return jnp.mean((1 - own) * scores**2 + own * jax.nn.relu(2 - scores) ** 2)

    got = jax.jit(jax.grad(margin.pair_margin, (0, 1)))(z1, z2)
    np.testing.assert_allclose(got, jax.jit(jax.grad(written, (0, 1)))(z1, z2), rtol=1e-4, atol=1e-6)


def test_without_any_pair_the_loss_and_its_gradient_are_zero():
    z = jnp.ones((3, 2))
    value, gradient = jax.jit(jax.value_and_grad(margin.pair_margin))(z, z, 2.0, jnp.zeros(3, bool))
    assert value == 0
    assert not gradient.any()

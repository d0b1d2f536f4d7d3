import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mmea_jax.losses import contrastive_views
from mmea_jax.losses.contrastive import icl
from mmea_jax.losses.contrastive_views import icl_of_views

M, J, WIDTH = 3, 2, 5


def draw(pairs, seed=0, mixtures=J):
    """Unit vectors, mixtures of length 1, weights and masks; the first pair has no view at all."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((M, 2 * pairs, WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    mixes = rng.uniform(0.1, 1, (mixtures, M, 2 * pairs)).astype(np.float32)
    mixes /= np.linalg.norm(mixes, axis=1, keepdims=True)
    weights = rng.uniform(0, 2, (M + mixtures, pairs)).astype(np.float32)
    valid = rng.uniform(size=(M + mixtures, pairs)) < 0.8
    valid[:, 0] = False
    return vectors, mixes, weights, valid


def one_by_one(vectors, mixes, temperature, weights, valid):
    """ICL of every view by itself, joint vectors side by side."""
    joint = [jnp.concatenate([mix[k, :, None] * z for k, z in enumerate(vectors)], axis=1) for mix in mixes]
    return jnp.stack(
        [
            icl(*jnp.split(z, 2), temperature, own, mask)
            for z, own, mask in zip([*vectors, *joint], weights, valid, strict=True)
        ]
    )


def values_and_gradients(function, temperature, vectors, mixes, weights, valid):
    """Losses, and the gradient of a sum in which every view counts differently."""
    shares = jnp.linspace(0.5, 2.0, len(weights))

    @jax.jit
    def both(*given):
        losses, pull = jax.vjp(lambda v, m, w: function(v, m, temperature, w, valid), *given)
        return losses, pull(shares)

    return both(vectors, mixes, weights)


@pytest.mark.parametrize("tile", [4, 7, 512])
@pytest.mark.parametrize("mixtures", [0, 1, J])
def test_equals_the_loss_of_each_view_by_itself(monkeypatch, tile, mixtures):
    monkeypatch.setattr(contrastive_views, "_TILE", tile)
    given = draw(9, mixtures=mixtures)
    losses, gradients = values_and_gradients(icl_of_views, 0.1, *given)
    expected, oracle = values_and_gradients(one_by_one, 0.1, *given)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for gradient, own in zip(gradients, oracle, strict=True):
        np.testing.assert_allclose(gradient, own, rtol=2e-5, atol=2e-6)


def test_published_numbers(golden):
    reference = np.load(golden / "losses.npz")
    rows = reference["links"].T.reshape(-1)

    @jax.jit
    @jax.value_and_grad
    def loss(z):
        z = z / jnp.linalg.norm(z, axis=1, keepdims=True)
        return icl_of_views(z[rows][None], jnp.zeros((0, 1, len(rows))), 0.1)[0]

    value, gradient = loss(reference["z"])
    np.testing.assert_allclose(value, reference["icl_tau0.1"], rtol=1e-5)
    expected = reference["icl_tau0.1_grad"]
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_gradients_equal_finite_differences():
    vectors, mixes, weights, valid = draw(5)
    loss = jax.jit(lambda v, m, w: jnp.sum(icl_of_views(v, m, 0.5, w, valid)))
    check_grads(loss, (vectors, mixes, weights), 1, ["rev"], 1e-2, 1e-2, eps=1e-2)


def test_what_is_not_valid_does_not_matter():
    vectors, mixes, weights, valid = draw(6)
    # Rows of no view at all, as padding is.
    other = vectors.copy()
    other[:, [0, 6]] = -vectors[:, [1, 7]]
    expected = icl_of_views(vectors, mixes, 0.1, weights, valid)
    np.testing.assert_allclose(icl_of_views(other, mixes, 0.1, weights, valid), expected, rtol=1e-6)


def test_a_view_without_a_valid_pair_costs_nothing():
    vectors, mixes, weights, valid = draw(4)
    valid[[0, -1]] = False
    losses, gradients = values_and_gradients(icl_of_views, 0.1, vectors, mixes, weights, valid)
    np.testing.assert_array_equal(losses[jnp.array([0, -1])], 0.0)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    np.testing.assert_array_equal(gradients[1][-1], 0.0)


@pytest.mark.parametrize("temperature", [contrastive_views.SMALLEST_TEMPERATURE, 1.0])
def test_opposite_vectors_at_any_temperature(temperature):
    vectors = np.ones((1, 8, 1), np.float32)
    vectors[:, 4:] = -1  # every pair as far apart as can be
    nothing = np.zeros((0, 1, 8), np.float32)
    expected = icl(vectors[0, :4], vectors[0, 4:], temperature)
    np.testing.assert_allclose(icl_of_views(vectors, nothing, temperature)[0], expected, rtol=1e-5)
    gradient = jax.grad(lambda v: icl_of_views(v, nothing, temperature)[0])(vectors)
    assert np.isfinite(gradient).all()


def test_not_a_number_comes_through():
    vectors, mixes, weights, valid = draw(4)
    valid[:] = True
    vectors[1, 2] = np.nan
    losses = icl_of_views(vectors, mixes, 0.1, weights, valid)
    assert np.isfinite(losses[0])
    assert np.isnan(losses[1])
    assert np.isnan(losses[M:]).all()


def test_a_temperature_too_small_for_it_is_refused():
    with pytest.raises(ValueError, match=r"the temperature is 0\.01"):
        icl_of_views(*draw(3)[:2], 0.01)

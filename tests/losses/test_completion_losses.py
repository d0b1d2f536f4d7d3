"""Losses of completion: published values, closed forms, padding and finite gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from mmea_jax.losses.one_to_all import n3, one_to_all
from mmea_jax.losses.self_adversarial import self_adversarial


@pytest.mark.parametrize("temperature", [None, 2.0])
def test_published_self_adversarial_loss(golden, temperature):
    stored = np.load(golden / "adamf.npz")
    found = jax.jit(self_adversarial, static_argnums=2)(
        stored["pos_score"][:, 0], stored["neg_score"], temperature
    )
    assert found == pytest.approx(stored[f"sigmoid_loss_temp_{temperature}"].item(), rel=1e-5)


def test_self_adversarial_weights_have_no_gradient():
    rng = np.random.default_rng(0)
    positive, negative = rng.standard_normal(5), rng.standard_normal((5, 7))
    found = jax.jit(jax.grad(self_adversarial, argnums=(0, 1)))(positive, negative)
    weight = special.softmax(2 * negative, axis=1)
    np.testing.assert_allclose(found[0], -special.expit(-positive) / 10, rtol=1e-5)
    np.testing.assert_allclose(found[1], weight * special.expit(negative) / 10, rtol=1e-5)


def test_padding_leaves_no_trace():
    rng = np.random.default_rng(0)
    scores, answers = rng.standard_normal((6, 9)), rng.integers(0, 9, 6)
    valid = np.array([True, True, False, True, False, True])
    for loss, arguments in (
        (self_adversarial, (scores[:, 0], scores[:, 1:], 2.0)),
        (one_to_all, (scores, answers)),
        (n3, (scores[:, :8],)),
    ):
        whole = loss(*arguments, valid=valid)
        kept = loss(*[x if np.isscalar(x) else x[valid] for x in arguments])
        assert float(whole) == pytest.approx(float(kept), rel=1e-5)
    assert np.isfinite(one_to_all(scores, answers, valid=np.zeros(6, bool)))


def test_cross_entropy_over_all_entities():
    rng = np.random.default_rng(0)
    scores, answers = rng.standard_normal((6, 9)), rng.integers(0, 9, 6)
    expected = -special.log_softmax(scores, axis=1)[np.arange(6), answers].mean()
    assert float(jax.jit(one_to_all)(scores, answers)) == pytest.approx(expected, rel=1e-5)


def test_the_cubes_of_complex_and_real_components():
    rows = np.array([[3.0, 0.0, 4.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    assert float(n3(rows)) == pytest.approx((125 + 8) / 2)
    assert float(n3(rows, complex_halves=False)) == pytest.approx((27 + 64 + 8) / 2)
    gradient = jax.jit(jax.grad(n3))(jnp.asarray(rows))
    assert np.isfinite(gradient).all()
    assert (gradient[1] == 0).all()

"""The auto-encoder of missing modalities and its losses against published numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from mmea_jax.losses.imagination import prior_divergence, softmax_divergence
from mmea_jax.nn.imagination import Imagination, hybrid_vector
from mmea_jax.nn.normalise import unit

LAYERS = {
    "encoder_inner": "enc0",
    "encoder_outer": "enc1",
    "decoder_inner": "dec0",
    "decoder_outer": "dec1",
}


@pytest.fixture(scope="module")
def reference(golden):
    return np.load(golden / "imagination.npz")


@pytest.fixture(scope="module")
def params(reference):
    return {
        "params": {
            ours: {"kernel": reference[f"{theirs}_kernel"], "bias": reference[f"{theirs}_bias"]}
            for ours, theirs in LAYERS.items()
        }
    }


@pytest.fixture(scope="module")
def module(reference):
    return Imagination(reference["noise"].shape[1])


@pytest.fixture(scope="module")
def imagine(module):
    return jax.jit(module.apply)


def test_published_hybrid(reference):
    vectors = [reference[m] for m in ("structure", "relation", "attribute")]
    found = hybrid_vector(vectors, jnp.ones((60, 3), bool))
    np.testing.assert_allclose(found, reference["hybrid"], rtol=1e-5, atol=1e-7)


def test_published_encoder_decoder_and_prior(reference, params, imagine):
    """The reference samples by ``ε + μ·σ``; here that form is put together from the parts."""
    found = imagine(params, reference["hybrid"])
    scaled = found.mean * jnp.exp(0.5 * found.log_variance)
    np.testing.assert_allclose(unit(scaled), reference["mean"], rtol=1e-4, atol=1e-6)
    early = reference["noise"] + scaled
    np.testing.assert_allclose(unit(early), reference["sampled"], rtol=1e-4, atol=1e-6)
    kl = prior_divergence(found.mean, found.log_variance, 60, np.ones(60, bool))
    np.testing.assert_allclose(kl, reference["kl"], rtol=1e-5)
    # Noise that brings μ + σ⊙ε to the early form's sample, so that the decoder sees the reference's input.
    noise = (early - found.mean) * jnp.exp(-0.5 * found.log_variance)
    decoded = imagine(params, reference["hybrid"], noise)
    np.testing.assert_allclose(decoded.sampled, early, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        unit(decoded.reconstruction), reference["reconstruction"], rtol=1e-4, atol=1e-6
    )


def test_gradient_of_the_prior_equals_its_formula(reference, params, module):
    """Back through the encoder's two layers, by hand."""
    rows = np.arange(60) % 3 > 0

    @jax.jit
    @jax.grad
    def gradient(params):
        found = module.apply(params, reference["hybrid"])
        return prior_divergence(found.mean, found.log_variance, 60, rows)

    p = jax.tree.map(np.float64, params["params"])
    x = np.float64(reference["hybrid"])
    inner = np.maximum(x @ p["encoder_inner"]["kernel"] + p["encoder_inner"]["bias"], 0)
    mean, log_variance = np.split(
        inner @ p["encoder_outer"]["kernel"] + p["encoder_outer"]["bias"], 2, axis=1
    )
    back = (
        np.concatenate([mean, 0.5 * (np.exp(log_variance) - 1)], axis=1) * rows[:, None] / (rows.sum() * 60)
    )
    found = gradient(params)["params"]
    np.testing.assert_allclose(found["encoder_outer"]["kernel"], inner.T @ back, rtol=1e-4, atol=1e-8)
    back = (back @ p["encoder_outer"]["kernel"].T) * (inner > 0)
    np.testing.assert_allclose(found["encoder_inner"]["kernel"], x.T @ back, rtol=1e-4, atol=1e-8)
    assert not np.any(found["decoder_outer"]["kernel"])


def test_the_sample_is_mean_plus_scaled_noise(reference, params, imagine):
    plain = imagine(params, reference["hybrid"])
    np.testing.assert_array_equal(plain.sampled, plain.mean)
    noisy = imagine(params, reference["hybrid"], reference["noise"])
    expected = plain.mean + np.exp(0.5 * np.asarray(plain.log_variance)) * reference["noise"]
    np.testing.assert_allclose(noisy.sampled, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(noisy.mean, plain.mean)


def test_absent_parts_of_the_hybrid_are_zero_and_do_not_dilute():
    vectors = [jnp.ones((2, 3)), jnp.full((2, 3), 7.0)]
    found = np.asarray(hybrid_vector(vectors, jnp.array([[True, True], [True, False]])))
    np.testing.assert_array_equal(found[1, 3:], 0)
    np.testing.assert_allclose(found[1, :3], 3**-0.5, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_divergences_are_means_over_the_rows_asked_for():
    rng = np.random.default_rng(0)
    target, guess = rng.standard_normal((2, 6, 5)).astype(np.float32)
    rows = np.array([1, 0, 1, 1, 0, 0], bool)
    q, p = (log_softmax(np.float64(x[rows]), axis=1) for x in (target, guess))
    expected = np.mean(np.sum(np.exp(q) * (q - p), axis=1))
    np.testing.assert_allclose(softmax_divergence(target, guess, rows), expected, rtol=1e-5)
    np.testing.assert_allclose(softmax_divergence(target, target, rows), 0, atol=1e-6)
    for nobody in (
        softmax_divergence(target, guess, ~rows & rows),
        prior_divergence(target, guess, 5, ~rows & rows),
    ):
        assert nobody == 0


def test_the_prior_is_zero_at_the_standard_normal_alone():
    zero = jnp.zeros((3, 4))
    rows = np.ones(3, bool)
    assert prior_divergence(zero, zero, 8, rows) == 0
    assert prior_divergence(zero + 0.1, zero, 8, rows) > 0
    assert prior_divergence(zero, zero - 0.1, 8, rows) > 0

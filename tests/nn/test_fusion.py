"""Fusion: absent modalities weigh nothing, and what is hidden in training is hidden alike on both sides."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.nn.fusion import BetaFusion, StaticFusion, hide_modalities
from mmea_jax.nn.normalise import unit

WIDTH, ROWS = 4, 6


@pytest.fixture(scope="module")
def vectors():
    keys = jax.random.split(jax.random.key(0), 3)
    return [unit(jax.random.normal(key, (ROWS, WIDTH))) for key in keys]


PRESENT = jnp.array([[1, 1, 1], [1, 0, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 0, 1]], bool)


def test_static_fusion_shares_the_weight_of_absent_modalities(vectors):
    params = {"params": {"modality_logits": jnp.array([0.0, 1.0, 2.0])}}
    joint, confidence = StaticFusion(3).apply(params, vectors, PRESENT)
    weights = np.where(PRESENT, np.exp([0.0, 1.0, 2.0]), 0)
    weights /= weights.sum(1, keepdims=True)
    np.testing.assert_allclose(confidence, weights, rtol=1e-6)
    expected = np.concatenate([weights[:, [k]] * z for k, z in enumerate(vectors)], axis=1)
    np.testing.assert_allclose(joint, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-5)


def test_beta_fusion_starts_with_each_modality_leading_in_its_own_block(vectors):
    fusion = BetaFusion(3, WIDTH)
    params = fusion.init(jax.random.key(1), vectors, PRESENT)
    own, joint, importance = fusion.apply(params, vectors, PRESENT)
    np.testing.assert_array_equal(np.asarray(importance)[~np.asarray(PRESENT)], 0.0)
    np.testing.assert_allclose(importance.sum(1), 1.0, rtol=1e-5)
    for k, z in enumerate(vectors):
        # α > β exactly where the modality's vector is positive: the expert begins as its own coordinates.
        clear = np.abs(z) > 0.2
        np.testing.assert_array_equal(np.asarray(own[k].alpha > own[k].beta)[clear], np.asarray(z > 0)[clear])
        block = slice(k * WIDTH, (k + 1) * WIDTH)
        there = clear & np.asarray(PRESENT)[:, [k]]
        signs = np.asarray(joint.alpha > joint.beta)[:, block][there]
        np.testing.assert_array_equal(signs, np.asarray(z > 0)[there])


@given(rate=st.floats(0, 0.95), seed=st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_hidden_modalities_are_alike_for_a_pair_and_never_all(rate, seed):
    key = jax.random.key(seed)
    everything = jnp.ones((8, 3), bool)
    first, second = np.split(np.asarray(hide_modalities(key, everything, rate)), 2)
    np.testing.assert_array_equal(first, second)
    assert first.any(axis=1).all()
    some = np.asarray(hide_modalities(key, PRESENT, rate))
    assert not (some & ~np.asarray(PRESENT)).any()
    assert some.any(axis=1).all()

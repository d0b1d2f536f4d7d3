"""Cross-modal fusion: published numbers, and what absence means."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from mmea_jax.nn.fusion import StaticFusion
from mmea_jax.nn.normalise import unit
from mmea_jax.nn.transformer import CrossModalFusion, attention_confidence, weighted_joint

# Order of the tokens in the reference, and the library's.
REFERENCE = ("image", "attribute", "relation", "structure")
LIBRARY = ("structure", "relation", "attribute", "image")
ORDER = [REFERENCE.index(m) for m in LIBRARY]

LAYERS = {
    "query": "query",
    "key": "key",
    "value": "value",
    "output": "attn_out",
    "inner": "ffn_in",
    "outer": "ffn_out",
}


@pytest.fixture(scope="module")
def reference(golden):
    return np.load(golden / "fusion.npz")


@pytest.fixture(scope="module")
def params(reference):
    dense = {
        ours: {"kernel": reference[f"{theirs}_kernel"], "bias": reference[f"{theirs}_bias"]}
        for ours, theirs in LAYERS.items()
    }
    norms = {
        ours: {"scale": reference[f"{theirs}_scale"], "bias": reference[f"{theirs}_bias"]}
        for ours, theirs in (("attention_norm", "norm1"), ("outer_norm", "norm2"))
    }
    return {"params": dense | norms}


@pytest.fixture(scope="module")
def fusion(reference):
    return CrossModalFusion(heads=int(reference["num_heads"]), inner=reference["ffn_in_bias"].size)


@pytest.fixture(scope="module")
def fuse(fusion):
    return jax.jit(fusion.apply)


def blocks(joint, count=4):
    """float32[K, M·d] as [K, M, d]."""
    return np.asarray(joint).reshape(len(joint), count, -1)


def unit_rows(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_published_numbers(reference, params, fuse):
    present = np.ones((60, 4), bool)
    found = fuse(params, [reference[m] for m in LIBRARY], present)
    np.testing.assert_allclose(found.hidden, reference["hidden"][:, ORDER], rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(found.confidence, reference["confidence"][:, ORDER], rtol=1e-5)
    # The published joint embedding is normalised where it is used, not where it is made.
    expected = blocks(reference["joint"])[:, ORDER].reshape(60, -1)
    np.testing.assert_allclose(found.joint, unit_rows(expected), rtol=1e-5, atol=1e-6)


def test_published_static_joint_embedding(reference):
    """The reference takes the first four of six weights after a softmax over all six: a common factor."""
    order = np.exp(reference["weight_raw"]) / np.exp(reference["weight_raw"]).sum()
    vectors = [unit(jnp.asarray(reference[m])) for m in LIBRARY]
    raw = np.concatenate([order[k] * z for k, z in zip(ORDER, vectors, strict=True)], axis=1)
    expected = blocks(reference["joint_static"])[:, ORDER].reshape(60, -1)
    np.testing.assert_allclose(raw, expected, rtol=1e-5, atol=1e-7)
    logits = {"params": {"modality_logits": reference["weight_raw"][ORDER]}}
    joint, confidence = jax.jit(StaticFusion(4).apply)(logits, vectors, jnp.ones((60, 4), bool))
    np.testing.assert_allclose(joint, unit_rows(expected), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(confidence[0], order[ORDER] / order[ORDER].sum(), rtol=1e-6)


def by_the_book(params, tokens, heads):
    """Spec 1.4 for one entity, tokens float64[M, d]: hidden tokens and confidence."""
    p = jax.tree.map(np.float64, params["params"])

    def dense(name, x):
        return x @ p[name]["kernel"] + p[name]["bias"]

    def norm(name, x):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * p[name]["scale"] + p[name]["bias"]

    def softmax(x):
        x = np.exp(x - x.max(-1, keepdims=True))
        return x / x.sum(-1, keepdims=True)

    size = tokens.shape[1] // heads
    mixed, asked = [], 0
    for h in range(heads):
        own = slice(h * size, (h + 1) * size)
        q, k, v = (dense(name, tokens)[:, own] for name in ("query", "key", "value"))
        attention = softmax(q @ k.T / np.sqrt(size))
        mixed.append(attention @ v)
        asked = asked + attention.sum(0)
    x = norm("attention_norm", tokens + dense("output", np.concatenate(mixed, 1)))
    inner = dense("inner", x)
    hidden = norm("outer_norm", x + dense("outer", 0.5 * inner * (1 + erf(inner / np.sqrt(2)))))
    return hidden, softmax(asked / np.sqrt(len(tokens) * heads))


@pytest.mark.parametrize("kept", [(0, 1, 2), (0, 3), (0,), (0, 1, 2, 3)], ids=str)
def test_absent_modalities_are_as_if_left_out(reference, params, fuse, kept):
    present = np.zeros((60, 4), bool)
    present[:, list(kept)] = True
    # What an absent row holds must not matter.
    vectors = [np.where(k in kept, reference[m], np.float32(1e3)) for k, m in enumerate(LIBRARY)]
    found = fuse(params, vectors, present)
    np.testing.assert_array_equal(np.asarray(found.confidence)[~present], 0.0)
    for row in (0, 7):
        hidden, confidence = by_the_book(params, np.stack([vectors[k][row] for k in kept]).astype(float), 4)
        np.testing.assert_allclose(np.asarray(found.hidden)[row, list(kept)], hidden, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(np.asarray(found.confidence)[row, list(kept)], confidence, rtol=1e-5)
    parts = blocks(found.joint)
    np.testing.assert_array_equal(parts[:, [k for k in range(4) if k not in kept]], 0.0)
    np.testing.assert_allclose(np.linalg.norm(found.joint, axis=1), 1.0, rtol=1e-5)


def test_an_absent_modality_gets_no_gradient(reference, params, fusion):
    present = np.ones((60, 4), bool)
    present[::2, 3] = False

    def loss(vectors):
        found = fusion.apply(params, vectors, present)
        kept = jnp.where(jnp.asarray(present)[:, :, None], found.hidden, 0.0)
        return jnp.sum(kept[..., 0]) + jnp.sum(found.joint[:, ::7]) + jnp.sum(found.confidence**2)

    gradients = jax.jit(jax.grad(loss))([jnp.asarray(reference[m]) for m in LIBRARY])
    np.testing.assert_array_equal(np.asarray(gradients[3])[::2], 0.0)
    assert all(np.isfinite(g).all() and np.abs(g[1::2]).max() > 0 for g in gradients)


def test_gradients_equal_finite_differences(reference, params, fusion):
    """In the weights, along random directions, for rows with and without all modalities."""
    present = np.ones((6, 4), bool)
    present[:2, 3] = present[1, 1] = False
    vectors = [jnp.asarray(reference[m][:6]) for m in LIBRARY]
    mix = jnp.asarray(np.random.default_rng(0).standard_normal((6, 4, 20)), jnp.float32)

    @jax.jit
    @jax.value_and_grad
    def loss(p):
        found = fusion.apply(p, vectors, present)
        return jnp.sum(mix * found.hidden * present[:, :, None]) + jnp.sum(mix[..., 0] * found.confidence)

    params = jax.tree.map(jnp.asarray, params)
    _, gradient = loss(params)
    for seed in range(3):
        keys = jax.random.split(jax.random.key(seed), len(jax.tree.leaves(params)))
        keys = jax.tree.unflatten(jax.tree.structure(params), list(keys))
        way = jax.tree.map(lambda key, p: jax.random.normal(key, p.shape), keys, params)
        up, down = (loss(jax.tree.map(lambda p, w, s=s: p + s * w, params, way))[0] for s in (1e-3, -1e-3))
        along = sum(jnp.vdot(g, w) for g, w in zip(*map(jax.tree.leaves, (gradient, way)), strict=True))
        np.testing.assert_allclose(along, (up - down) / 2e-3, rtol=2e-2, atol=2e-2)


def test_dropout_acts_in_training_alone(reference, params, fusion):
    vectors, present = [reference[m] for m in LIBRARY], np.ones((60, 4), bool)

    @jax.jit
    def noisy(key):
        return fusion.apply(params, vectors, present, True, rngs={"dropout": key})

    first, second = (np.asarray(noisy(jax.random.key(k)).hidden) for k in (0, 1))
    assert np.abs(first - second).max() > 0.1


def test_the_heads_must_divide_the_width(reference):
    fusion = CrossModalFusion(heads=3)
    with pytest.raises(ValueError, match="3 heads"):
        jax.eval_shape(
            fusion.init, jax.random.key(0), [reference[m] for m in LIBRARY], np.ones((60, 4), bool)
        )


def test_confidence_of_an_entity_without_anything_is_zero():
    attention = jnp.zeros((2, 1, 3, 3))
    present = jnp.array([[True, True, False], [False, False, False]])
    found = attention_confidence(attention, present)
    np.testing.assert_allclose(found, [[0.5, 0.5, 0], [0, 0, 0]])
    joint = weighted_joint([jnp.ones((2, 2))] * 3, found)
    assert np.isfinite(joint).all()
    np.testing.assert_array_equal(joint[1], 0.0)

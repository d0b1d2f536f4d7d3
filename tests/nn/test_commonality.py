import jax
import numpy as np
import pytest

from mmea_jax.losses.orthogonal import orthogonal
from mmea_jax.nn.commonality import CommonalityEnhancement

NAMES = ("structure", "visual", "attribute")
LETTERS = dict(zip(NAMES, "abc", strict=True))


@pytest.fixture(scope="module")
def known(golden):
    found = {}
    for name in ("tmea", "tmea_exchange"):
        with np.load(golden / f"{name}.npz") as arrays:
            found |= dict(arrays)
    return found


def published_params(known) -> dict:
    """The published names: ``ca_xy`` has ``x`` as key and value and is asked by ``y``."""
    # The first column of the stored weights is used nowhere.
    params = {"exchange_logits": known["param/modal_weight"][:, 1:]}
    for own in NAMES:
        for asking in NAMES:
            if own != asking:
                prefix = f"param/ca_{LETTERS[own]}{LETTERS[asking]}."
                params[f"attentions_{asking}_to_{own}"] = {
                    "value": known[prefix + "linear_v.weight"],
                    "output": known[prefix + "linear_output.weight"],
                    "output_bias": known[prefix + "linear_output.bias"],
                }
    return {"params": params}


def test_the_published_joint_vector_and_constraint(known):
    vectors = [known["relational"], known["visual_completed"], known["attribute_completed"]]
    there = np.ones((len(vectors[0]), 3), bool)
    found = jax.jit(CommonalityEnhancement(NAMES, 100).apply)(published_params(known), vectors, there)
    np.testing.assert_allclose(np.concatenate(found.parts, axis=1), known["joint"], rtol=1e-5, atol=1e-6)
    constraint = jax.jit(
        lambda vectors, specific: sum(
            orthogonal(vectors[k], own, there[:, 0]) for (_, k), own in specific.items()
        )
    )(vectors, found.specific)
    np.testing.assert_allclose(0.01 * constraint, known["orthogonal_loss"], rtol=1e-5)


def drawn(tokens: int = 1, count: int = 3):
    names = NAMES[:count]
    module = CommonalityEnhancement(names, 8, 2, tokens)
    rng = np.random.default_rng(0)
    vectors = list(rng.standard_normal((count, 6, 8)).astype(np.float32))
    there = np.ones((6, count), bool)
    there[1:3, 1:] = False
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), vectors, there))
    params = jax.tree.map(lambda x: rng.standard_normal(x.shape).astype(np.float32), shapes)
    return params, vectors, there, jax.jit(module.apply)


@pytest.mark.parametrize("tokens", [1, 2])
def test_an_absent_modality_has_a_zero_part_and_asks_nothing(tokens):
    params, vectors, there, exchange = drawn(tokens)
    found = jax.device_get(exchange(params, vectors, there))
    for k in (1, 2):
        np.testing.assert_array_equal(found.parts[k][1:3], 0.0)
        assert (np.abs(found.parts[k][[0, 3]]).max(axis=1) > 0).all()
    # With nobody to ask, a modality is itself.
    np.testing.assert_allclose(found.parts[0][1:3], vectors[0][1:3], rtol=1e-6)
    spoiled = [vectors[0], *(np.where(there[:, k, None], vectors[k], 9.0) for k in (1, 2))]
    jax.tree.map(np.testing.assert_array_equal, exchange(params, spoiled, there).parts, found.parts)


def test_weights_are_a_softmax_over_what_is_there():
    params, vectors, there, exchange = drawn()
    params["params"] = {
        k: v if k == "exchange_logits" else jax.tree.map(np.zeros_like, v)
        for k, v in params["params"].items()
    }
    # Without any attention a part is ω₀ times the vector.
    found = exchange(params, vectors, there)
    logits = params["params"]["exchange_logits"]
    for k in range(3):
        expected = np.exp(logits[0, k]) / np.exp(logits[:, k]).sum()
        np.testing.assert_allclose(found.parts[k][0], expected * vectors[k][0], rtol=1e-5)


def test_one_modality_alone_is_unchanged():
    params, vectors, there, exchange = drawn(count=1)
    found = exchange(params, vectors, there)
    assert not found.specific
    np.testing.assert_allclose(found.parts[0], vectors[0], rtol=1e-6)

"""Adaptive fusion and generators: published values, and absent modalities that leave no trace."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.nn.adaptive_fusion import AdaptiveFusion, Generator
from mmea_jax.nn.scorers import make_scorer


@pytest.fixture(scope="module")
def stored(golden):
    return dict(np.load(golden / "adamf.npz"))


def modal_vectors(stored):
    return [
        stored["param/ent_embeddings.weight"],
        stored["image"] @ stored["param/img_proj.weight"] + stored["param/img_proj.bias"],
        stored["text"] @ stored["param/text_proj.weight"] + stored["param/text_proj.bias"],
    ]


def fuse(stored, vectors, present=None):
    variables = {"params": {"attention": stored["param/ent_attn.weight"]}}
    present = np.ones((len(vectors[0]), len(vectors)), bool) if present is None else present
    return jax.jit(AdaptiveFusion().apply)(variables, vectors, present)


def generated(stored, which, side, rows):
    weights = {
        f"Dense_{k}": {
            part: stored[f"gen/{which}_generator.generator_model.{layer}.{old}"]
            for part, old in (("kernel", "weight"), ("bias", "bias"))
        }
        for k, layer in enumerate((0, 2))
    }
    noise = stored[f"noise/{side}_{'image' if which == 'img' else which}"]
    return jax.jit(Generator(32).apply)({"params": weights}, noise, rows)


def test_published_joint_embedding_and_attention(stored):
    joint, attention = fuse(stored, modal_vectors(stored))
    np.testing.assert_allclose(joint, stored["joint"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(attention, stored["attention"], rtol=1e-5, atol=1e-6)


def test_published_generators_and_fake_scores(stored):
    scorer = make_scorer("rotate", int(stored["dim"]), float(stored["margin"]))
    h, r, t = stored["triples"].T
    relation, joint, fakes = stored["param/rel_embeddings.weight"][r], stored["joint"], {}
    for side, ids in (("head", h), ("tail", t)):
        rows = stored["param/ent_embeddings.weight"][ids]
        image, text = (generated(stored, which, side, rows) for which in ("img", "text"))
        np.testing.assert_allclose(image, stored[f"fake/{side}_image"], rtol=1e-5, atol=2e-6)
        np.testing.assert_allclose(text, stored[f"fake/{side}_text"], rtol=1e-5, atol=2e-6)
        fakes[side], _ = fuse(stored, [rows, image, text])
    scores = {
        "score_fake_head": scorer.triples(fakes["head"], relation, joint[t]),
        "score_fake_tail": scorer.triples(joint[h], relation, fakes["tail"]),
        "score_fake_both": scorer.triples(fakes["head"], relation, fakes["tail"]),
    }
    for name, found in scores.items():
        np.testing.assert_allclose(found, stored[name], rtol=1e-5, atol=1e-5)


def test_an_absent_modality_has_no_weight_no_influence_and_no_gradient(stored):
    vectors = [jnp.asarray(v) for v in modal_vectors(stored)]
    present = np.ones((40, 3), bool)
    present[::2, 1] = False
    present[::4, 2] = False

    def total(vectors):
        joint, attention = fuse(stored, vectors, present)
        return jnp.sum(joint**2), attention

    gradient, attention = jax.grad(total, has_aux=True)(vectors)
    assert (np.asarray(attention)[~present] == 0).all()
    np.testing.assert_allclose(np.sum(attention, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(attention[::4, 0], 1)
    for k in (1, 2):
        assert (np.asarray(gradient[k])[~present[:, k]] == 0).all()
        assert (np.asarray(gradient[k])[present[:, k]] != 0).any()
    spoilt = [vectors[0], vectors[1].at[::2].set(1e6), vectors[2]]
    np.testing.assert_array_equal(fuse(stored, spoilt, present)[0], fuse(stored, vectors, present)[0])

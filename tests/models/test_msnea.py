import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from mmea_jax.models.msnea import Msnea
from mmea_jax.nn.triples import TripleBatch, corrupted_batch, counterparts
from tests.models.cases import (
    AlignmentCases,
    embed,
    gradients,
    inputs,
    links,
    losses,
    pairs,
    shared,
    trained,
    world,
)


@functools.cache
def triples():
    """A batch of triples, two of its rows invalid, one of them padding."""
    given = inputs().triples
    positive = jnp.concatenate([given.rows[::5][:40], jnp.full((1, 3), -1, jnp.int32)])
    partner = counterparts(jnp.asarray(world().links), world().num_entities)
    batch = jax.jit(corrupted_batch)(jax.random.key(0), given, positive, partner)
    return batch.replace(valid=batch.valid.at[3].set(False))


@functools.cache
def step(model):
    """Jitted ``((loss, terms), gradient)`` on pairs and triples."""

    def loss(params, inputs, pairs, triples):
        return model.apply(params, inputs, pairs, triples, method="loss")

    options = {"xla_backend_optimization_level": 0}
    return jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options=options)


def hinge(energies, valid):
    """The oracle of the translation loss with margin 1."""
    positive, negative = energies
    return np.maximum(0, 1 + positive - negative)[np.asarray(valid)].sum()


def unit_rows(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def energies(vectors, relations):
    """``‖h + r − t‖²`` of true and of corrupted triples."""
    return [
        np.sum((vectors[t[:, 0]] + relations[t[:, 1]] - vectors[t[:, 2]]) ** 2, axis=1)
        for t in (np.asarray(triples().positive), np.asarray(triples().negative))
    ]


def images_everywhere(batch: TripleBatch):
    """bool[B]: all four ends have an image."""
    has = world().modalities["visual"].present
    ends = [batch.positive[:, 0], batch.positive[:, 2], batch.negative[:, 0], batch.negative[:, 2]]
    return np.all([has[np.asarray(e)] for e in ends], axis=0)


class TestMsnea(AlignmentCases):
    cls = Msnea
    weights = ()

    def test_translation_is_the_hinge_of_energies_of_unit_rows(self):
        model = self.make()
        params = trained(model)["params"]
        (total, terms), found = step(model)(trained(model), inputs(), pairs(), triples())
        relations = unit_rows(params["relations"]["table"])
        own = energies(unit_rows(params["encode"]["entities"]), relations)
        np.testing.assert_allclose(terms["translation"], hinge(own, triples().valid), rtol=1e-4)
        layer = params["encode"]["translated"]["Dense_0"]
        images = unit_rows(np.asarray(inputs().dense["visual"]) @ layer["kernel"] + layer["bias"])
        seen = np.asarray(triples().valid) & images_everywhere(triples())
        assert 0 < seen.sum() < triples().valid.sum()
        expected = hinge(energies(images, relations), seen)
        np.testing.assert_allclose(terms["visual_translation"], expected, rtol=1e-4)
        np.testing.assert_allclose(total, sum(terms.values()), rtol=1e-5)
        moved = {name for name, leaf in _leaves(found) if np.abs(leaf).max() > 0}
        assert {"relations/table", "encode/entities", "encode/translated/Dense_0/kernel"} <= moved

    def test_alignment_is_the_dense_pair_loss_of_each_part(self):
        model = self.make()
        _, terms = losses(model, pairs())
        one, two = (embed(model, links()[:, side]) for side in (0, 1))
        assert set(terms) == {"joint", *model.modalities}
        for name in terms:
            z1, z2 = (e.joint if name == "joint" else e.modal[name] for e in (one, two))
            valid = np.ones(len(z1), bool) if name == "joint" else shared(name)
            scores, own = z1[valid] @ z2[valid].T, np.eye(valid.sum())
            expected = np.mean((1 - own) * scores**2 + own * np.maximum(0, 2 - scores) ** 2)
            np.testing.assert_allclose(terms[name], expected, rtol=1e-4)

    def test_what_is_said_of_invalid_triples_has_no_part(self):
        model = self.make()
        (_, before), one = step(model)(trained(model), inputs(), pairs(), triples())
        valid = triples().valid[:, None]
        other = triples().replace(
            positive=jnp.where(valid, triples().positive, 1), negative=jnp.where(valid, triples().negative, 2)
        )
        (_, after), two = step(model)(trained(model), inputs(), pairs(), other)
        for name, value in before.items():
            np.testing.assert_allclose(after[name], value, rtol=1e-5)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), one, two)

    def test_an_image_that_is_absent_has_no_part_in_translation(self):
        model = self.make()
        absent = np.flatnonzero(~world().modalities["visual"].present)
        poisoned = inputs().dense | {"visual": inputs().dense["visual"].at[absent].set(7.0)}
        given = dataclasses.replace(inputs(), dense=poisoned)
        (_, before), _ = step(model)(trained(model), inputs(), pairs(), triples())
        (_, after), _ = step(model)(trained(model), given, pairs(), triples())
        for name, value in before.items():
            np.testing.assert_allclose(after[name], value, rtol=1e-5)

    def test_one_projection_may_serve_both(self):
        fields = {"translation": 0.0, "visual_translation": 5.0, "alignment": 0.0}
        model = self.make(shared_projection=True, **fields)
        (total, terms), found = step(model)(trained(model), inputs(), pairs(), triples())
        assert total > 0
        np.testing.assert_allclose(total, 5 * terms["visual_translation"], rtol=1e-5)
        moved = {name for name, leaf in _leaves(found) if np.abs(leaf).max() > 0}
        layer = "encode/dense_encoders_visual/Dense_0"
        assert moved == {"relations/table", f"{layer}/kernel", f"{layer}/bias"}

    def test_the_image_decides_which_attributes_count(self):
        guided, plain = self.make(), self.make(guided=False)
        params, everyone = trained(guided), np.arange(world().num_entities)
        one, two = (
            jax.jit(functools.partial(model.apply, method="embed"))(params, inputs(), everyone).modal[
                "attribute"
            ]
            for model in (guided, plain)
        )
        has = world().modalities["visual"].present
        counts = np.diff(world().modalities["attribute"].offsets)
        same = np.isclose(one, two, atol=1e-6).all(axis=1)
        assert same[~has | (counts < 2)].all()
        assert not same[has & (counts > 1)].any()

    def test_parts_switched_off_are_no_terms(self):
        model = self.make(visual_translation=0.0, modal_losses=False, translation=3.0, alignment=7.0)
        (total, terms), found = step(model)(trained(model), inputs(), pairs(), triples())
        assert set(terms) == {"joint", "translation"}
        np.testing.assert_allclose(total, 3 * terms["translation"] + 7 * terms["joint"], rtol=1e-5)
        assert "translated" not in found["params"]["encode"]
        whole = self.make()
        assert set(gradients(whole, pairs())[0][1]) == {"joint", *whole.modalities}


def _leaves(gradient):
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient["params"]):
        yield "/".join(key.key for key in path), leaf

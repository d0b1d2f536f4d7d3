"""TMEA on a small world: the published numbers, what is imputed, and what the losses are made of."""

import dataclasses
import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.models.mclea import Mclea
from mmea_jax.models.tmea import Tmea
from mmea_jax.nn.triples import TripleBatch, corrupted_batch, counterparts
from tests.models.cases import (
    BATCH,
    AlignmentCases,
    compiled,
    embed,
    gradients,
    inputs,
    links,
    losses,
    one_sided,
    pairs,
    random_params,
    trained,
    world,
)

# The modalities of the paper; compiling takes most of the time.
NAMES = ("structure", "attribute", "visual")
IMPUTING = {"latent": 6}


def make(**fields) -> Tmea:
    return Tmea(NAMES, world().num_entities, **({"width": 8} | fields))


def everyone(model: Tmea, given=None):
    return embed(model, np.arange(world().num_entities), given)


def pair_loss(z1, z2):
    """The alignment loss over all pairs of rows, as it is written."""
    scores = np.asarray(z1) @ np.asarray(z2).T
    same = np.eye(len(scores))
    return np.mean((1 - same) * scores**2 + same * np.maximum(0, 2 - scores) ** 2)


def poisoned(modality: str):
    """Inputs in which rows that do not exist hold something."""
    absent = ~np.asarray(inputs().present[modality])
    dense = inputs().dense | {modality: jnp.where(absent[:, None], 7.0, inputs().dense[modality])}
    return dataclasses.replace(inputs(), dense=dense)


class TestTmea(AlignmentCases):
    """What is absent stays out where nothing is imputed."""

    cls = Tmea
    fields = {"imputes": (), "orthogonal": 1.0}  # noqa: RUF012
    weights = ()

    def make(self, kgs=None, **fields) -> Tmea:
        """Without the bag of relations, where nothing else is asked for."""
        if kgs is not None:
            return super().make(kgs, **fields)
        return make(**(self.fields | fields))

    def test_absent_modalities_leave_zeros_in_the_joint_vector(self):
        model = self.make()
        found = everyone(model)
        at = model.modalities.index("visual")
        absent = ~np.asarray(inputs().present["visual"])
        part = found.joint[:, 8 * at : 8 * at + 8]
        assert absent.any()
        np.testing.assert_array_equal(part[absent], 0.0)
        assert np.abs(part[~absent]).max(axis=1).min() > 0

    def test_the_orthogonal_constraint_has_its_weight(self):
        model = self.make()
        (total, terms), _ = gradients(model, pairs())
        assert terms["orthogonal"] > 0.01
        aligned = sum(terms[name] for name in ("joint", *model.modalities))
        np.testing.assert_allclose(total - aligned, terms["orthogonal"], rtol=1e-3)


@functools.cache
def golden_numbers(folder):
    found = {}
    for name in ("tmea", "tmea_features"):
        with np.load(folder / f"{name}.npz") as arrays:
            found |= dict(arrays)
    return types.MappingProxyType(found)


def test_modal_vectors_are_the_published_ones(golden):
    known = golden_numbers(golden)
    names = ("structure", "visual", "attribute")
    model = Tmea(names, 48, width=100, imputes=())
    dense = {m: jnp.asarray(known[f"{m}_features"]) for m in names[1:]}
    present = {m: jnp.ones(48, bool) for m in names[1:]}
    given = dataclasses.replace(inputs(), bags={}, dense=dense, present=present)
    params = random_params(model, given)["params"]
    params["encode"]["entities"] = known["param/ent_embed.weight"]
    for m, layer in (("visual", "fc_i"), ("attribute", "fc_a")):
        own = {"kernel": known[f"param/{layer}.weight"], "bias": known[f"param/{layer}.bias"]}
        params["encode"][f"dense_encoders_{m}"] = {"Dense_0": own}
    found = compiled(model)[0]({"params": params}, given, known["entities"].astype(np.int32))
    for m, stored in (("structure", "relational"), ("visual", "visual"), ("attribute", "attribute")):
        np.testing.assert_allclose(found.modal[m], known[stored], rtol=1e-5, atol=1e-6)


def test_terms_are_the_losses_over_all_scores_of_what_is_embedded():
    """Where every entity has everything, noise has no part in the vectors."""
    model = make(**IMPUTING)
    full = inputs().present | {m: jnp.ones(world().num_entities, bool) for m in NAMES[1:]}
    given = dataclasses.replace(inputs(), present=full)
    (_, terms), _ = gradients(model, pairs(), given)
    one, two = (embed(model, links()[:, k], given) for k in (0, 1))
    for m in NAMES:
        np.testing.assert_allclose(terms[m], pair_loss(one.modal[m], two.modal[m]), rtol=1e-4)
    assert terms["imputation"] > 0
    # Of the joint vectors, which the loss does not scale to unit length, only the direction is told.
    assert terms["joint"] > 0


def test_the_joint_loss_is_of_parts_side_by_side_without_scaling():
    model = make(imputes=(), commonality=False)
    _, terms = losses(model, pairs())
    sides = []
    for side in (0, 1):
        found = embed(model, links()[:, side])
        has = np.asarray(inputs().presence(NAMES, jnp.asarray(links()[:, side])))
        sides.append(np.concatenate([found.modal[m] * has[:, k, None] for k, m in enumerate(NAMES)], axis=1))
    np.testing.assert_allclose(terms["joint"], pair_loss(*sides), rtol=1e-4)


def test_what_is_absent_is_imputed_and_what_is_present_is_not():
    plain, imputing = make(imputes=()), make(**IMPUTING)
    params = trained(imputing)
    found = everyone(imputing)
    given = inputs()
    without = compiled(plain)[0](
        {"params": {k: v for k, v in params["params"].items() if not k.startswith("impute_")}},
        given,
        np.arange(world().num_entities, dtype=np.int32),
    )
    present = np.asarray(given.presence(NAMES, jnp.arange(world().num_entities)))
    np.testing.assert_array_equal(found.confidence > 0, present)
    for m in NAMES[1:]:
        has = np.asarray(given.present[m])
        np.testing.assert_allclose(found.modal[m][has], np.asarray(without.modal[m])[has], rtol=1e-5)
        assert np.abs(found.modal[m][~has] - np.asarray(without.modal[m])[~has]).max() > 0.01


def test_rows_that_do_not_exist_reach_nothing():
    model = make(**IMPUTING)
    before, after = everyone(model), everyone(model, poisoned("visual"))
    np.testing.assert_array_equal(before.joint, after.joint)
    (loss, _), slope = gradients(model, pairs())
    (other, _), changed = gradients(model, pairs(), poisoned("visual"))
    np.testing.assert_allclose(other, loss, rtol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), slope, changed)


def test_with_imputation_a_one_sided_modality_trains():
    """As FB15K–DB15K has attributes on one side alone."""
    (_, terms), _ = gradients(make(**IMPUTING), pairs(), one_sided("attribute"))
    assert terms["attribute"] > 0
    (_, terms), _ = gradients(make(imputes=()), pairs(), one_sided("attribute"))
    assert terms["attribute"] == 0


def test_the_auto_encoders_do_not_move_what_they_encode():
    """Their losses reach their own parameters alone."""
    base = {**IMPUTING, "alignment": 0.0, "commonality": False}
    (_, _), slope = gradients(make(**base), pairs())
    found = slope["params"]
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(found["encode"]))
    for m in NAMES[1:]:
        own = found[f"impute_{m}"]
        assert np.abs(own["join"]["kernel"]).max() > 0
        assert np.abs(own["own"]["encoder_0"]["kernel"]).max() > 0


def test_one_imputed_modality_alone_is_imputed_from_structure():
    names = ("structure", "visual")
    model = Tmea(names, world().num_entities, width=8, **IMPUTING)
    given = inputs()
    (loss, terms), slope = compiled(model)[2](random_params(model, given), given, pairs())
    assert np.isfinite(loss)
    assert terms["imputation"] > 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


@functools.cache
def with_everything(model: Tmea):
    """Jitted ``(loss, terms), gradient`` of pairs, triples and pseudo-links."""

    def loss(params, inputs, pairs, triples, pseudo):
        rngs = {"dropout": jax.random.key(0)}
        return model.apply(params, inputs, pairs, triples, pseudo, method="loss", rngs=rngs)

    return jax.jit(jax.value_and_grad(loss, has_aux=True))


@functools.cache
def triples() -> TripleBatch:
    given = inputs()
    partner = counterparts(jnp.asarray(links()), world().num_entities)
    return jax.jit(corrupted_batch)(jax.random.key(1), given.triples, given.triples.rows[:20], partner)


def found_links() -> np.ndarray:
    return np.concatenate([world().links[BATCH : BATCH + 5], [[-1, -1]] * 2])


def test_pseudo_links_are_kept_apart_and_weigh_a_tenth():
    model = make(imputes=(), commonality=False)
    params = trained(model)
    (total, terms), _ = with_everything(model)(params, inputs(), pairs(), triples(), found_links())
    _, alone = losses(model, jnp.asarray(world().links[BATCH : BATCH + 5]))
    seeds, seed_terms = losses(model, pairs())
    for name, value in seed_terms.items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-4)
    np.testing.assert_allclose(terms["pseudo"], sum(alone.values()), rtol=1e-4)
    np.testing.assert_allclose(total, seeds + 0.1 * terms["pseudo"] + terms["translation"], rtol=1e-5)


def test_triples_move_entities_and_relations():
    model = make(imputes=(), commonality=False)
    (_, terms), slope = with_everything(model)(trained(model), inputs(), pairs(), triples(), found_links())
    params = trained(model)["params"]
    entities, relations = (
        x / np.linalg.norm(x, axis=1, keepdims=True)
        for x in (params["encode"]["entities"], params["relations"]["table"])
    )
    energies = [
        np.sum((entities[h] + relations[r] - entities[t]) ** 2, axis=1)
        for h, r, t in (np.asarray(triples().positive).T, np.asarray(triples().negative).T)
    ]
    excess = np.maximum(0, 1 + energies[0] - energies[1]) * np.asarray(triples().valid)
    np.testing.assert_allclose(terms["translation"], excess.sum(), rtol=1e-5)
    touched = np.unique(np.asarray(triples().positive)[:, 1])
    slope = slope["params"]
    assert np.abs(slope["relations"]["table"][touched]).max() > 0
    assert np.abs(np.delete(slope["relations"]["table"], touched, axis=0)).max() == 0
    assert np.abs(slope["encode"]["entities"]).max() > 0


def test_an_unknown_modality_to_impute_is_refused():
    with pytest.raises(InputError, match="did you mean 'visual'"):
        jax.eval_shape(
            lambda: make(imputes=("visuel",)).init(jax.random.key(0), inputs(), pairs(), method="loss")
        )


def test_structure_by_translation_is_for_methods_that_read_triples():
    model = Mclea(NAMES, world().num_entities, width=8, encoder="translation")
    with pytest.raises(InputError, match="reads no triples"):
        jax.eval_shape(lambda: model.init(jax.random.key(0), inputs(), pairs(), method="loss"))

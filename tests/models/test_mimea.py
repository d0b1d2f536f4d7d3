"""MIMEA on a small world: masking, padding, and what its switches do."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.data import SyntheticOptions
from mmea_jax.data.synthetic import generate
from mmea_jax.models.mimea import Mimea
from mmea_jax.training.inputs import make_inputs, modalities_of, with_capacity

BATCH = 12


@pytest.fixture(scope="module")
def world():
    return generate(SyntheticOptions(entities=60, visual_width=8))


@pytest.fixture(scope="module")
def inputs(world):
    return jax.tree.map(jnp.asarray, with_capacity(make_inputs(world), world.num_entities))


def make(world, **fields) -> Mimea:
    return Mimea(modalities_of(world), world.num_entities, width=8, transport_entities=8, **fields)


@functools.cache
def compiled(model: Mimea):
    """Jitted ``init``, ``embed`` and ``(loss, terms), gradient`` of one model."""
    key = jax.random.key(0)

    def loss(params, inputs, pairs):
        return model.apply(params, inputs, pairs, method="loss", rngs={"dropout": key})

    return (
        jax.jit(lambda i, p: model.init({"params": key, "dropout": key}, i, p, method="loss")),
        jax.jit(lambda params, i, e: model.apply(params, i, e, method="embed")),
        jax.jit(jax.value_and_grad(loss, has_aux=True)),
    )


@pytest.fixture(scope="module")
def trained(world, inputs):
    model = make(world)
    params = compiled(model)[0](inputs, jnp.asarray(world.links[:BATCH]))
    # Away from the symmetric start, where every expert weighs the same.
    noise = jax.tree.map(lambda p: 0.3 * jax.random.normal(jax.random.key(1), p.shape), params)
    return model, jax.tree.map(jnp.add, params, noise)


def embed(trained, inputs, entities):
    """Embeddings of ``entities``, asked for among padding so that every test compiles the same shape."""
    model, params = trained
    asked = np.full(model.num_entities, -1, np.int32)
    asked[: len(entities)] = entities
    found = compiled(model)[1](params, inputs, asked)
    return jax.tree.map(lambda x: np.asarray(x)[: len(entities)], found)


def test_absent_modality_has_confidence_exactly_zero_and_the_rest_sums_to_one(world, trained, inputs):
    everyone = np.arange(world.num_entities)
    found = embed(trained, inputs, everyone)
    present = np.asarray(inputs.presence(trained[0].modalities, jnp.asarray(everyone)))
    assert not present.all()
    np.testing.assert_array_equal(np.asarray(found.confidence)[~present], 0.0)
    np.testing.assert_allclose(np.asarray(found.confidence).sum(1), 1.0, rtol=1e-5)


def test_an_absent_row_has_no_influence(world, trained, inputs):
    absent = np.flatnonzero(~world.modalities["visual"].present)[:10]
    before = embed(trained, inputs, absent)
    poisoned = dict(inputs.dense) | {"visual": inputs.dense["visual"].at[absent].set(7.0)}
    after = embed(trained, dataclasses.replace(inputs, dense=poisoned), absent)
    np.testing.assert_array_equal(before.joint, after.joint)
    np.testing.assert_array_equal(before.distribution.alpha, after.distribution.alpha)


def test_embedding_of_an_entity_does_not_depend_on_who_else_is_asked(world, trained, inputs):
    some = np.array([3, 50, 7])
    alone = embed(trained, inputs, some)
    among = embed(trained, inputs, np.arange(world.num_entities))
    np.testing.assert_allclose(alone.joint, among.joint[some], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(alone.joint, axis=1), 1.0, rtol=1e-5)


def test_padding_changes_neither_loss_nor_gradient(world, trained, inputs):
    # Transport takes its rows from the front of the batch, so 8 of 12 and 8 of 17 are the same.
    model, params = trained
    pairs = jnp.asarray(world.links[:BATCH])
    padded = jnp.concatenate([pairs, jnp.full((5, 2), -1)])
    plain, with_padding = (compiled(model)[2](params, inputs, p) for p in (pairs, padded))
    np.testing.assert_allclose(plain[0][0], with_padding[0][0], rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=5e-5), plain[1], with_padding[1])


@pytest.mark.parametrize(
    "kept",
    [
        (),
        ("visual",),
        ("relation", "visual"),
        ("relation", "attribute"),
        ("attribute", "visual", "name", "char"),
    ],
    ids="+".join,
)
def test_any_subset_of_modalities_trains(world, kept):
    subset = dataclasses.replace(world, modalities={m: world.modalities[m] for m in kept})
    inputs = jax.tree.map(jnp.asarray, with_capacity(make_inputs(subset), subset.num_entities))
    model = make(subset, entity_dropout=0.2, modality_dropout=0.3)
    pairs = jnp.asarray(subset.links[:BATCH])
    init, _, gradient = compiled(model)
    (loss, _), gradients = gradient(init(inputs, pairs), inputs, pairs)
    assert np.isfinite(loss)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))
    assert model.modalities == ("structure", *(m for m in modalities_of(world) if m in kept))


def test_a_modality_that_no_pair_shares_gets_no_gradient_and_no_weight_drift(world, inputs, trained):
    """As on FB15K–DB15K, where attributes exist on one side only."""
    model, params = trained
    one_sided = inputs.present["attribute"] & jnp.asarray(world.side == 0)
    inputs = dataclasses.replace(inputs, present=inputs.present | {"attribute": one_sided})
    _, gradient = compiled(model)[2](params, inputs, jnp.asarray(world.links[:BATCH]))
    at = model.modalities.index("attribute")
    assert gradient["params"]["log_variances"][at] == 0
    assert gradient["params"]["log_temperatures"][at] == 0
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradient))


def test_transport_reports_convergence_and_its_switch_removes_it(world, trained, inputs):
    model, params = trained
    pairs = jnp.asarray(world.links[:BATCH])
    (total, terms), _ = compiled(model)[2](params, inputs, pairs)
    assert 0 <= terms["transport_converged"] <= 1
    assert terms["transport_iterations"] > 0
    (plain, plain_terms), _ = compiled(make(world, transport=0.0))[2](params, inputs, pairs)
    assert "transport" not in plain_terms
    np.testing.assert_allclose(total - plain, model.transport * terms["transport"], rtol=1e-3)


def test_temperatures_can_be_fixed(world, trained, inputs):
    _, params = trained
    model = make(world, learn_temperature=False)
    _, gradient = compiled(model)[2](params, inputs, jnp.asarray(world.links[:BATCH]))
    np.testing.assert_array_equal(gradient["params"]["log_temperatures"], 0.0)


def test_static_fusion_has_no_distribution(world, inputs):
    model = make(world, fusion="static")
    init, ask, _ = compiled(model)
    pairs = jnp.asarray(world.links[:BATCH])
    found = ask(init(inputs, pairs), inputs, np.arange(world.num_entities, dtype=np.int32))
    assert found.distribution is None
    assert not model.has_distribution
    np.testing.assert_allclose(np.linalg.norm(found.joint, axis=1), 1.0, rtol=1e-5)

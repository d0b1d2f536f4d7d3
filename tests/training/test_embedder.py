"""Embeddings in blocks, and what neighbours add to them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.data import SyntheticOptions
from mmea_jax.data.synthetic import generate
from mmea_jax.models.mimea import Mimea
from mmea_jax.training.embedder import Embedder
from mmea_jax.training.inputs import make_inputs, modalities_of, with_capacity
from mmea_jax.training.scores import make_scorer


@pytest.fixture(scope="module")
def setting():
    world = generate(SyntheticOptions(entities=60, visual_width=8))
    # An entity without neighbours on each side.
    alone = np.array([world.links[0, 0], world.links[0, 1]])
    touched = np.isin(world.triples[:, [0, 2]], alone).any(axis=1)
    world = dataclasses.replace(world, triples=world.triples[~touched])
    inputs = jax.tree.map(jnp.asarray, with_capacity(make_inputs(world), world.num_entities))
    model = Mimea(modalities_of(world), world.num_entities, width=8, transport=0.0)
    key = jax.random.key(0)

    def init(inputs, pairs):
        return model.init({"params": key, "dropout": key}, inputs, pairs, method="loss")

    params = jax.jit(init)(inputs, jnp.asarray(world.links[:12]))
    return world, inputs, model, params, alone


def test_context_is_the_weighted_sum_of_the_neighbours_joint_embeddings(setting):
    world, inputs, model, params, alone = setting
    everyone = np.arange(world.num_entities)
    (found,) = Embedder(model, inputs, context=0.25)(params, everyone)
    n = world.num_entities
    adjacency = np.zeros((n, n))
    for h, _, t in world.triples:
        if h != t:
            adjacency[h, t] = adjacency[t, h] = 1
    around = adjacency @ (np.asarray(found.joint) / np.sqrt(np.maximum(adjacency.sum(1), 1))[:, None])
    lengths = np.linalg.norm(around, axis=1, keepdims=True)
    expected = 0.5 * around / np.where(lengths > 0, lengths, 1)
    np.testing.assert_allclose(found.context, expected, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(found.context)[alone], 0.0)


def test_context_adds_its_weight_times_a_cosine_to_every_score(setting):
    world, inputs, model, params, _ = setting
    left, right = Embedder(model, inputs, context=0.49)(params, *world.links[:20].T)
    plain = Embedder(model, inputs)(params, *world.links[:20].T)
    np.testing.assert_allclose(left.joint, plain[0].joint, atol=1e-6)
    for how in ("joint", "joint+modal", "joint+importance"):
        scorer, without = make_scorer(left, right, how), make_scorer(*plain, how)
        difference = np.asarray(scorer.left @ scorer.right.T - without.left @ without.right.T)
        np.testing.assert_allclose(difference, left.context @ right.context.T, atol=1e-5)
        assert np.abs(difference).max() <= 0.49 + 1e-5

"""Embeddings in blocks, and what the neighbours' matches add to them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.data import SyntheticOptions
from mmea_jax.data.synthetic import generate
from mmea_jax.matching import topk
from mmea_jax.models.mimea import Mimea
from mmea_jax.training.consensus import ConsensusEmbedder
from mmea_jax.training.embedder import Embedder
from mmea_jax.training.inputs import make_inputs, modalities_of, with_capacity
from mmea_jax.training.options import MatchingOptions
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


def dense(scorer) -> np.ndarray:
    """All scores, read back from the full ranking of each row."""
    values, columns = topk(scorer, scorer.shape[1])
    scores = np.empty_like(values)
    np.put_along_axis(scores, columns, values, axis=1)
    return scores


def test_embeddings_do_not_depend_on_who_else_is_asked_for(setting):
    world, inputs, model, params, _ = setting
    embed = Embedder(model, inputs)
    (everyone,) = embed(params, np.arange(world.num_entities))
    left, right = embed(params, *world.links[:20].T)
    for found, own in ((left, world.links[:20, 0]), (right, world.links[:20, 1])):
        np.testing.assert_allclose(found.joint, np.asarray(everyone.joint)[own], atol=1e-6)
        assert found.support is None


def test_distributions_are_left_out_where_nothing_reads_them(setting):
    world, inputs, model, params, _ = setting
    entities = world.links[:5, 0]
    (whole,) = Embedder(model, inputs)(params, entities)
    (found,) = Embedder(model, inputs, distributions=False)(params, entities)
    assert whole.distribution is not None
    assert found.distribution is None
    np.testing.assert_array_equal(found.joint, whole.joint)


def test_consensus_adds_the_support_of_the_asked_candidates_to_every_score(setting):
    world, inputs, model, params, alone = setting
    plain = Embedder(model, inputs)
    seeds, asked = world.links[:12], world.links[12:40]
    for how in ("joint", "joint+modal"):
        options = MatchingOptions(score=how, consensus=2)
        embed = ConsensusEmbedder(plain, world, seeds, options)
        left, right = embed(params, *asked.T)
        with_support = dense(make_scorer(left, right, how))
        without = dense(make_scorer(*plain(params, *asked.T), how))
        support = with_support - without
        scale = 1 if how == "joint" else 1 + len(left.modalities)
        assert support.min() >= -1e-5
        assert 0.05 < support.max() <= 0.5 * scale + 1e-5
        # What is asked for does not change what is found: the support comes from both graphs whole.
        one, two = asked[5:6, 0], asked[:, 1]
        again = dense(make_scorer(*embed(params, one, two), how))
        np.testing.assert_allclose(again[0], with_support[5], atol=1e-5)
    # An entity without neighbours has none.
    (lonely,) = embed(params, alone[:1])
    assert (np.asarray(lonely.support.columns) == -1).all()


def test_new_parameters_are_embedded_anew(setting):
    world, inputs, model, params, _ = setting
    embed = ConsensusEmbedder(
        Embedder(model, inputs), world, world.links[:12], MatchingOptions(score="joint", consensus=1)
    )
    (before,) = embed(params, np.arange(5))
    (after,) = embed(jax.tree.map(lambda x: x + 0.1, params), np.arange(5))
    assert np.abs(np.asarray(before.joint) - np.asarray(after.joint)).max() > 1e-4

"""What every alignment model must do with absent modalities, padding and subsets: shared test cases.

A test file subclasses ``AlignmentCases``, names its ``model`` and adds what is particular to it.
"""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.data import SyntheticOptions
from mmea_jax.data.synthetic import generate
from mmea_jax.training.inputs import make_inputs, modalities_of, with_capacity
from mmea_jax.vocabulary import STRUCTURE

BATCH = 12


@functools.cache
def world():
    kgs = generate(SyntheticOptions(entities=40, triples_per_entity=3.0, visual_width=8))
    kept = ("relation", "attribute", "visual")
    return dataclasses.replace(kgs, modalities={m: kgs.modalities[m] for m in kept})


def inputs_of(kgs):
    return jax.tree.map(jnp.asarray, with_capacity(make_inputs(kgs), kgs.num_entities))


@functools.cache
def inputs():
    return inputs_of(world())


def links():
    """The pairs of ``pairs()`` without padding."""
    return world().links[:BATCH]


def pairs():
    """A batch with padding among it; one shape for all tests, for compiling takes most of their time."""
    return jnp.asarray(np.insert(links(), [3, 8, 8, BATCH], -1, axis=0))


@functools.cache
def compiled(model: nn.Module):
    """Jitted ``embed``, ``loss`` and ``(loss, terms), gradient`` of one model."""
    key = jax.random.key(0)

    def loss(params, inputs, pairs):
        return model.apply(params, inputs, pairs, method="loss", rngs={"dropout": key})

    def embed(params, inputs, entities):
        return model.apply(params, inputs, entities, method="embed")

    # Unoptimised programs compile in half the time.
    jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    return jit(embed), jit(loss), jit(jax.value_and_grad(loss, has_aux=True))


def random_params(model: nn.Module, given, seed: int = 1):
    """Parameters drawn at random: nothing is symmetric, as it is at the start, and nothing is compiled."""
    key = jax.random.key(0)
    shapes = jax.eval_shape(
        lambda: model.init({"params": key, "dropout": key}, given, pairs(), method="loss")
    )
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: (0.3 * rng.standard_normal(leaf.shape)).astype(np.float32), shapes)


@functools.cache
def trained(model: nn.Module):
    return random_params(model, inputs())


def embed(model: nn.Module, entities, given=None):
    """Embeddings of ``entities``, asked for among padding so that every test compiles the same shape."""
    asked = np.full(model.num_entities, -1, np.int32)
    asked[: len(entities)] = entities
    found = compiled(model)[0](trained(model), inputs() if given is None else given, asked)
    return jax.tree.map(lambda x: np.asarray(x)[: len(entities)], found)


def losses(model: nn.Module, batch):
    """``(loss, terms)`` on ``batch``, where no gradient is wanted."""
    return compiled(model)[1](trained(model), inputs(), batch)


def gradients(model: nn.Module, batch, given=None):
    """``((loss, terms), gradient)`` on ``batch``."""
    return compiled(model)[2](trained(model), inputs() if given is None else given, batch)


def shared(modality: str) -> np.ndarray:
    """bool[BATCH]: which of ``links()`` have the modality on both sides."""
    if modality == STRUCTURE:
        return np.ones(BATCH, bool)
    return world().modalities[modality].present[links()].all(axis=1)


def one_sided(modality: str):
    """Inputs in which KG 1 alone has ``modality``, as FB15K–DB15K has attributes."""
    kept = inputs().present[modality] & jnp.asarray(world().side == 0)
    return dataclasses.replace(inputs(), present=inputs().present | {modality: kept})


class AlignmentCases:
    """Contract of a model; ``cls`` and ``fields`` name it, dropout is off unless a test says so."""

    cls: type[nn.Module]
    fields: dict = {}  # noqa: RUF012
    # Parameters of a modality's own weight, by name: they must not drift where no pair shares it.
    weights: tuple[str, ...] = ("log_variances",)

    def make(self, kgs=None, **fields) -> nn.Module:
        kgs = world() if kgs is None else kgs
        return self.cls(modalities_of(kgs), kgs.num_entities, width=8, **(self.fields | fields))

    def test_absent_modality_has_confidence_exactly_zero_and_the_rest_sums_to_one(self):
        model, everyone = self.make(), np.arange(world().num_entities)
        found = embed(model, everyone)
        present = np.asarray(inputs().presence(model.modalities, jnp.asarray(everyone)))
        assert not present.all()
        np.testing.assert_array_equal(found.confidence[~present], 0.0)
        assert (found.confidence[present] > 0).all()
        np.testing.assert_allclose(found.confidence.sum(1), 1.0, rtol=1e-5)

    def test_an_absent_row_has_no_influence(self):
        absent = np.flatnonzero(~world().modalities["visual"].present)[:10]
        before = embed(self.make(), absent)
        poisoned = inputs().dense | {"visual": inputs().dense["visual"].at[absent].set(7.0)}
        after = embed(self.make(), absent, dataclasses.replace(inputs(), dense=poisoned))
        np.testing.assert_array_equal(before.joint, after.joint)
        np.testing.assert_array_equal(before.confidence, after.confidence)

    def test_embedding_of_an_entity_does_not_depend_on_who_else_is_asked(self):
        some = np.array([3, 50, 7])
        alone, among = embed(self.make(), some), embed(self.make(), np.arange(world().num_entities))
        np.testing.assert_allclose(alone.joint, among.joint[some], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(alone.joint, axis=1), 1.0, rtol=1e-5)
        for rows in alone.modal.values():
            np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-5)

    def test_padding_changes_neither_loss_nor_gradient(self):
        model = self.make()
        (padded, padded_terms), one = gradients(model, pairs())
        plain, terms = losses(model, jnp.asarray(links()))
        np.testing.assert_allclose(padded, plain, rtol=1e-5)
        for name, value in terms.items():
            np.testing.assert_allclose(padded_terms[name], value, rtol=1e-4, atol=1e-6)
        (_, _), two = gradients(model, pairs()[::-1])
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=5e-5), one, two)

    @pytest.mark.parametrize(
        "kept",
        [(), ("visual",), ("attribute", "visual"), ("relation", "visual"), ("relation", "attribute")],
        ids="+".join,
    )
    def test_any_subset_of_modalities_trains(self, kept):
        subset = dataclasses.replace(world(), modalities={m: world().modalities[m] for m in kept})
        model, given = self.make(subset), inputs_of(subset)
        (loss, _), found = compiled(model)[2](random_params(model, given), given, pairs())
        assert np.isfinite(loss)
        assert all(np.isfinite(g).all() for g in jax.tree.leaves(found))
        assert np.abs(found["params"]["encode"]["entities"]).max() > 0
        assert model.modalities == ("structure", *kept)

    def test_a_modality_that_no_pair_shares_has_no_loss_and_no_weight_drift(self):
        model = self.make()
        (_, terms), found = gradients(model, pairs(), one_sided("attribute"))
        assert terms["attribute"] == 0
        at = model.modalities.index("attribute")
        for name in self.weights:
            assert found["params"][name][at] == 0
            assert np.abs(found["params"][name]).max() > 0
        assert all(np.isfinite(g).all() for g in jax.tree.leaves(found))

    def test_pairs_that_lack_a_modality_have_no_part_in_its_loss(self):
        """The loss of images over all pairs is that over the pairs of which both have one."""
        model, both = self.make(), shared("visual")
        assert 2 <= both.sum() < BATCH
        (_, terms), _ = gradients(model, pairs())
        kept = np.where(both[:, None], links(), -1)
        (_, alone), _ = gradients(model, jnp.asarray(np.insert(kept, [3, 8, 8, BATCH], -1, axis=0)))
        np.testing.assert_allclose(terms["visual"], alone["visual"], rtol=1e-4)

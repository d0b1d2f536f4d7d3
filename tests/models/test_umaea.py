"""UMAEA on a small world: what is absent, filled and imagined, and what the losses are made of."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.losses.weighing import automatic, kendall
from mmea_jax.models.umaea import Umaea
from mmea_jax.nn.imagination import Imagination, hybrid_vector
from mmea_jax.nn.normalise import unit
from tests.models.cases import AlignmentCases, embed, gradients, inputs, losses, pairs, trained, world

# One layer of attention: what is tested lies behind it, and XLA takes most of the time.
SMALL = {"dropout": 0.0, "inner": 12, "width": 8, "layers": 1}


def make(**fields) -> Umaea:
    everything = ("structure", "relation", "attribute", "visual")
    return Umaea(everything, world().num_entities, **(SMALL | {"fills": ()} | fields))


@functools.cache
def imagining(model: Umaea):
    """Jitted ``embed`` and ``(loss, terms)``, both with imagination."""

    def loss(params, inputs, pairs, key):
        flags = {"imagine": True, "reconstruct": True}
        return model.apply(params, inputs, pairs, **flags, method="loss", rngs={"dropout": key})

    return (
        jax.jit(lambda params, i, e: model.apply(params, i, e, imagine=True, method="embed")),
        jax.jit(loss),
    )


def imagine(model: Umaea, given=None):
    """Embeddings of everyone, imagined where absent."""
    everyone = np.arange(world().num_entities, dtype=np.int32)
    return jax.device_get(imagining(model)[0](trained(model), given or inputs(), everyone))


def everyone(model: Umaea):
    return embed(model, np.arange(world().num_entities))


def poisoned(modality: str = "visual"):
    """Inputs in which rows that do not exist hold something."""
    absent = ~world().modalities[modality].present
    dense = inputs().dense | {modality: jnp.where(absent[:, None], 7.0, inputs().dense[modality])}
    return dataclasses.replace(inputs(), dense=dense)


HAS_IMAGE = world().modalities["visual"].present
HAS_ATTRIBUTES = world().modalities["attribute"].present


class TestUmaea(AlignmentCases):
    """With everything absent left out."""

    cls = Umaea
    fields = {"dropout": 0.0, "inner": 12, "fills": (), "layers": 1}  # noqa: RUF012


def test_a_filled_modality_is_there_and_others_that_are_absent_weigh_exactly_nothing():
    model = make(fills=("visual",))
    confidence = everyone(model).confidence
    visual, attribute = (confidence[:, model.modalities.index(m)] for m in ("visual", "attribute"))
    assert (visual > 0).all()
    np.testing.assert_array_equal(attribute[~HAS_ATTRIBUTES], 0.0)
    assert (attribute[HAS_ATTRIBUTES] > 0).all()


def test_a_filled_row_is_the_entitys_own_and_does_not_read_what_is_absent():
    model = make(fills=("visual",))
    asked = np.flatnonzero(~HAS_IMAGE)[:10]
    before, after = embed(model, asked), embed(model, asked, poisoned())
    np.testing.assert_array_equal(before.joint, after.joint)
    similar = before.modal["visual"] @ before.modal["visual"].T
    assert (similar[~np.eye(10, dtype=bool)] < 0.99).all()
    among = everyone(model)
    np.testing.assert_allclose(before.modal["visual"], among.modal["visual"][asked], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fills", [(), ("visual",)], ids=["left out", "filled"])
def test_an_entity_with_an_image_is_unaffected_by_imagination_at_inference(fills):
    model = make(fills=fills)
    without, found = everyone(model), imagine(model)
    for ours, theirs in ((found.joint, without.joint), (found.confidence, without.confidence)):
        np.testing.assert_allclose(ours[HAS_IMAGE], theirs[HAS_IMAGE], rtol=1e-5, atol=1e-6)
        assert np.abs(ours - theirs)[~HAS_IMAGE].max() > 1e-3
    own, before = found.modal["visual"][HAS_IMAGE], without.modal["visual"][HAS_IMAGE]
    np.testing.assert_allclose(own, before, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("made_up", ["filled", "imagined"])
def test_what_is_made_up_can_be_left_out_of_the_comparison(made_up):
    fills = ("visual",) if made_up == "filled" else ()
    embed = imagine if made_up == "imagined" else everyone
    published, given = (embed(make(fills=fills, compare_absent=own)).joint for own in (True, False))
    whole = HAS_IMAGE & HAS_ATTRIBUTES
    np.testing.assert_allclose(given[whole], published[whole], rtol=1e-5, atol=1e-6)
    block = slice(3 * given.shape[1] // 4, None)
    assert np.abs(published[~HAS_IMAGE, block]).max() > 1e-3
    np.testing.assert_array_equal(given[~HAS_IMAGE, block], 0.0)
    np.testing.assert_allclose(np.linalg.norm(given, axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("fills", [(), ("visual",)], ids=["left out", "filled"])
def test_an_imagined_embedding_does_not_depend_on_the_own_absent_row(fills):
    model = make(fills=fills)
    before, after = imagine(model), imagine(model, poisoned())
    np.testing.assert_array_equal(before.modal["visual"][~HAS_IMAGE], after.modal["visual"][~HAS_IMAGE])
    np.testing.assert_array_equal(before.joint[~HAS_IMAGE], after.joint[~HAS_IMAGE])


def test_what_is_imagined_at_inference_is_the_mean_from_all_other_modalities():
    model = make()
    params, without = trained(model), everyone(model)
    present = np.asarray(inputs().presence(model.modalities, jnp.arange(world().num_entities)))
    raw = jax.jit(
        lambda p: model.apply(
            p, inputs(), jnp.arange(world().num_entities), None, False, method="modal_vectors"
        )
    )(params)
    hybrid = hybrid_vector(raw[:3], present[:, :3])
    own = {"params": params["params"]["imaginations_visual"]}
    expected = unit(Imagination(8).apply(own, hybrid).mean)
    found = imagine(model)
    np.testing.assert_allclose(found.modal["visual"][~HAS_IMAGE], expected[~HAS_IMAGE], rtol=1e-4, atol=1e-6)
    at = model.modalities.index("visual")
    assert (found.confidence[~HAS_IMAGE, at] > 0).all()
    np.testing.assert_array_equal(without.confidence[~HAS_IMAGE, at], 0.0)


def test_any_modality_can_be_imagined():
    model = make(imagines=("attribute", "visual"))
    without, found = everyone(model), imagine(model)
    at = model.modalities.index("attribute")
    assert (found.confidence > 0).all()
    np.testing.assert_array_equal(without.confidence[~HAS_ATTRIBUTES, at], 0.0)
    whole = HAS_IMAGE & HAS_ATTRIBUTES
    np.testing.assert_allclose(found.joint[whole], without.joint[whole], rtol=1e-5, atol=1e-6)


def test_without_the_modality_there_is_nothing_to_imagine():
    model = Umaea(("structure", "relation"), world().num_entities, **SMALL)
    assert not model.can_imagine
    assert not any("imagin" in name for name in trained(model)["params"])
    assert not make(imagines=()).can_imagine
    assert make().can_imagine


def test_imagination_is_sampled_in_training():
    model = make()
    key = jax.random.key
    terms = [imagining(model)[1](trained(model), inputs(), pairs(), key(k))[1] for k in (0, 0, 1)]
    np.testing.assert_array_equal(terms[0]["imagined_visual"], terms[1]["imagined_visual"])
    assert abs(terms[0]["imagined_visual"] - terms[2]["imagined_visual"]) > 1e-4
    # The prior is of the distribution, not of its sample.
    np.testing.assert_allclose(terms[0]["prior_visual"], terms[2]["prior_visual"], rtol=1e-6)


def test_the_losses_are_put_together_as_the_method_says():
    model = make()
    total, terms = imagining(model)[1](trained(model), inputs(), pairs(), jax.random.key(0))
    p = trained(model)["params"]
    views = [
        kendall(jnp.stack([terms[f"{h}{m}"] for m in model.modalities]), p["log_variances"])
        for h in ("", "hidden_")
    ]
    hybrid = jnp.stack([terms["joint"] + terms["static"], views[0] + terms["imagined_visual"], views[1]])
    names = ("reconstruct_modality", "reconstruct_hybrid", "similarity", "prior")
    own = jnp.stack([terms[f"{name}_visual"] for name in names])
    expected = automatic(hybrid, p["loss_scales"]) + automatic(own, p["imagination_loss_scales"][0])
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    assert all(terms[f"{name}_visual"] > 0 for name in names)
    (plain, plain_terms), _ = gradients(model, pairs())
    assert set(plain_terms) == {
        "joint",
        "static",
        *model.modalities,
        *(f"hidden_{m}" for m in model.modalities),
    }
    views[0] = kendall(jnp.stack([plain_terms[m] for m in model.modalities]), p["log_variances"])
    views[1] = kendall(jnp.stack([plain_terms[f"hidden_{m}"] for m in model.modalities]), p["log_variances"])
    hybrid = jnp.stack([plain_terms["joint"] + plain_terms["static"], *views])
    np.testing.assert_allclose(plain, automatic(hybrid, p["loss_scales"]), rtol=1e-5)


def test_late_refinement_and_confidence_can_be_switched_off():
    """Parameters are drawn by name, so all three models have the same ones."""
    full, unrefined, plain = make(), make(refinement=False), make(confident=False)
    p = trained(full)["params"]
    _, terms = losses(full, pairs())
    total, kept = losses(unrefined, pairs())
    assert set(terms) - set(kept) == {f"hidden_{m}" for m in full.modalities}
    entity = kendall(jnp.stack([kept[m] for m in full.modalities]), p["log_variances"])
    two = jnp.stack([kept["joint"] + kept["static"], entity])
    np.testing.assert_allclose(total, automatic(two, p["loss_scales"][:2]), rtol=1e-5)
    _, unweighted = losses(plain, pairs())
    for name, value in terms.items():
        weighed = name in full.modalities
        assert (abs(unweighted[name] - value) > 1e-4) == weighed, name


def test_reconstruction_is_learnt_from_entities_with_an_image_alone():
    model = make()

    @jax.jit
    def learn(params, inputs):
        def loss(params):
            key = jax.random.key(0)
            flags = {"imagine": True, "reconstruct": True}
            return model.apply(params, inputs, pairs(), **flags, method="loss", rngs={"dropout": key})

        return jax.grad(loss, has_aux=True)(params)

    names = [
        f"{name}_visual" for name in ("reconstruct_modality", "reconstruct_hybrid", "similarity", "prior")
    ]
    gradient, terms = learn(trained(model), inputs())
    assert all(terms[name] > 0 for name in names)
    own = gradient["params"]["imaginations_visual"]
    assert all(np.abs(g).max() > 0 for g in jax.tree.leaves(own))
    nobody = inputs().present | {"visual": jnp.zeros_like(inputs().present["visual"])}
    gradient, terms = learn(trained(model), dataclasses.replace(inputs(), present=nobody))
    assert [float(terms[name]) for name in names] == [0.0] * 4
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradient))
    # The decoder serves reconstruction alone.
    np.testing.assert_array_equal(gradient["params"]["imaginations_visual"]["decoder_outer"]["kernel"], 0.0)


def test_static_and_dynamic_inference():
    static, dynamic = make(), make(inference="dynamic")
    params = trained(static)
    np.testing.assert_array_equal(
        jax.tree.leaves(params)[0], jax.tree.leaves(trained(dynamic))[0], err_msg="the same parameters"
    )
    found = {name: everyone(model) for name, model in (("static", static), ("dynamic", dynamic))}
    np.testing.assert_allclose(found["static"].confidence, found["dynamic"].confidence, rtol=1e-5)
    full = HAS_IMAGE & HAS_ATTRIBUTES
    logits = params["params"]["fuse_static"]["modality_logits"]
    weights = np.broadcast_to(jax.nn.softmax(logits), found["static"].confidence.shape)
    for name, own in (("static", weights), ("dynamic", found["dynamic"].confidence)):
        parts = [own[:, k, None] * found[name].modal[m] for k, m in enumerate(static.modalities)]
        joint = unit(jnp.concatenate(parts, axis=1))
        np.testing.assert_allclose(found[name].joint[full], joint[full], rtol=1e-4, atol=1e-6)


def test_sensitivity_counts_entities_with_an_image_and_reaches_the_visual_layer():
    model = make()
    asked = np.append(np.arange(40, dtype=np.int32), -1)

    @jax.jit
    def slope(params):
        return jax.grad(lambda p: model.apply(p, inputs(), asked, method="sensitivity"), has_aux=True)(params)

    gradient, count = slope(trained(model))
    assert count == HAS_IMAGE[:40].sum()
    layer = gradient["params"]["encode"]["dense_encoders_visual"]
    assert all(np.abs(g).max() > 0 for g in jax.tree.leaves(layer))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"imagines": ("visul",)}, r"model\.imagines = 'visul' \(did you mean 'visual'"),
        ({"imagines": ("structure",)}, r"model\.imagines = 'structure'"),
        ({"fills": ("image",)}, r"model\.fills"),
        ({"inference": "statc"}, r"model\.inference = 'statc' \(did you mean 'static'"),
    ],
)
def test_unknown_words_are_refused(fields, message):
    model = make(**fields)
    with pytest.raises(InputError, match=message):
        jax.eval_shape(
            lambda: model.init(
                {"params": jax.random.key(0), "dropout": jax.random.key(0)}, inputs(), pairs(), method="loss"
            )
        )

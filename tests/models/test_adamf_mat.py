"""AdaMF-MAT: published values through the whole module, and who learns from which term."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.losses.self_adversarial import self_adversarial
from mmea_jax.models.adamf_mat import AdamfMat
from mmea_jax.nn.completion_inputs import CompletionInputs
from mmea_jax.nn.known_triples import make_known
from mmea_jax.nn.negatives import bernoulli_head_probability, corrupt

N, R, B = 20, 3, 6
RNG = np.random.default_rng(0)
TRIPLES = np.unique(RNG.integers(0, (N, R, N), (40, 3)), axis=0)
BATCH = np.concatenate([TRIPLES[:B], np.full((2, 3), -1)]).astype(np.int32)
KEY = jax.random.key(0)


def make_inputs(modalities=("visual", "text")):
    present = {m: np.arange(N) % (3 + k) != 0 for k, m in enumerate(modalities)}
    features = {m: RNG.standard_normal((N, 5 + k)).astype(np.float32) for k, m in enumerate(modalities)}
    return CompletionInputs(
        features={m: jnp.asarray(f * present[m][:, None]) for m, f in features.items()},
        present={m: jnp.asarray(p) for m, p in present.items()},
        known=make_known(TRIPLES, N),
        head_probability=jnp.asarray(bernoulli_head_probability(TRIPLES, R)),
    )


INPUTS = make_inputs()


def make(kind="self_adversarial", **fields):
    fields = {"modalities": ("structure", "visual", "text"), "dim": 4, "noise": 3, "hidden": 6, **fields}
    model = AdamfMat(num_entities=N, num_relations=R, **fields)
    init = jax.jit(lambda key: model.init(key, INPUTS, BATCH, key, kind, 2, method="loss"))
    return model, init(KEY)


def apply(model, params, method, *arguments):
    return jax.jit(lambda p: model.apply(p, *arguments, method=method))(params)


def test_published_tables_scores_and_loss(golden):
    stored = np.load(golden / "adamf.npz")
    count = len(stored["joint"])
    model = AdamfMat(
        ("structure", "visual", "text"), count, 5, dim=int(stored["dim"]), margin=float(stored["margin"])
    )
    inputs = CompletionInputs(
        features={"visual": jnp.asarray(stored["image"]), "text": jnp.asarray(stored["text"])},
        present={m: jnp.ones(count, bool) for m in ("visual", "text")},
        known=make_known(stored["triples"], count),
        head_probability=jnp.full(5, 0.5),
    )
    own = {
        f"project_{m}": {"kernel": stored[f"param/{p}_proj.weight"], "bias": stored[f"param/{p}_proj.bias"]}
        for m, p in (("visual", "img"), ("text", "text"))
    }
    own |= {f"features_{m}": inputs.features[m] for m in inputs.features}
    own |= {
        "entities": stored["param/ent_embeddings.weight"],
        "relations": stored["param/rel_embeddings.weight"],
        "fuse": {"attention": stored["param/ent_attn.weight"]},
    }
    params = {"params": own}
    initial = jax.eval_shape(
        lambda: model.init(
            KEY, inputs, stored["triples"].astype(np.int32), KEY, "self_adversarial", 2, method="loss"
        )
    )
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(
        lambda x: x.shape, {"params": dict(initial["params"])}
    )
    tables = apply(model, params, "tables", inputs)
    np.testing.assert_allclose(tables.entities, stored["joint"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(tables.attention, stored["attention"], rtol=1e-5, atol=1e-6)
    h, r, t = stored["triples"][:1].T
    tails = model.score_all(tables, "tail", h, r)[0]
    heads = model.score_all(tables, "head", t, r)[0]
    np.testing.assert_allclose(tails, stored["score_all_tails"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(heads, stored["score_all_heads"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scorer", ["rotate", "complex"])
def test_the_loss_is_that_of_corruptions_scored_one_by_one(scorer, monkeypatch):
    # Chunks of one triple, so that their seams are tested too.
    monkeypatch.setattr("mmea_jax.nn.corrupted_scores._CPU_BYTES", 1)
    model, params = make(scorer=scorer)
    loss, terms = apply(model, params, "loss", INPUTS, BATCH, KEY, "self_adversarial", 5)
    tables = apply(model, params, "tables", INPUTS)
    made = corrupt(jax.random.fold_in(KEY, 0), INPUTS.known, np.maximum(BATCH, 0), 5, INPUTS.head_probability)
    rows = np.asarray(made.triples(jnp.maximum(BATCH, 0)))[:B]

    def score(triples):
        h, r, t = np.moveaxis(triples, -1, 0)
        return model.rule.triples(tables.entities[h], tables.relations[r], tables.entities[t])

    expected = self_adversarial(score(BATCH[:B]), score(rows), 2.0)
    assert float(loss) == pytest.approx(float(expected), rel=1e-4)
    assert float(terms["triples"]) == float(loss)


@pytest.mark.parametrize("reciprocal", [False, True])
def test_cross_entropy_asks_both_ends_as_evaluation_does(reciprocal):
    model, params = make("1vsall", scorer="complex", reciprocal=reciprocal, n3=0.0)
    loss, _ = apply(model, params, "loss", INPUTS, BATCH, KEY, "1vsall", 1)
    tables = apply(model, params, "tables", INPUTS)
    assert len(tables.relations) == R * (1 + reciprocal)
    h, r, t = BATCH[:B].T
    missed = []
    for end, given, gold in (("tail", h, t), ("head", t, h)):
        scores = model.score_all(tables, end, given, r)
        missed.append(-np.asarray(jax.nn.log_softmax(scores))[np.arange(B), gold])
    assert float(loss) == pytest.approx(np.mean(missed), rel=1e-4)


def test_the_norm_is_of_both_entities_and_the_relation():
    model, params = make("1vsall", scorer="complex", reciprocal=True, n3=0.5)
    loss, terms = apply(model, params, "loss", INPUTS, BATCH, KEY, "1vsall", 1)
    tables = apply(model, params, "tables", INPUTS)

    def cubes(rows):
        real, imaginary = np.split(np.asarray(rows), 2, axis=1)
        return (np.hypot(real, imaginary) ** 3).sum(axis=1).mean()

    h, r, t = BATCH[:B].T
    relations = (cubes(tables.relations[r]) + cubes(tables.relations[r + R])) / 2
    expected = cubes(tables.entities[h]) + cubes(tables.entities[t]) + relations
    assert float(terms["n3"]) == pytest.approx(expected, rel=1e-4)
    assert float(loss) == pytest.approx(float(terms["triples"]) + 0.5 * expected, rel=1e-4)


@pytest.mark.parametrize("reciprocal", [False, True])
def test_relations_are_predicted_from_both_ends(reciprocal):
    model, params = make("1vsall", scorer="complex", reciprocal=reciprocal, relation_prediction=0.5)
    loss, terms = apply(model, params, "loss", INPUTS, BATCH, KEY, "1vsall", 1)
    tables = apply(model, params, "tables", INPUTS)
    h, r, t = BATCH[:B].T
    ways = [(h, t, 0)] + [(t, h, R)] * reciprocal
    missed = []
    for start, end, offset in ways:
        relations = tables.relations[offset : offset + R]
        scores = model.rule.triples(
            tables.entities[start][:, None], relations[None], tables.entities[end][:, None]
        )
        missed.append(-np.asarray(jax.nn.log_softmax(scores))[np.arange(B), r])
    assert float(terms["relations"]) == pytest.approx(np.mean(missed), rel=1e-4)
    assert float(loss) == pytest.approx(float(terms["triples"] + 0.5 * terms["relations"]), rel=1e-5)


def gradients(model, params):
    """Of the model's loss and of the generators', by name."""

    def own(p):
        return model.apply(p, INPUTS, BATCH, KEY, "self_adversarial", 2, method="loss")[0]

    def fakes(p):
        return model.apply(p, INPUTS, BATCH, KEY, method="generator_loss")

    both = [jax.jit(jax.grad(f))(params)["params"] for f in (own, fakes)]
    return [{k: float(sum(jnp.abs(x).sum() for x in jax.tree.leaves(v))) for k, v in g.items()} for g in both]


def test_generators_learn_from_their_own_loss_alone():
    model, params = make(adversarial=0.5)
    of_model, of_generators = gradients(model, params)
    names = {"generate_visual", "generate_text"}
    assert names <= set(of_model)
    for name in names:
        assert of_model[name] == 0
        assert of_generators[name] > 0
    assert all(value > 0 for name, value in of_model.items() if name not in names)


def test_the_adversarial_term_reaches_the_model():
    with_term, params = make(adversarial=0.5)
    loss, terms = apply(with_term, params, "loss", INPUTS, BATCH, KEY, "self_adversarial", 2)
    assert float(loss) == pytest.approx(float(terms["triples"] + 0.5 * terms["adversarial"]), rel=1e-5)
    plain = {k: v for k, v in params["params"].items() if not k.startswith("generate")}
    without, own = make(adversarial=0.0)
    assert set(own["params"]) == set(plain)
    assert not without.has_generators
    other, _ = apply(without, {"params": plain}, "loss", INPUTS, BATCH, KEY, "self_adversarial", 2)
    assert float(other) == pytest.approx(float(terms["triples"]), rel=1e-5)


def test_absent_modalities_are_masked_or_filled_at_random():
    present = np.stack([np.asarray(INPUTS.present[m]) for m in ("visual", "text")], axis=1)
    masked, params = make()
    attention = np.asarray(apply(masked, params, "tables", INPUTS).attention)
    assert (attention[:, 1:][~present] == 0).all()
    assert (attention[:, 1:][present] > 0).all()
    random, params = make(absent="random")
    assert (np.asarray(apply(random, params, "tables", INPUTS).attention) > 0).all()
    filled = np.asarray(params["params"]["features_visual"])
    own = present[:, 0]
    np.testing.assert_array_equal(filled[own], INPUTS.features["visual"][own])
    assert (filled[~own] != 0).all()
    assert len(np.unique(filled[~own], axis=0)) == (~own).sum()


def test_without_adaptive_fusion_what_is_present_has_equal_weight():
    model, params = make(modal="mean", adversarial=0.5)
    assert "fuse" not in params["params"]
    tables = apply(model, params, "tables", INPUTS)
    present = np.stack([np.ones(N, bool), *(np.asarray(INPUTS.present[m]) for m in ("visual", "text"))], 1)
    np.testing.assert_allclose(tables.attention, present / present.sum(1, keepdims=True))
    own = params["params"]
    vectors = [np.asarray(own["entities"])]
    for m in ("visual", "text"):
        layer = own[f"project_{m}"]
        vectors.append(np.asarray(own[f"features_{m}"]) @ layer["kernel"] + layer["bias"])
    expected = [np.mean([v[i] for v, p in zip(vectors, present[i], strict=True) if p], 0) for i in range(N)]
    np.testing.assert_allclose(tables.entities, expected, rtol=1e-5, atol=1e-6)
    # Fake vectors are fused likewise, and both sides learn.
    of_model, of_generators = gradients(model, params)
    assert of_model["entities"] > 0
    assert min(of_generators["generate_visual"], of_generators["generate_text"]) > 0


def test_features_may_be_fixed_and_structure_may_stand_alone():
    _, params = make(train_features=False)
    assert not [name for name in params["params"] if name.startswith("features")]
    _, params = make(modal="none", adversarial=1.0)
    assert set(params["params"]) == {"entities", "relations"}


@pytest.mark.parametrize("modalities", [("structure",), ("structure", "text")])
def test_any_modality_may_be_missing_from_the_data(modalities):
    model, params = make(modalities=modalities, adversarial=0.5)
    loss, _ = apply(model, params, "loss", INPUTS, BATCH, KEY, "self_adversarial", 2)
    assert np.isfinite(loss)
    assert model.has_generators == (len(modalities) > 1)

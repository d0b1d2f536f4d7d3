"""The epoch as one scan: what it skips, who is updated, and what a frozen rate leaves alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.models.adamf_mat import AdamfMat
from mmea_jax.nn.completion_inputs import CompletionInputs
from mmea_jax.nn.known_triples import make_known
from mmea_jax.training import finite
from mmea_jax.training.completion.optimizer import initial_states, make_optimizers, parted
from mmea_jax.training.completion.options import CompletionTrainOptions
from mmea_jax.training.completion.steps import CompletionState, make_epoch

N, R = 12, 2
TRIPLES = np.unique(np.random.default_rng(0).integers(0, (N, R, N), (20, 3)), axis=0).astype(np.int32)
KEY = jax.random.key(0)
OPTIONS = CompletionTrainOptions(negatives=2, learning_rate=1e-2)
INPUTS = CompletionInputs(
    features={"text": jax.random.normal(jax.random.key(1), (N, 5))},
    present={"text": jnp.arange(N) % 3 > 0},
    known=make_known(TRIPLES, N),
    head_probability=jnp.full(R, 0.5),
)
MODEL = AdamfMat(("structure", "text"), N, R, dim=3, noise=2, hidden=4, adversarial=0.1)


def initial(options=OPTIONS):
    params = jax.jit(
        lambda key: MODEL.init(key, INPUTS, TRIPLES[:4], key, "self_adversarial", 2, method="loss")
    )(KEY)
    params = {"params": dict(params["params"])}
    return CompletionState(jnp.zeros((), jnp.int32), params, initial_states(options, params))


def names_changed(before, after):
    pairs = jax.tree.map(lambda a, b: not np.array_equal(a, b), before["params"], after["params"])
    return {name: any(jax.tree.leaves(own)) for name, own in pairs.items()}


@pytest.fixture(scope="module")
def run():
    return make_epoch(MODEL, OPTIONS, 5, 4)


def test_a_step_updates_model_and_generators(run):
    before = initial().params
    state, metrics = run(initial(), INPUTS, TRIPLES[:18], KEY, np.int32(0), np.int32(5))
    assert all(names_changed(before, state.params).values())
    assert int(state.step) == 5
    of_generators = {"generators", "generators_gradient_norm"}
    assert {"loss", "triples", "adversarial", "gradient_norm", "not_finite", *of_generators} == set(metrics)
    assert all(np.isfinite(value).all() for value in metrics.values())


def test_what_is_not_finite_is_named(run):
    # Features are trained along, so it is their parameters that count.
    state = initial()
    own = state.params["params"]
    spoilt = own | {"features_text": jnp.full_like(own["features_text"], jnp.nan)}
    state = state.replace(params={"params": spoilt})
    _, metrics = run(state, INPUTS, TRIPLES[:18], KEY, np.int32(0), np.int32(5))
    with pytest.raises(finite.NotFiniteError, match=r"here, step 1\d: the loss term 'adversarial'"):
        finite.judged(metrics, "here", 10, 5, "stop", "mend")


def test_steps_beyond_the_cap_change_nothing(run):
    two, _ = run(initial(), INPUTS, TRIPLES[:18], KEY, np.int32(0), np.int32(2))
    assert int(two.step) == 2
    none, _ = run(initial(), INPUTS, TRIPLES[:18], KEY, np.int32(0), np.int32(0))
    assert not any(names_changed(initial().params, none.params).values())


def test_another_epoch_is_another_order(run):
    first, second = (
        run(initial(), INPUTS, TRIPLES[:18], KEY, np.int32(e), np.int32(5))[0].params for e in (0, 1)
    )
    assert names_changed(first, second)["entities"]


@pytest.mark.parametrize("optimizer", ["adam", "adagrad"])
def test_the_fusion_has_a_rate_of_its_own(optimizer):
    own, _ = parted(initial().params)
    steps = []
    for factor in (1.0, 0.1):
        options = CompletionTrainOptions(optimizer=optimizer, learning_rate=0.5, fusion_rate=factor)
        transform = make_optimizers(options)[0]
        gradient = jax.tree.map(jnp.ones_like, own)
        steps.append(jax.jit(transform.update)(gradient, transform.init(own), own)[0])
    np.testing.assert_allclose(steps[0]["entities"], steps[1]["entities"])
    np.testing.assert_allclose(steps[0]["entities"], -0.5, rtol=1e-5)
    for name in ("features_text", "project_text", "fuse"):
        for a, b in zip(jax.tree.leaves(steps[0][name]), jax.tree.leaves(steps[1][name]), strict=True):
            np.testing.assert_allclose(a, 10 * b, rtol=1e-5)


def test_adagrad_takes_whole_first_steps_however_small_the_gradient():
    own, _ = parted(initial().params)
    transform = make_optimizers(CompletionTrainOptions(optimizer="adagrad", learning_rate=0.1))[0]
    gradient = jax.tree.map(lambda x: jnp.full_like(x, 1e-8), own)
    updates, _ = jax.jit(transform.update)(gradient, transform.init(own), own)
    np.testing.assert_allclose(updates["entities"], -0.1, rtol=1e-4)
    still, _ = jax.jit(transform.update)(jax.tree.map(jnp.zeros_like, own), transform.init(own), own)
    assert (np.asarray(still["entities"]) == 0).all()

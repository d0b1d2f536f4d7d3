"""Which parameters an optimizer moves, how fast, and what it remembers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.training.optimizer import learning_rate, make_optimizer
from mmea_jax.training.stages import Stage

PARAMS = {
    "params": {
        "encode": {"entities": jnp.ones((3, 2))},
        "fuse": {"kernel": jnp.ones((2, 2)), "leads": jnp.ones(2)},
        "log_variances": jnp.zeros(2),
    }
}


def moved(stage: Stage, steps: int = 10, taken: int = 4):
    """Parameters and optimizer state after a few steps at a constant gradient of 1."""
    optimizer = make_optimizer(stage, steps)
    params, state = PARAMS, optimizer.init(PARAMS)
    for _ in range(taken):
        updates, state = optimizer.update(jax.tree.map(jnp.ones_like, params), state, params)
        params = jax.tree.map(jnp.add, params, updates)
    change = jax.tree.map(lambda a, b: float(jnp.max(jnp.abs(a - b))), params, PARAMS)["params"]
    return change, state


def test_frozen_parameters_stay_and_hold_no_state():
    change, state = moved(Stage("late", 1, weight_decay=0.5, trains=("fuse/",)))
    assert change["encode"]["entities"] == 0
    assert change["log_variances"] == 0
    assert change["fuse"]["kernel"] > 0
    held = [x.shape for x in jax.tree.leaves(state) if x.ndim]
    assert (3, 2) not in held


def test_frozen_gradients_do_not_count_in_the_clipped_norm():
    alone = {"params": {"fuse": PARAMS["params"]["fuse"]}}
    stage = Stage("late", 1, weight_decay=0.0, clip=0.1, trains=("fuse/",))
    huge = jax.tree.map(jnp.ones_like, PARAMS)
    huge["params"]["encode"]["entities"] = jnp.full((3, 2), 1e9)
    after = []
    for params, gradient in ((PARAMS, huge), (alone, jax.tree.map(jnp.ones_like, alone))):
        optimizer = make_optimizer(stage, 10)
        state = optimizer.init(params)
        for _ in range(3):
            updates, state = optimizer.update(gradient, state, params)
        after.append(np.asarray(updates["params"]["fuse"]["kernel"]))
    np.testing.assert_allclose(*after, rtol=1e-6)


def test_loss_weights_learn_five_times_as_fast_and_patterns_set_other_rates():
    change, _ = moved(Stage("main", 1, weight_decay=0.0, rates={"fuse/": 0.1}))
    assert change["log_variances"] == pytest.approx(5 * change["encode"]["entities"], rel=1e-4)
    assert change["fuse"]["kernel"] == pytest.approx(0.1 * change["encode"]["entities"], rel=1e-3)


def test_the_rate_warms_up_and_falls_to_zero():
    schedule = learning_rate(Stage("main", 1, learning_rate=0.5, warmup=0.2), 100)
    assert schedule(0) == 0
    assert schedule(20) == pytest.approx(0.5)
    assert schedule(100) == pytest.approx(0, abs=1e-6)
    assert schedule(10) == pytest.approx(0.25)

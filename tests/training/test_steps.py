"""The inner loop: batches drawn on the device, and one compilation for any number of links."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.training.stages import Stage, batches_of
from mmea_jax.training.steps import TrainState, make_run_steps, shuffled


@given(capacity=st.integers(1, 40), extra=st.integers(0, 7), seed=st.integers(0, 9), data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_shuffled_epoch_holds_each_link_once_and_then_padding(capacity, extra, seed, data):
    count = data.draw(st.integers(1, capacity))
    links = np.stack([np.arange(capacity), 100 + np.arange(capacity)], 1)
    drawn = np.asarray(shuffled(jax.random.key(seed), jnp.asarray(links), count, capacity + extra))
    assert sorted(map(tuple, drawn[:count])) == sorted(map(tuple, links[:count]))
    assert (drawn[count:] == -1).all()


def test_epochs_differ_in_order():
    links = jnp.asarray(np.stack([np.arange(50)] * 2, 1))
    orders = [np.asarray(shuffled(jax.random.key(e), links, 50, 50))[:, 0].tolist() for e in range(3)]
    assert len({tuple(order) for order in orders}) == 3


@given(links=st.integers(1, 10_000), size=st.integers(1, 4_000))
def test_batches_are_equal_cover_all_links_and_pad_less_than_one_pair_a_step(links, size):
    steps, batch = batches_of(links, size)
    assert batch <= size
    assert links <= steps * batch < links + steps


class _Counts(nn.Module):
    """Its terms say what a step was given."""

    @nn.compact
    def loss(self, inputs, pairs):
        scale = self.param("scale", nn.initializers.ones, ())
        real = pairs[:, 0] >= 0
        return scale * inputs, {"pairs": 1.0 * jnp.sum(real), "rows": 1.0 * len(pairs)} | {
            "sum": 1.0 * jnp.sum(jnp.where(real, pairs[:, 0], 0))
        }


@pytest.mark.parametrize(("size", "last", "rows"), [(7, 2, [7, 2]), (4, 1, [4, 4, 1]), (5, None, [5, 5])])
def test_a_short_last_batch_is_a_step_of_its_own_size(size, last, rows):
    links = np.stack([np.arange(9)] * 2, 1).astype(np.int32)
    stage = Stage("one", 1, batch_size=size, equal_batches=False)
    steps, batch = stage.batches(len(links))
    assert stage.last_batch(len(links)) == last
    model, optimizer = _Counts(), optax.sgd(0.5)
    params = {"params": {"scale": jnp.ones(())}}
    run = make_run_steps(model, optimizer, {}, steps, batch, last)
    args = (jnp.float32(2), jnp.asarray(links), np.int32(9), jax.random.key(0), np.int32(1))
    for taken in (steps, steps - 1):
        state = TrainState(jnp.int32(0), jax.tree.map(jnp.copy, params), optimizer.init(params))
        state, metrics = run(state, *args, np.int32(taken))
        assert int(state.step) == taken
        np.testing.assert_allclose(state.params["params"]["scale"], 1 - taken)
        assert float(metrics["rows"]) == np.mean(rows[:taken])
        if taken == steps:
            assert (float(metrics["pairs"]) * steps, float(metrics["sum"]) * steps) == (9, 36)


def test_a_stage_trains_what_its_patterns_match():
    stage = Stage("late", 1, trains=("experts", "log_"))
    assert stage.trained("params/experts_0/Dense_0/kernel")
    assert stage.trained("params/log_variances")
    assert not stage.trained("params/encode/entities")

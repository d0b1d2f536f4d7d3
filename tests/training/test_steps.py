"""The inner loop: batches drawn on the device, and one compilation for any number of links."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.training.stages import Stage, batches_of
from mmea_jax.training.steps import shuffled


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


def test_a_stage_trains_what_its_patterns_match():
    stage = Stage("late", 1, trains=("experts", "log_"))
    assert stage.trained("params/experts_0/Dense_0/kernel")
    assert stage.trained("params/log_variances")
    assert not stage.trained("params/encode/entities")

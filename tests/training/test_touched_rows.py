"""Steps on sampled neighbourhoods: the gradient of the whole table, at the rows that a step reads alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmea_jax.nn.graph import make_graph
from mmea_jax.nn.sampled_graph import make_sampled
from mmea_jax.training.holding import Hold
from mmea_jax.training.optimizer import make_optimizer
from mmea_jax.training.stages import Stage
from mmea_jax.training.steps import TrainState, make_run_steps
from mmea_jax.training.touched_rows import touched
from tests.training.small_training import Small

KEY = jax.random.key(3)


@pytest.fixture(scope="module")
def small():
    return Small(1, neighbours=2, entity_dropout=0.0)


@pytest.fixture(scope="module")
def inputs(small):
    return small.trainer._inputs(3)


def pairs_of(small):
    """Two, and padding."""
    return np.concatenate([small.links[:2], [[-1, -1]]]).astype(np.int32)


def shuffled_pairs(small):
    """As the first pass takes them."""
    order = jax.random.uniform(jax.random.fold_in(KEY, 1), (3,))[:2]
    return jnp.asarray(pairs_of(small))[jnp.append(jnp.argsort(order), 2)]


def run(small, inputs, optimizer, state, skips=False):
    compiled = make_run_steps(small.model, optimizer, {}, 1, 3, skips=skips)
    # Donated.
    state = jax.tree.map(jnp.copy, state)
    return compiled(state, inputs, jnp.asarray(pairs_of(small)), np.int32(2), KEY, np.int32(1), np.int32(1))


def begun(small, optimizer, hold=None):
    params = small.trainer.initial().best
    return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params), hold)


@pytest.mark.parametrize("depth", [1, 2])
def test_positions_stand_for_the_entities_that_were_drawn(depth):
    ends = np.random.default_rng(0).integers(0, 30, (60, 2))
    ends = np.unique(np.concatenate([ends, ends[:, ::-1], np.repeat(np.arange(30)[:, None], 2, 1)]), axis=0)
    graph = jax.tree.map(jnp.asarray, make_sampled(make_graph(ends[:, 0], ends[:, 1], 30), 3))
    pairs = jnp.array([[4, 21], [-1, -1], [9, 4]])
    found = jax.jit(touched, static_argnums=3)(graph, KEY, pairs, depth)
    rows = np.asarray(found.rows)
    known = rows[rows < 30]
    assert len(rows) <= 30
    np.testing.assert_array_equal(known, np.unique(known))
    # Padding stands for entity 0.
    np.testing.assert_array_equal(rows[found.tree.levels[0]], [4, 0, 9, 21, 0, 4])
    for level, children, there in zip(
        found.tree.levels[:-1], found.tree.levels[1:], found.tree.real, strict=True
    ):
        np.testing.assert_array_equal(children[..., 0], level)
        drawn = np.stack([np.broadcast_to(level[..., None], children.shape), children], -1)[np.asarray(there)]
        assert {tuple(pair) for pair in rows[drawn]} <= {tuple(pair) for pair in ends}


def test_a_step_is_that_of_the_whole_table_on_the_same_sample(small, inputs):
    optimizer = optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(0.1))
    state = begun(small, optimizer)
    after, _ = run(small, inputs, optimizer, state)
    pairs = shuffled_pairs(small)
    key = jax.random.fold_in(KEY, 0)
    found = touched(inputs.graph, key, pairs, small.model.layers)
    # The entities themselves, and the whole table.
    tree = found.tree.replace(levels=tuple(found.rows[level] for level in found.tree.levels))
    whole = inputs.replace(graph=tree)
    gradient = jax.grad(
        lambda params: small.model.apply(params, whole, pairs, method="loss", rngs={"dropout": key})[0]
    )(state.params)
    updates, _ = optimizer.update(gradient, state.opt_state, state.params)
    expected = optax.apply_updates(state.params, updates)
    for one, other in zip(jax.tree.leaves(after.params), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_other_rows_and_their_moments_stay_as_they_are(small, inputs):
    optimizer = make_optimizer(Stage("main", 3, 0.02, weight_decay=0.1), 3)
    state = begun(small, optimizer)
    after, metrics = run(small, inputs, optimizer, run(small, inputs, optimizer, state)[0])
    assert np.isfinite(metrics["loss"])

    def tables(state):
        leaves = jax.tree_util.tree_leaves_with_path(state)
        return [np.asarray(x) for path, x in leaves if getattr(path[-1], "key", "") == "entities"]

    pairs = shuffled_pairs(small)
    read = [touched(inputs.graph, jax.random.fold_in(KEY, step), pairs, 1).rows for step in (0, 1)]
    read = np.isin(np.arange(90), np.concatenate(read))
    assert 4 < read.sum() < 45
    before, now = tables(state), tables(after)
    assert len(before) == 3  # the table and two moments
    for one, other in zip(before, now, strict=True):
        np.testing.assert_array_equal(one[~read], other[~read])
        assert np.any(one[read] != other[read])


def test_what_is_not_finite_is_skipped_and_what_is_held_is_read_at_the_same_rows(small, inputs):
    optimizer = optax.sgd(0.1)
    table = small.trainer.initial().best["params"]["encode"]["entities"]
    path = "params/encode/entities"
    hold = Hold({path: jnp.zeros_like(table)}, {path: jnp.full_like(table, jnp.inf)})
    state = begun(small, optimizer, hold)
    after, metrics = run(small, inputs, optimizer, state, skips=True)
    assert metrics["not_finite"][0] == 1
    for one, other in zip(jax.tree.leaves(after.params), jax.tree.leaves(state.params), strict=True):
        np.testing.assert_array_equal(one, other)
    firm = Hold({path: table}, {path: jnp.full_like(table, 5.0)})
    state = begun(small, optimizer, firm)
    # Nothing has moved yet, so that there is nothing to pay.
    assert run(small, inputs, optimizer, state)[1]["hold"] == 0

"""What must hold on eight devices; ``test_many_devices.py`` runs it in a process that has them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from mmea_jax.errors import InputError
from mmea_jax.matching.similarity import best_of_columns
from mmea_jax.nn.attention import attention_coefficients
from mmea_jax.nn.bags import SparseRows, capacity_for, rows_times_matrix
from mmea_jax.nn.graph import make_graph
from mmea_jax.nn.neighbour_sum import neighbour_sum
from mmea_jax.nn.parted_graph import part_graph
from mmea_jax.training.saving import to_checkpoint
from mmea_jax.training.sharding import Sharding
from tests.training.small_training import Small, assert_alike, plain, trained


@pytest.fixture(scope="module")
def on_one():
    return trained(1)


def test_losses_and_answers_are_those_of_one_device(on_one):
    assert jax.device_count() == 8
    assert_alike(on_one, trained(8))


def test_on_sampled_neighbourhoods_too():
    assert_alike(trained(1, neighbours=2), trained(8, neighbours=2))


def test_tables_optimizer_and_edges_are_split():
    small = Small(8)
    with small.sharding.active():
        progress = small.trainer.initial()
        small.losses(progress, 1)
    state, rows = progress.state, -(-90 // 8)
    tables = [x for x in jax.tree.leaves(state) if x.ndim and x.shape[0] == 8 * rows]
    # The entity table and its two moments.
    assert len(tables) == 3
    for table in [*tables, progress.state.params["params"]["encode"]["entities"]]:
        assert {shard.data.shape for shard in table.addressable_shards} == {(rows, 8)}
        assert len({shard.device for shard in table.addressable_shards}) == 8
        np.testing.assert_array_equal(np.asarray(table)[90:], 0)
    # All else is whole on each.
    others = [x for x in jax.tree.leaves(state) if x.ndim and x.shape[0] != 8 * rows]
    assert others
    assert all(shard.data.shape == x.shape for x in others for shard in x.addressable_shards)
    inputs = small.trainer._placed_inputs
    for x in jax.tree.leaves((inputs.graph, inputs.dense, inputs.present)):
        assert {8 * shard.data.shape[0] for shard in x.addressable_shards} == {x.shape[0]}


@pytest.mark.parametrize(("first", "then"), [(8, 1), (1, 8)])
def test_a_run_goes_on_on_other_devices(on_one, tmp_path, first, then):
    small = Small(first)
    with small.sharding.active():
        progress = small.trainer.initial()
        losses = small.losses(progress, 2)
        before = small.save(progress, tmp_path)
    # Without the padding that eight devices need.
    assert {x.shape[0] for x in before if x.ndim and x.shape[0] > 60} == {90}
    other = Small(then)
    with other.sharding.active():
        progress = other.restore(tmp_path)
        for a, b in zip(before, plain(to_checkpoint(progress, other.sharding)[0]), strict=True):
            np.testing.assert_array_equal(a, b)
        losses += other.losses(progress, 1)
        answers = other.answers(progress.state.params)
    np.testing.assert_allclose(losses, on_one[0], rtol=1e-5)
    np.testing.assert_allclose(answers["joint"], on_one[1]["joint"], atol=1e-5)


def test_more_devices_than_there_are_is_refused():
    with pytest.raises(InputError, match=r"train\.devices = 9"):
        Sharding(9, 90)


def _hub(rng, n: int):
    """Distinct symmetric edges with self-loops, entity 0 joined with all others."""
    ends = np.concatenate([rng.integers(0, n, (3 * n, 2)), np.stack([np.zeros(n, int), np.arange(n)], 1)])
    ends = np.concatenate([ends, ends[:, ::-1], np.repeat(np.arange(n)[:, None], 2, 1)])
    ends = np.unique(ends, axis=0)
    return ends[:, 0], ends[:, 1]


def test_sums_over_neighbours_and_their_gradients_are_those_of_the_whole_graph():
    rng, n = np.random.default_rng(0), 149
    graph = make_graph(*_hub(rng, n), n, slots_at_once=64)
    assert graph.long is not None
    sharding = Sharding(8, n)
    x, w, a = (rng.normal(size=shape).astype(np.float32) for shape in ((n, 6), (2, 6), (2, 12)))
    weights = rng.normal(size=(n, 6)).astype(np.float32)

    def value(graph, x, w, a):
        rows = neighbour_sum(graph, x, attention_coefficients(graph, x, w, a), w)
        return jnp.sum(jnp.sin(rows) * weights), rows

    run = jax.jit(jax.grad(value, argnums=(1, 2, 3), has_aux=True))
    expected = run(graph, x, w, a)
    with sharding.active():
        found = run(jax.device_put(part_graph(graph, 8), sharding.by_rows), x, w, a)
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-5, atol=2e-5)


def test_bags_are_read_in_parts():
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 5, 40)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    columns = rng.integers(0, 9, offsets[-1]).astype(np.int32)
    values = rng.random(offsets[-1]).astype(np.float32)
    entities = rng.permutation(40)[:27].astype(np.int32)
    entities[3] = -1
    whole = SparseRows(offsets, columns, values, 9, capacity_for(offsets, 27))
    part = dataclasses.replace(whole, part_capacity=capacity_for(offsets, 4))
    assert part.part_capacity < whole.capacity
    matrix = rng.normal(size=(9, 5)).astype(np.float32)
    value = jax.jit(jax.value_and_grad(lambda m, bag: jnp.sum(jnp.sin(rows_times_matrix(bag, entities, m)))))
    with Sharding(8, 40).active():
        found = value(matrix, jax.tree.map(jnp.asarray, part))
    for one, other in zip(value(matrix, jax.tree.map(jnp.asarray, whole)), found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5)


def test_the_best_of_columns_are_found_in_parts_with_ties_in_order():
    scores = np.random.default_rng(2).integers(0, 4, (32, 7)).astype(np.float32)
    expected = best_of_columns(scores, 9)
    with Sharding(8, 7).active():
        found = jax.jit(lambda x: best_of_columns(x, 9))(scores)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_device_compares_its_share_of_a_batch_with_all_others():
    from mmea_jax.losses.contrastive import icl

    rng = np.random.default_rng(3)
    z = [rng.normal(size=(40, 6)).astype(np.float32) for _ in range(2)]
    sharding = Sharding(8, 40)
    with sharding.active():
        placed = jax.device_put(z, sharding.by_rows)
        program = jax.jit(lambda one, two: icl(one, two, 0.1)).lower(*placed).compile().as_text()
        found = icl(*placed, 0.1)
    # 40 × 40 products, of which no device has more than 5 rows.
    assert "f32[5,40]" in program
    assert "f32[40,40]" not in program
    np.testing.assert_allclose(found, icl(*z, 0.1), rtol=1e-5)
    assert sharding.by_rows.spec == PartitionSpec("data")

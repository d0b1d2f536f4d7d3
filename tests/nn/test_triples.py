"""Swapping, passes and corruptions on the device, against Python sets."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.nn import triples as module
from mmea_jax.nn.triples import count_swapped, make_triples

N, R, T, C = 8, 3, 12, 4
counterparts = jax.jit(module.counterparts, static_argnums=1)
shuffled_pass = jax.jit(module.shuffled_pass, static_argnums=3)
corrupted_batch = jax.jit(module.corrupted_batch)
is_true = jax.jit(module.is_true)


def rows_of(seed):
    """T distinct triples."""
    every = [(h, r, t) for h in range(N) for r in range(R) for t in range(N)]
    return np.array(every)[np.random.default_rng(seed).choice(len(every), T, replace=False)]


def links_of(seed, count):
    """``count`` links from 0…3 to 4…7 in an array of C rows, padded."""
    rng = np.random.default_rng(seed)
    links = np.stack([rng.permutation(4), 4 + rng.permutation(4)], axis=1)
    links[count:] = -1
    return links


def swapped(rows, links):
    """The oracle: what one swap makes of the triples."""
    partner = {int(a): int(b) for pair in links if pair[0] >= 0 for a, b in (pair, pair[::-1])}
    made = [(partner[h], r, t) for h, r, t in rows.tolist() if h in partner]
    return made + [(h, r, partner[t]) for h, r, t in rows.tolist() if t in partner]


@given(st.integers(0, 999), st.integers(0, C))
@settings(max_examples=20, deadline=None)
def test_counterparts_go_both_ways_and_padding_has_none(seed, count):
    links = links_of(seed, count)
    found = np.asarray(counterparts(links, N))
    assert (found >= 0).sum() == 2 * count
    for one, two in links[:count]:
        assert found[one] == two
        assert found[two] == one


@given(st.integers(0, 999), st.integers(0, C))
@settings(max_examples=20, deadline=None)
def test_a_pass_holds_every_triple_and_every_swap_once(seed, count):
    rows, links = rows_of(seed), links_of(seed, count)
    expected = sorted([*map(tuple, rows.tolist()), *swapped(rows, links)])
    assert count_swapped(rows, links[:count], N) == len(expected)
    drawn = np.asarray(shuffled_pass(jax.random.key(seed), rows, counterparts(links, N), 3 * T + 2))
    assert sorted(map(tuple, drawn[: len(expected)].tolist())) == expected
    assert (drawn[len(expected) :] == -1).all()


def test_a_shorter_pass_takes_a_random_part():
    rows, partner = rows_of(0), counterparts(links_of(0, C), N)
    every = {*map(tuple, rows.tolist()), *swapped(rows, links_of(0, C))}
    drawn = [np.asarray(shuffled_pass(jax.random.key(k), rows, partner, 12)).tolist() for k in range(60)]
    assert {tuple(row) for part in drawn for row in part} == every
    assert drawn[0] != drawn[1]


@given(st.integers(0, 999), st.integers(0, C))
@settings(max_examples=20, deadline=None)
def test_what_is_true_equals_the_set_of_triples_and_swaps(seed, count):
    rows, links = rows_of(seed), links_of(seed, count)
    truth = {*map(tuple, rows.tolist()), *swapped(rows, links)}
    every = np.array([(h, r, t) for h in range(N) for r in range(R) for t in range(N)])
    found = is_true(make_triples(rows, N, R).known, every, counterparts(links, N))
    assert np.asarray(found).tolist() == [tuple(row) in truth for row in every.tolist()]


@given(st.integers(0, 999), st.integers(0, C))
@settings(max_examples=20, deadline=None)
def test_a_corruption_changes_one_end_and_is_never_true(seed, count):
    rows, links = rows_of(seed), links_of(seed, count)
    truth = {*map(tuple, rows.tolist()), *swapped(rows, links)}
    positive = np.full((3 * T, 3), -1, np.int32)
    given_rows = sorted(truth)[: 3 * T]
    positive[: len(given_rows)] = given_rows
    batch = corrupted_batch(jax.random.key(seed), make_triples(rows, N, R), positive, counterparts(links, N))
    valid, negative = np.asarray(batch.valid), np.asarray(batch.negative)
    assert not valid[len(given_rows) :].any()
    assert valid[: len(given_rows)].mean() > 0.5
    np.testing.assert_array_equal(np.asarray(batch.positive)[valid], positive[valid])
    for true, corrupted in zip(positive[valid].tolist(), negative[valid].tolist(), strict=True):
        assert tuple(corrupted) not in truth
        assert sum(a != b for a, b in zip(true, corrupted, strict=True)) == 1
        assert true[1] == corrupted[1]


def batches(rows, links, asked, count):
    """``count`` batches of corruptions of ``asked``, of one shape with the test above: compiled once."""
    triples, partner = make_triples(rows, N, R), counterparts(links, N)
    positive = np.resize(np.asarray(asked, np.int32), (3 * T, 3))
    return [corrupted_batch(jax.random.key(k), triples, positive, partner) for k in range(count)]


def test_a_corruption_that_a_swap_makes_true_does_not_count():
    rows = np.array([(0, 0, 1), (0, 0, 2), *((k % N, 1, k // N) for k in range(T - 2))])
    links = np.array([(2, 3), *[(-1, -1)] * (C - 1)])
    found = {
        (*row, ok)
        for batch in batches(rows, links, [(0, 0, 1)], 10)
        for row, ok in zip(batch.negative.tolist(), batch.valid.tolist(), strict=True)
    }
    # (0, 0, 2) is a triple and never drawn; (0, 0, 3) is its swap.
    tails = {(0, 0, t, t != 3) for t in range(N) if t not in (1, 2)}
    assert found == tails | {(h, 0, 1, True) for h in range(1, N)}


def test_both_ends_are_corrupted_as_often():
    rows = rows_of(1)
    made = batches(rows, np.full((C, 2), -1), rows, 50)
    share = np.mean([np.asarray(b.positive[:, 0]) != np.asarray(b.negative[:, 0]) for b in made])
    assert abs(share - 0.5) < 0.05


@pytest.mark.parametrize("bad", [(0, R, 0), (0, -1, 0), (N, 0, 0), (0, 0, -1)])
def test_ids_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match="must be in"):
        make_triples(np.array([bad]), N, R)

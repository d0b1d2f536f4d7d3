"""Membership and corruption on the device, against Python sets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.nn.known_triples import contains, make_known
from mmea_jax.nn.negatives import bernoulli_head_probability, corrupt

jitted_contains = jax.jit(contains)
jitted_corrupt = jax.jit(corrupt, static_argnums=3)
# Fixed numbers of triples, so that shapes compile once.
SIZES = (1, 12, 40)


@st.composite
def graphs(draw):
    """Triples over a few entities, so that some questions have nearly all entities as answers."""
    num_entities = draw(st.sampled_from((2, 3, 7)))
    size = draw(st.sampled_from(SIZES))
    seed = draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    triples = np.stack([rng.integers(0, n, size) for n in (num_entities, 2, num_entities)], axis=1)
    return triples, num_entities


def as_set(triples):
    return set(map(tuple, np.asarray(triples).tolist()))


@given(graphs())
@settings(max_examples=25, deadline=None)
def test_membership_equals_that_of_a_set(graph):
    triples, n = graph
    everything = np.array([(h, r, t) for h in range(n) for r in range(3) for t in range(n)])
    found = jitted_contains(_padded(triples, n), *everything.T)
    truth = as_set(triples)
    assert np.asarray(found).tolist() == [row in truth for row in map(tuple, everything.tolist())]


def _padded(triples, n):
    """Known triples whose arrays have one length for each number of entities: repeats of far relations."""
    distinct = np.unique(triples, axis=0)
    filling = [(i % n, 10 + i, 0) for i in range(max(SIZES) - len(distinct))]
    return make_known(np.concatenate([distinct, np.array(filling, int).reshape(-1, 3)]), n)


@given(graphs(), st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_corruptions_are_never_true_and_change_one_end(graph, seed):
    triples, n = graph
    truth, known = as_set(triples), _padded(triples, n)
    asked = np.resize(triples, (max(SIZES), 3))
    made = jitted_corrupt(jax.random.key(seed), known, asked, 8, jnp.float32(0.5))
    entities, at_head = np.asarray(made.entities), np.asarray(made.at_head)
    assert ((entities >= 0) & (entities < n)).all()
    for (h, r, t), own, heads, rows in zip(
        asked.tolist(), entities, at_head, np.asarray(made.triples(asked)), strict=True
    ):
        free = {
            True: [e for e in range(n) if (e, r, t) not in truth],
            False: [e for e in range(n) if (h, r, e) not in truth],
        }
        for entity, head, row in zip(own.tolist(), heads.tolist(), rows.tolist(), strict=True):
            assert row == ([entity, r, t] if head else [h, r, entity])
            if free[True] or free[False]:
                assert tuple(row) not in truth
                assert entity in free[head]


def test_every_entity_that_is_no_answer_is_equally_likely():
    triples = np.array([(0, 0, t) for t in (0, 1, 4, 5, 9)] + [(3, 0, 2)])
    made = jitted_corrupt(jax.random.key(0), make_known(triples, 10), triples[:1], 20_000, jnp.float32(0.0))
    counts = np.bincount(np.asarray(made.entities)[0], minlength=10)
    assert set(np.flatnonzero(counts)) == {2, 3, 6, 7, 8}
    # Five outcomes at 4,000 each, of standard deviation 57.
    assert np.abs(counts[counts > 0] - 4_000).max() < 300
    assert not np.asarray(made.at_head).any()


def test_the_other_end_is_corrupted_where_one_has_no_wrong_answer():
    triples = np.array([(0, 0, t) for t in range(4)])
    known = make_known(triples, 4)
    for chance in (0.0, 1.0):
        made = jitted_corrupt(jax.random.key(1), known, triples, 16, jnp.float32(chance))
        assert np.asarray(made.at_head).all()
        assert (np.asarray(made.entities) != 0).all()


def test_the_chance_of_the_head_is_the_relation_s():
    triples = np.array([(0, 0, 1), (0, 1, 1), (0, 2, 1)])
    made = jitted_corrupt(
        jax.random.key(2), make_known(triples, 50), triples, 4_000, jnp.asarray([0.1, 0.5, 0.9])
    )
    np.testing.assert_allclose(np.asarray(made.at_head).mean(axis=1), [0.1, 0.5, 0.9], atol=0.03)


def test_bernoulli_chances_by_hand():
    # Relation 0: one head, three tails. Relation 1: one to one. Relation 2: without a triple.
    triples = np.array([(0, 0, 1), (0, 0, 2), (0, 0, 3), (1, 1, 2), (2, 1, 3)])
    np.testing.assert_allclose(bernoulli_head_probability(triples, 3), [0.75, 0.5, 0.5])


def test_large_ids_do_not_overflow():
    n = 100_000  # n² exceeds 32 bits
    triples = np.array([(n - 1, 500, n - 1), (n - 1, 500, 5), (70_000, 3, 80_000), (5, 500, n - 1)])
    known = make_known(triples, n)
    asked = np.array([*triples.tolist(), (n - 1, 500, 6), (n - 2, 500, n - 1), (70_000, 4, 80_000)])
    found = jitted_contains(known, *asked.T)
    assert np.asarray(found).tolist() == [True] * 4 + [False] * 3


def test_no_triple_at_all():
    known = make_known(np.zeros((0, 3), int), 5)
    assert not np.asarray(jitted_contains(known, *np.array([[0, 0, 0]]).T)).any()
    made = jitted_corrupt(jax.random.key(0), known, np.array([[0, 0, 1]]), 100, jnp.float32(0.5))
    assert set(np.asarray(made.entities)[0].tolist()) == {0, 1, 2, 3, 4}


def test_entities_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"\[0, 3\)"):
        make_known(np.array([(0, 0, 3)]), 3)


def test_other_triples_of_one_shape_do_not_compile_again():
    traces = []

    @jax.jit
    def counted(key, known, triples):
        traces.append(1)
        return corrupt(key, known, triples, 4, 0.5)

    for seed in range(3):
        triples = np.random.default_rng(seed).permutation(30)[:, None] * np.array([[1, 0, 1]])
        counted(jax.random.key(seed), make_known(triples, 30), triples)
    assert len(traces) == 1

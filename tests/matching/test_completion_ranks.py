"""Filtered ranks against a slow oracle, ties included; metrics by kind of relation."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.matching.completion import (
    Ranker,
    by_category,
    completion_metrics,
    relation_categories,
)

N, R = 9, 3


def score(state, end, given, relation):
    """Any table of scores will do: one row for each end, entity and relation."""
    return state[0 if end == "head" else 1, given, relation]


def oracle(table, triples, known):
    """One triple at a time, by the definition."""
    known = set(map(tuple, known.tolist()))
    ranks = {"head": [], "tail": []}
    for h, r, t in triples.tolist():
        for end, row, gold in (("head", table[0, t, r], h), ("tail", table[1, h, r], t)):
            triple = {"head": lambda e, r=r, t=t: (e, r, t), "tail": lambda e, h=h, r=r: (h, r, e)}[end]
            others = [row[e] for e in range(N) if e != gold and triple(e) not in known]
            better = sum(s > row[gold] for s in others)
            equal = sum(s == row[gold] for s in others)
            ranks[end].append(1 + better + equal / 2)
    return ranks


@given(
    st.integers(0, 2**31),
    st.sampled_from((1, 2, 4)),
    st.sampled_from((1, 5, 30)),
    st.sampled_from((1, 3, 128)),
)
@settings(max_examples=10, deadline=None)
def test_ranks_equal_the_oracle(seed, levels, queries, block):
    rng = np.random.default_rng(seed)
    # Few levels of score: ties throughout, or nothing but ties.
    table = rng.integers(0, levels, (2, N, R, N)).astype(np.float32)
    triples, known = (rng.integers(0, (N, R, N), (n, 3)) for n in (queries, 40))
    found = Ranker(score, triples, known, N, block)(jnp.asarray(table))
    expected = oracle(table, triples, np.concatenate([known, triples]))
    for end in ("head", "tail"):
        np.testing.assert_array_equal(found[end], expected[end])


def test_constant_scores_give_chance():
    triples = np.array([(0, 0, 1), (2, 1, 3)])
    ranks = Ranker(score, triples, triples, N)(jnp.zeros((2, N, R, N)))
    for end in ("head", "tail"):
        np.testing.assert_array_equal(ranks[end], (N + 1) / 2)


def test_known_answers_do_not_count_but_unknown_ones_do():
    table = np.zeros((2, N, R, N), np.float32)
    table[1, 0, 0] = [5, 4, 3, 2, 1, 0, 0, 0, 0]
    ranker = Ranker(score, np.array([(0, 0, 3)]), np.array([(0, 0, 0), (0, 0, 1), (0, 1, 2)]), N)
    assert ranker(jnp.asarray(table))["tail"].tolist() == [2]


def test_the_state_may_change_and_nothing_is_compiled_again():
    traces = []

    def counted(state, end, given, relation):
        traces.append(end)
        return score(state, end, given, relation)

    rng = np.random.default_rng(0)
    triples = rng.integers(0, (N, R, N), (7, 3))
    ranker = Ranker(counted, triples, triples, N, 2)
    for _ in range(3):
        ranker(jnp.asarray(rng.standard_normal((2, N, R, N)), jnp.float32))
    assert sorted(traces) == ["head", "tail"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(bad):
    table = np.zeros((2, N, R, N), np.float32)
    table[1, 0, 0, 5] = bad
    with pytest.raises(FloatingPointError, match="NaN or infinite"):
        Ranker(score, np.array([(0, 0, 1)]), np.zeros((0, 3), int), N)(jnp.asarray(table))


def test_nothing_to_rank_is_refused():
    with pytest.raises(ValueError, match="no triple"):
        Ranker(score, np.zeros((0, 3), int), np.zeros((0, 3), int), N)


def test_metrics_by_hand():
    found = completion_metrics({"head": np.array([1.0, 4.0]), "tail": np.array([2.0, 20.0])})
    assert found["both"] == {"hits@1": 0.25, "hits@3": 0.5, "hits@10": 0.75, "mr": 6.75, "mrr": 0.45}
    assert found["head"]["mrr"] == pytest.approx(0.625)
    assert found["tail"]["hits@3"] == 0.5


def test_categories_by_hand():
    one_to_one = [(0, 0, 1), (2, 0, 3)]
    one_to_many = [(0, 1, t) for t in (1, 2, 3)]
    many_to_one = [(h, 2, 0) for h in (1, 2, 3)]
    many_to_many = [(h, 3, t) for h in (0, 1) for t in (2, 3)]
    triples = np.array(one_to_one + one_to_many + many_to_one + many_to_many)
    kinds = relation_categories(triples, 5)
    assert kinds.tolist() == ["1-1", "1-N", "N-1", "N-N", "unseen"]
    ranks = {"head": np.arange(1.0, 4.0), "tail": np.array([1.0, 1.0, 5.0])}
    found = by_category(ranks, np.array([0, 2, 2]), kinds)
    assert set(found) == {"1-1", "N-1"}
    assert found["N-1"]["count"] == 2
    assert found["N-1"]["mrr"] == pytest.approx((1 / 2 + 1 / 3 + 1 + 1 / 5) / 4)
    assert found["N-1"]["tail"]["hits@1"] == 0.5
    assert found["1-1"]["hits@1"] == 1.0

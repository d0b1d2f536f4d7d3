import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.matching import pseudo_links


def after(rounds, patience=3, num_entities=10):
    state = pseudo_links.initial(num_entities)
    for pairs in rounds:
        state = pseudo_links.update(state, np.array(pairs, int).reshape(-1, 2), patience)
    return state


def test_a_pair_is_accepted_in_the_round_that_completes_its_patience():
    assert len(pseudo_links.accepted_links(after([[(0, 5)]] * 2))) == 0
    np.testing.assert_array_equal(pseudo_links.accepted_links(after([[(0, 5)]] * 3)), [[0, 5]])


def test_a_pair_that_drops_out_starts_again():
    state = after([[(0, 5)], [(0, 5)], [], [(0, 5)], [(0, 5)]])
    assert state.rounds[0] == 2
    assert len(pseudo_links.accepted_links(state)) == 0


def test_a_new_partner_starts_again():
    state = after([[(0, 5)], [(0, 5)], [(0, 6)]])
    assert (state.candidate[0], state.rounds[0]) == (6, 1)


def test_accepted_entities_are_closed_for_good():
    state = after([[(0, 5)]] * 3 + [[(0, 6), (1, 5), (2, 7)]] * 3)
    np.testing.assert_array_equal(pseudo_links.accepted_links(state), [[0, 5], [2, 7]])
    np.testing.assert_array_equal(np.flatnonzero(pseudo_links.closed_entities(state)), [0, 2, 5, 7])


def test_update_leaves_the_state_before_untouched():
    state = after([[(0, 5)]] * 2)
    copies = [x.copy() for x in state]
    pseudo_links.update(state, np.array([[0, 5]]), 3)
    for x, copy in zip(state, copies, strict=True):
        np.testing.assert_array_equal(x, copy)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), patience=st.integers(1, 4))
def test_accepted_pairs_are_those_of_a_plain_count(seed, patience):
    draw = np.random.default_rng(seed)
    rounds = []
    for _ in range(8):
        left, right = draw.permutation(4)[:3], 4 + draw.permutation(4)[:3]
        rounds.append(list(zip(left.tolist(), right.tolist(), strict=True)))
    state = pseudo_links.initial(8)
    counts, accepted = {}, set()
    for pairs in rounds:
        state = pseudo_links.update(state, np.array(pairs), patience)
        taken = {e for pair in accepted for e in pair}
        pairs = [p for p in pairs if not taken & set(p)]
        counts = {p: counts.get(p, 0) + 1 for p in pairs}
        accepted |= {p for p, count in counts.items() if count >= patience}
    assert set(map(tuple, pseudo_links.accepted_links(state).tolist())) == accepted


def test_pairs_that_share_an_entity_are_refused():
    with pytest.raises(ValueError, match="two pairs"):
        after([[(0, 5), (1, 5)]])


def test_patience_below_one_is_refused():
    with pytest.raises(ValueError, match="patience"):
        after([[(0, 5)]], patience=0)


def test_precision_is_for_analysis():
    gold = np.array([[0, 5], [1, 6]])
    assert pseudo_links.precision(np.array([[0, 5], [1, 7], [2, 8]]), gold) == pytest.approx(1 / 3)
    assert np.isnan(pseudo_links.precision(np.zeros((0, 2), int), gold))

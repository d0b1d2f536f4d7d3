import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.matching import Scorer, csls_scorer, gold_ranks, held, held_scores, mutual_nearest, topk


def scorer(rows=13, columns=7, **options):
    rng = np.random.default_rng(0)
    left, right = (jnp.asarray(rng.integers(-2, 3, (n, 3)), jnp.float32) for n in (rows, columns))
    return Scorer(left, right, **options)


@pytest.mark.parametrize("block_rows", [None, 4, 13])
def test_what_is_kept_is_what_is_computed(block_rows):
    given = scorer(block_rows=block_rows)
    kept = held(given)
    assert kept.shape == given.shape
    np.testing.assert_array_equal(kept.left, given.left @ given.right.T)
    for one, other in zip(topk(given, 3), topk(kept, 3), strict=True):
        np.testing.assert_array_equal(one, other)
    shifted = csls_scorer(kept, 2)
    np.testing.assert_array_equal(mutual_nearest(shifted).pairs, mutual_nearest(csls_scorer(given, 2)).pairs)


def test_blocks_of_kept_scores_leave_no_rest_where_they_can():
    assert held(scorer(rows=1050)).rows_per_block() == 350
    assert held(scorer(rows=1031)).rows_per_block() == 512  # a prime number


def test_closed_entities_stay_closed():
    left_open, right_open = jnp.arange(13) > 2, jnp.arange(7) != 4
    given = scorer(left_open=left_open, right_open=right_open)
    values, columns = topk(held(given), 7)
    assert (values[:3] == -np.inf).all()
    assert not (columns[3:, :6] == 4).any()
    assert np.isfinite(held(given).left).all()


def test_support_and_shifts_on_kept_scores_are_not_kept_again():
    kept = held(scorer())
    for more in (kept, csls_scorer(kept, 2), kept.supported(jnp.zeros((13, 1), int), jnp.ones((13, 1)))):
        assert held(more) is more


def test_too_many_scores_are_not_kept(monkeypatch):
    monkeypatch.setattr(held_scores, "MAX_HELD_SCORES", 13 * 7 - 1)
    given = scorer()
    assert held(given) is given


def test_what_is_not_finite_is_found_by_whoever_visits_it():
    given = scorer()
    broken = Scorer(given.left.at[2, 1].set(jnp.nan), given.right)
    with pytest.raises(FloatingPointError):
        gold_ranks(held(broken), np.where(np.arange(13) == 0, 0, -1))

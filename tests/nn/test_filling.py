"""Rows drawn for entities without one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.nn.filling import drawn_rows

N, WIDTH = 400, 6


@pytest.fixture(scope="module")
def table():
    """Unit features of half of the entities, with a mean of their own; what is absent holds rubbish."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, WIDTH)) * [1, 0.2, 0.2, 0.2, 0.2, 0.2] + [0, 2, 0, 0, 0, 0]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    present = np.arange(N) % 2 == 0
    return np.where(present[:, None], x, 9.0).astype(np.float32), present


fill = jax.jit(drawn_rows, static_argnums=3)


def test_known_rows_are_their_own_and_drawn_ones_are_alike_in_mean_and_spread(table):
    features, present = table
    rows = np.asarray(fill(features, present, np.arange(N), 0))
    np.testing.assert_array_equal(rows[present], features[present])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(rows[~present].mean(0), features[present].mean(0), atol=0.1)
    np.testing.assert_allclose(rows[~present].std(0), features[present].std(0), atol=0.12)


def test_an_entity_keeps_its_row_whoever_else_is_asked(table):
    features, present = table
    among = np.asarray(fill(features, present, np.arange(N), 0))
    alone = np.asarray(fill(features, present, np.array([7, 2, 331]), 0))
    np.testing.assert_array_equal(alone, among[[7, 2, 331]])
    assert np.abs(among[7] - among[331]).max() > 1e-3
    other = np.asarray(fill(features, present, np.array([7, 2, 331]), 1))
    np.testing.assert_array_equal(other[1], alone[1])
    assert np.abs(other[0] - alone[0]).max() > 1e-3


def test_where_nobody_has_a_row_nothing_is_drawn():
    rows = fill(jnp.zeros((4, 3)), jnp.zeros(4, bool), jnp.arange(4), 0)
    np.testing.assert_array_equal(rows, 0.0)

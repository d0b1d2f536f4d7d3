"""Losses of imputation and of the orthogonal constraint."""

import jax
import numpy as np

from mmea_jax.losses.imputation import code_loss, squared_error
from mmea_jax.losses.orthogonal import orthogonal

RNG = np.random.default_rng(0)
ONE, TWO = RNG.standard_normal((2, 9, 5)).astype(np.float32)
MEAN, LOG_VARIANCE = RNG.standard_normal((2, 9, 3)).astype(np.float32)
ROWS = np.arange(9) % 3 != 0


def test_squared_error_is_the_mean_over_rows_and_columns():
    np.testing.assert_allclose(
        jax.jit(squared_error)(ONE, TWO, ROWS), np.mean((ONE - TWO)[ROWS] ** 2), rtol=1e-5
    )


def test_code_loss_is_error_and_divergence():
    divergence = 0.5 * (np.exp(LOG_VARIANCE) + MEAN**2 - 1 - LOG_VARIANCE).sum(axis=1)[ROWS].mean()
    expected = np.mean((ONE - TWO)[ROWS] ** 2) + 0.3 * divergence
    found = jax.jit(code_loss)(ONE, TWO, MEAN, LOG_VARIANCE, ROWS, 0.3)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_target_carries_no_gradient():
    slope = jax.jit(jax.grad(code_loss, argnums=(0, 1)))(ONE, TWO, MEAN, LOG_VARIANCE, ROWS, 0.3)
    assert np.all(slope[0] == 0)
    assert np.abs(slope[1][ROWS]).min() > 0
    assert np.all(slope[1][~ROWS] == 0)


def test_no_rows_cost_nothing_and_nothing_else():
    nobody = np.zeros(9, bool)
    assert jax.jit(code_loss)(ONE, TWO, MEAN, LOG_VARIANCE, nobody, 0.3) == 0
    assert jax.jit(orthogonal)(ONE, TWO, nobody) == 0


def test_orthogonal_vectors_cost_nothing():
    other = np.eye(4, 5, dtype=np.float32)
    specific = np.roll(other, 1, axis=1)
    assert jax.jit(orthogonal)(other, specific, np.ones(4, bool)) == 0
    expected = np.mean(np.mean(ONE * TWO, axis=1)[ROWS] ** 2)
    np.testing.assert_allclose(jax.jit(orthogonal)(ONE, TWO, ROWS), expected, rtol=1e-5)

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from mmea_jax.losses.neighbourhood import nca

B, WIDTH = 7, 5
fast = jax.jit(nca)
nca_gradients = jax.jit(jax.value_and_grad(nca, (0, 1)))
EVERYBODY = np.ones(B, bool)


def unit_rows(seed, rows=B):
    z = np.random.default_rng(seed).standard_normal((rows, WIDTH))
    return (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)


def by_the_book(z1, z2, alpha, beta):
    """The formula of docs/methods/shared.md, pair by pair."""
    scores = np.float64(z1) @ np.float64(z2).T
    total = 0.0
    for i in range(len(z1)):
        column, row = np.delete(scores[:, i], i), np.delete(scores[i], i)
        total += sum(np.log(1 + np.sum(np.exp(alpha * s))) / alpha for s in (column, row))
        total -= beta * np.log(1 + max(scores[i, i], 0.0))
    return total / len(z1)


@pytest.mark.parametrize("alpha", [5, 15])
def test_published_numbers(golden, alpha):
    reference = np.load(golden / "losses.npz")
    left, right = reference["links"].T

    @jax.jit
    @jax.value_and_grad
    def loss(z):
        z = z / jnp.linalg.norm(z, axis=1, keepdims=True)
        return nca(z[left], z[right], alpha, 10.0)

    value, gradient = loss(reference["z"])
    name = f"nca_alpha{alpha}_beta10"
    np.testing.assert_allclose(value, reference[name], rtol=1e-5)
    expected = reference[f"{name}_grad"]
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("beta", [0.0, 10.0])
@pytest.mark.parametrize("alpha", [1.0, 5.0, 15.0])
def test_equals_the_formula(alpha, beta):
    z1, z2 = unit_rows(0), unit_rows(1)
    expected = by_the_book(z1, z2, alpha, beta)
    np.testing.assert_allclose(fast(z1, z2, alpha, beta, EVERYBODY), expected, rtol=1e-5, atol=1e-6)


def test_gradients_equal_finite_differences():
    valid = np.arange(B) != 2
    # Sides that agree, so that no diagonal entry is near the kink of the ReLU.
    z1 = unit_rows(0)
    z2 = z1 + 0.3 * unit_rows(1)
    check_grads(jax.jit(lambda a, b: nca(a, b, 5.0, 10.0, valid)), (z1, z2), 1, ["rev"], 1e-2, 1e-2, eps=1e-2)


def test_padding_equals_the_smaller_batch():
    z1, z2 = unit_rows(0), unit_rows(1)
    mask = np.isin(np.arange(B), [0, 1, 3, 4])
    got, gradients = nca_gradients(z1, z2, 15.0, 10.0, mask)
    expected, reference = nca_gradients(z1[mask], z2[mask], 15.0, 10.0, EVERYBODY[:4])
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    for gradient, oracle in zip(gradients, reference, strict=True):
        np.testing.assert_array_equal(gradient[~mask], 0.0)
        np.testing.assert_allclose(gradient[mask], oracle, rtol=1e-4, atol=1e-6)


def test_without_a_valid_pair_loss_and_gradients_are_zero():
    value, gradients = nca_gradients(unit_rows(0), unit_rows(1), 15.0, 10.0, ~EVERYBODY)
    assert value == 0
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, 0.0)


def test_a_single_pair_is_only_pulled():
    z1, z2 = unit_rows(0, 1), unit_rows(0, 1)
    np.testing.assert_allclose(fast(z1, z2, 15.0, 10.0, EVERYBODY[:1]), -10 * np.log(2), rtol=1e-6)


def test_opposite_sides_are_not_pulled():
    """The ReLU: below a similarity of 0 a pair has no pull, only its neighbours' push."""
    z = unit_rows(0, 1)
    value, gradients = nca_gradients(z, -z, 15.0, 10.0, EVERYBODY[:1])
    assert value == 0
    np.testing.assert_array_equal(gradients[0], 0.0)


def test_a_large_alpha_neither_overflows_nor_loses_the_nearest():
    z1, z2 = unit_rows(0), unit_rows(1)
    scores = np.where(np.eye(B, dtype=bool), -np.inf, z1 @ z2.T)
    # log(1 + Σ e^{αs})/α tends to max(s, 0).
    hardest = np.maximum(scores.max(0), 0) + np.maximum(scores.max(1), 0)
    np.testing.assert_allclose(fast(z1, z2, 1e4, 0.0, EVERYBODY), hardest.mean(), rtol=1e-3)


@settings(max_examples=30, deadline=None)
@given(
    order=st.permutations(range(B)),
    valid=st.lists(st.booleans(), min_size=B, max_size=B),
    seed=st.integers(0, 99),
)
def test_neither_order_of_pairs_nor_sides_matter(order, valid, seed):
    z1, z2, valid, order = unit_rows(seed), unit_rows(seed + 100), np.array(valid), np.array(order)
    expected = fast(z1, z2, 15.0, 10.0, valid)
    reordered = fast(z1[order], z2[order], 15.0, 10.0, valid[order])
    np.testing.assert_allclose(reordered, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(fast(z2, z1, 15.0, 10.0, valid), expected, rtol=1e-5, atol=1e-5)


def test_aligned_sides_cost_less_than_shuffled_ones():
    z = unit_rows(0)
    shuffled = fast(z, np.roll(z, 1, axis=0), 15.0, 10.0, EVERYBODY)
    assert fast(z, z, 15.0, 10.0, EVERYBODY) < shuffled

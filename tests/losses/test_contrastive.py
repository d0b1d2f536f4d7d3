import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from mmea_jax.losses.contrastive import icl

B, WIDTH = 7, 5
compiled = jax.jit(icl)
icl_gradients = jax.jit(jax.value_and_grad(icl, (0, 1, 2)))


def icl_fast(z1, z2, temperature, weights=None, valid=None, a=0.5):
    """``icl`` with its defaults written out, so that one compilation serves."""
    weights = np.ones(len(z1), np.float32) if weights is None else weights
    return compiled(z1, z2, temperature, weights, np.ones(len(z1), bool) if valid is None else valid, a)


def unit_rows(seed, rows=B):
    z = np.random.default_rng(seed).standard_normal((rows, WIDTH))
    return (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)


def sides():
    return unit_rows(0), unit_rows(1)


@jax.jit
@jax.value_and_grad
def icl_of_raw(z, left, right, temperature, weights, a):
    z = z / jnp.linalg.norm(z, axis=1, keepdims=True)
    return icl(z[left], z[right], temperature, weights, a=a)


def by_the_book(z1, z2, temperature, weights, a):
    """The formula of docs/methods/shared.md, entity by entity."""
    z1, z2 = np.float64(z1), np.float64(z2)

    def direction(x, y):
        total = 0.0
        for i in range(len(x)):
            others = np.delete(x, i, axis=0)
            logits = np.concatenate([y @ x[i], others @ x[i]]) / temperature
            total -= weights[i] * (logits[i] - np.log(np.sum(np.exp(logits))))
        return total / len(x)

    return a * direction(z1, z2) + (1 - a) * direction(z2, z1)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_published_numbers(golden, temperature, weighted):
    reference = np.load(golden / "losses.npz")
    left, right = reference["links"].T
    # A pair weighs what the less certain of its entities does.
    weights = (
        np.minimum(reference["weight"][left], reference["weight"][right])
        if weighted
        else np.ones(len(left), np.float32)
    )

    name = f"icl_{'weighted_ab0.3_' if weighted else ''}tau{temperature}"
    value, gradient = icl_of_raw(reference["z"], left, right, temperature, weights, 0.3 if weighted else 0.5)
    np.testing.assert_allclose(value, reference[name], rtol=1e-5)
    expected = reference[f"{name}_grad"]
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("a", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_equals_the_formula(temperature, a):
    z1, z2 = sides()
    weights = np.random.default_rng(2).uniform(0, 3, B).astype(np.float32)
    got = icl_fast(z1, z2, temperature, weights, None, a)
    np.testing.assert_allclose(got, by_the_book(z1, z2, temperature, weights, a), rtol=1e-5)


def test_gradients_equal_finite_differences():
    weights = np.linspace(0.2, 1.0, B, dtype=np.float32)
    valid = np.arange(B) != 2
    loss = jax.jit(lambda z1, z2, tau: icl(z1, z2, tau, weights, valid, 0.3))
    check_grads(loss, (*sides(), jnp.float32(0.4)), 1, ["rev"], 1e-2, 1e-2, eps=1e-2)


def test_gradients_equal_those_of_the_formula():
    def by_autodiff(z1, z2, temperature, weights):
        off_diagonal = ~jnp.eye(B, dtype=bool)

        def direction(x, y):
            within = jnp.where(off_diagonal, x @ x.T / temperature, -1e9)
            return -jnp.diag(jax.nn.log_softmax(jnp.concatenate([x @ y.T / temperature, within], axis=1)))

        return jnp.mean(weights * (0.3 * direction(z1, z2) + 0.7 * direction(z2, z1)))

    weights = np.linspace(0.0, 1.5, B, dtype=np.float32)  # one of them is 0
    given = (*sides(), jnp.float32(0.1), weights)
    got = jax.jit(jax.grad(lambda *x: icl(*x, None, 0.3), (0, 1, 2, 3)))(*given)
    expected = jax.jit(jax.grad(by_autodiff, (0, 1, 2, 3)))(*given)
    for gradient, oracle in zip(got, expected, strict=True):
        np.testing.assert_allclose(gradient, oracle, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("valid", [[0, 1, 3, 4]], ids=str)
def test_padding_equals_the_smaller_batch(valid):
    z1, z2 = sides()
    weights = np.linspace(0.2, 1.0, B, dtype=np.float32)
    mask = np.isin(np.arange(B), valid)

    got, gradients = icl_gradients(z1, z2, 0.1, weights, mask, 0.3)
    expected, reference = icl_gradients(
        z1[mask], z2[mask], 0.1, weights[mask], np.ones(len(valid), bool), 0.3
    )
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    for gradient, oracle in zip(gradients[:2], reference[:2], strict=True):
        np.testing.assert_array_equal(gradient[~mask], 0.0)
        np.testing.assert_allclose(gradient[mask], oracle, rtol=1e-4, atol=1e-6)


def test_what_padding_holds_does_not_matter():
    z1, z2 = sides()
    valid = np.arange(B) < 4
    expected = icl_fast(z1, z2, 0.1, None, valid)
    for filling in (0.0, 50.0, -50.0):
        padded = (np.where(valid[:, None], z, np.float32(filling)) for z in (z1, z2))
        np.testing.assert_allclose(icl_fast(*padded, 0.1, None, valid), expected, rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.01, 0.1])
def test_without_a_valid_pair_loss_and_gradients_are_zero(temperature):
    nobody = np.zeros(B, bool)
    value, gradients = icl_gradients(*sides(), temperature, np.ones(B, np.float32), nobody, 0.5)
    assert value == 0
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, 0.0)


def test_rows_that_are_no_anchors_are_negatives_alone():
    z1, z2 = sides()
    weights = np.linspace(0.2, 1.0, B, dtype=np.float32)
    valid, anchors = np.arange(B) != 3, np.arange(B) < 5  # row 3 is padding, whatever it claims

    value, gradients = icl_gradients(z1, z2, 0.1, weights, valid, 0.3, anchors)
    # An anchor of weight 0 is a negative alone, too; the mean is over the four anchors out of six rows.
    expected = icl_fast(z1, z2, 0.1, np.where(anchors, weights, np.float32(0)), valid, 0.3) * 6 / 4
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for gradient in gradients[:2]:
        np.testing.assert_array_equal(gradient[3], 0.0)
        assert np.abs(gradient[5:]).max() > 0
    value, _ = icl_gradients(z1, z2, 0.1, weights, valid, 0.3, np.zeros(B, bool))
    assert value == 0


def test_a_single_pair_has_no_negative():
    np.testing.assert_allclose(icl(unit_rows(0, 1), unit_rows(1, 1), 0.1), 0.0, atol=1e-6)


def test_swapping_sides_swaps_the_directions():
    z1, z2 = sides()
    weights = np.linspace(0.2, 1.0, B, dtype=np.float32)
    for a in (0.5, 0.3, 1.0):
        swapped = icl_fast(z2, z1, 0.1, weights, None, 1 - a)
        np.testing.assert_allclose(icl_fast(z1, z2, 0.1, weights, None, a), swapped, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    order=st.permutations(range(B)),
    valid=st.lists(st.booleans(), min_size=B, max_size=B),
    seed=st.integers(0, 99),
)
def test_order_of_pairs_does_not_matter(order, valid, seed):
    z1, z2, valid, order = unit_rows(seed), unit_rows(seed + 100), np.array(valid), np.array(order)
    weights = np.random.default_rng(seed).uniform(0, 2, B).astype(np.float32)
    expected = icl_fast(z1, z2, 0.1, weights, valid)
    got = icl_fast(z1[order], z2[order], 0.1, weights[order], valid[order])
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_aligned_sides_cost_less_than_shuffled_ones():
    z = unit_rows(0)
    assert icl_fast(z, z, 0.1) < icl_fast(z, np.roll(z, 1, axis=0), 0.1)


def test_masks_weights_and_temperatures_do_not_retrace():
    traces = 0

    @jax.jit
    def loss(*given):
        nonlocal traces
        traces += 1
        return icl(*given)

    for seed in range(3):
        valid = np.arange(B) < seed + 2
        loss(unit_rows(seed), unit_rows(seed + 9), 0.1 * (seed + 1), np.full(B, seed, np.float32), valid)
    assert traces == 1

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mmea_jax.losses.alignment import ial

B, WIDTH = 7, 5
fast = jax.jit(ial)


def unit_rows(seed, width=WIDTH):
    z = np.random.default_rng(seed).standard_normal((B, width))
    return (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)


def sides():
    """Two sides of a modality and of a wider joint embedding."""
    return unit_rows(0), unit_rows(1), unit_rows(2, 9), unit_rows(3, 9)


def by_the_book(z1, z2, t1, t2, temperature, a=0.5):
    """Spec 1.6, distribution by distribution."""

    def distribution(x, y, i):
        logits = np.concatenate([y @ x[i], np.delete(x, i, axis=0) @ x[i]]) / temperature
        return np.exp(logits) / np.exp(logits).sum()

    def direction(x, y, tx, ty):
        total = 0.0
        for i in range(len(x)):
            p, q = distribution(x, y, i), distribution(tx, ty, i)
            total += np.sum(q * np.log(q / p))
        return total / (len(x) * 2 * len(x))

    z1, z2, t1, t2 = (np.float64(x) for x in (z1, z2, t1, t2))
    return 0.1 * (a * direction(z1, z2, t1, t2) + (1 - a) * direction(z2, z1, t2, t1))


def test_published_numbers(golden):
    reference = np.load(golden / "losses.npz")
    left, right = reference["links"].T

    @jax.jit
    @jax.value_and_grad
    def of_raw(z, target):
        z, target = (x / jnp.linalg.norm(x, axis=1, keepdims=True) for x in (z, target))
        return ial(z[left], z[right], target[left], target[right], 1.0)

    value, gradient = of_raw(reference["z"], reference["target"])
    np.testing.assert_allclose(value, reference["ial"], rtol=1e-4)
    expected = reference["ial_grad"]
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("temperature", [0.1, 4.0])
@pytest.mark.parametrize("a", [0.0, 0.3, 0.5])
def test_equals_the_formula(temperature, a):
    got = fast(*sides(), temperature, None, a)
    np.testing.assert_allclose(got, by_the_book(*sides(), temperature, a), rtol=1e-4)


def test_is_zero_where_the_similarities_agree_and_positive_elsewhere():
    z1, z2, t1, t2 = sides()
    np.testing.assert_allclose(fast(t1, t2, t1, t2, 0.1), 0.0, atol=1e-7)
    assert fast(z1, z2, t1, t2, 0.1) > 1e-3


def test_the_target_is_a_constant():
    gradients = jax.jit(jax.grad(ial, (2, 3)))(*sides(), 0.1)
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, 0.0)


def test_gradients_equal_finite_differences():
    z1, z2, t1, t2 = sides()
    valid = np.arange(B) != 2
    loss = jax.jit(lambda z1, z2: 1e3 * ial(z1, z2, t1, t2, 0.5, valid))
    check_grads(loss, (z1, z2), 1, ["rev"], 1e-2, 1e-2, eps=1e-2)


@pytest.mark.parametrize("filling", [None, 0.0, 50.0])
def test_padding_equals_the_smaller_batch(filling):
    mask = np.isin(np.arange(B), [0, 1, 3, 4])
    given = sides()
    expected = ial(*(x[mask] for x in given), 0.1)
    if filling is not None:
        given = [np.where(mask[:, None], x, np.float32(filling)) for x in given]
    got, gradients = jax.jit(jax.value_and_grad(ial, (0, 1)))(*given, 0.1, mask)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    for gradient in gradients:
        np.testing.assert_array_equal(gradient[~mask], 0.0)
        assert np.isfinite(gradient).all()


def test_sides_of_unequal_size():
    """Rows without a counterpart: the divergence is over entities, not pairs."""
    z1, z2, t1, t2 = sides()
    mask1, mask2 = np.arange(B) < 5, np.arange(B) % 2 == 0
    padded = [
        np.where(m[:, None], x, np.float32(9)) for m, x in zip([mask1, mask2] * 2, sides(), strict=True)
    ]
    got = fast(*padded, 0.5, mask1, 0.3, 0.1, mask2)
    total = 0.0
    for share, mine, own, other in ((0.3, (z1, t1), mask1, (z2, t2)), (0.7, (z2, t2), mask2, (z1, t1))):
        rest = mask2 if own is mask1 else mask1
        x, tx = (np.float64(v[own]) for v in mine)
        y, ty = (np.float64(v[rest]) for v in other)
        for i in range(len(x)):
            logs = []
            for here, there in ((x, y), (tx, ty)):
                logits = np.concatenate([there @ here[i], np.delete(here, i, axis=0) @ here[i]]) / 0.5
                logs.append(logits - np.log(np.exp(logits).sum()))
            total += (
                0.1 * share * np.sum(np.exp(logs[1]) * (logs[1] - logs[0])) / (len(x) * (len(x) + len(y)))
            )
    np.testing.assert_allclose(got, total, rtol=1e-5)


def test_without_a_valid_pair_loss_and_gradient_are_zero():
    value, gradient = jax.jit(jax.value_and_grad(ial))(*sides(), 0.1, np.zeros(B, bool))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0.0)

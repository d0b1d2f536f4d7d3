import jax
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp

from mmea_jax.losses.transport import transport_loss

K, WIDTH = 12, 5
EVERYONE = np.ones(K, bool)
SOME = np.arange(K) % 3 != 1

STATIC = ("threshold", "max_iterations")
transport = jax.jit(transport_loss, static_argnames=STATIC)
gradients = jax.jit(
    jax.grad(lambda *given, **options: transport_loss(*given, **options).loss, (0, 1)), static_argnames=STATIC
)
# Tight enough to be compared with an oracle.
TIGHT = {"relative_epsilon": 0.1, "threshold": 1e-5, "max_iterations": 1000}


def exact(x, y, present, **options):
    out = transport(x, y, present, **TIGHT | options)
    assert out.converged
    return out


def unit_rows(seed, rows=K):
    x = np.random.default_rng(seed).standard_normal((rows, WIDTH))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def sides():
    return unit_rows(0), unit_rows(1)


def sinkhorn(cost, relative_epsilon):
    """The entropic plan between uniform marginals, in float64, to convergence."""
    cost, n = np.float64(cost), len(cost)
    epsilon = relative_epsilon * cost.mean()
    f = g = np.zeros(n)
    for _ in range(500):
        f = -epsilon * (logsumexp((g[None, :] - cost) / epsilon, axis=1) + np.log(n))
        g = -epsilon * (logsumexp((f[:, None] - cost) / epsilon, axis=0) + np.log(n))
    return np.exp((f[:, None] + g[None, :] - cost) / epsilon)


def oracle(x, y, present, relative_epsilon=0.1):
    """Plan float64[K, K] of the problem among the present entities alone."""
    plan = np.zeros((len(x), len(x)))
    plan[np.ix_(present, present)] = sinkhorn(1.0 - x[present] @ y[present].T, relative_epsilon)
    np.testing.assert_allclose(plan.sum(1), present / present.sum(), atol=1e-6)
    return plan


@pytest.mark.parametrize("present", [EVERYONE, SOME], ids=["all", "some"])
@pytest.mark.parametrize("relative_epsilon", [0.1, 0.5])
def test_loss_equals_sinkhorn_in_float64(present, relative_epsilon):
    x, y = sides()
    out = exact(x, y, present, relative_epsilon=relative_epsilon)
    expected = np.sum(oracle(x, y, present, relative_epsilon) * (1.0 - x @ y.T))
    np.testing.assert_allclose(out.loss, expected, rtol=1e-3)


@pytest.mark.parametrize("present", [EVERYONE, SOME], ids=["all", "some"])
def test_small_regularisation_gives_the_best_assignment(present):
    x, y = sides()
    cost = (1.0 - x @ y.T)[np.ix_(present, present)]
    best = cost[linear_sum_assignment(cost)].mean()
    loose = {"threshold": 1e-3, "max_iterations": 1000}
    losses = [float(exact(x, y, present, relative_epsilon=e, **loose).loss) for e in (0.5, 0.1, 0.01)]
    assert losses[0] > losses[1] > losses[2] > best - 1e-3
    np.testing.assert_allclose(losses[2], best, rtol=0.01)


def test_absent_entities_carry_no_mass():
    x, y = sides()
    expected = exact(x, y, SOME)
    moved = [np.where(SOME[:, None], z, np.roll(z, 3, axis=1)) for z in (x, y)]
    np.testing.assert_allclose(exact(*moved, SOME).loss, expected.loss, rtol=1e-5)
    zeroed = [np.where(SOME[:, None], z, np.float32(0)) for z in (x, y)]
    np.testing.assert_allclose(exact(*zeroed, SOME).loss, expected.loss, rtol=1e-5)
    for gradient in gradients(x, y, SOME, **TIGHT):
        np.testing.assert_array_equal(gradient[~SOME], 0.0)
        assert (np.abs(gradient[SOME]).max(1) > 0).all()


def test_absent_entities_equal_the_smaller_problem():
    x, y = sides()
    smaller = exact(x[SOME], y[SOME], np.ones(SOME.sum(), bool))
    np.testing.assert_allclose(exact(x, y, SOME).loss, smaller.loss, rtol=1e-4)


@pytest.mark.parametrize("present", [EVERYONE, SOME], ids=["all", "some"])
def test_gradient_is_that_of_the_cost_at_a_fixed_plan(present):
    x, y = sides()
    plan = oracle(x, y, present)
    by_x, by_y = gradients(x, y, present, **TIGHT)
    np.testing.assert_allclose(by_x, -plan @ y, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(by_y, -plan.T @ x, rtol=1e-3, atol=1e-4)

    def fixed_plan_loss(x, y):
        return np.sum(plan * (1.0 - np.float64(x) @ np.float64(y).T))

    rng = np.random.default_rng(5)
    for _ in range(5):
        dx, dy = rng.standard_normal((2, K, WIDTH)) * 1e-4
        change = (fixed_plan_loss(x + dx, y + dy) - fixed_plan_loss(x - dx, y - dy)) / 2
        np.testing.assert_allclose(np.sum(by_x * dx) + np.sum(by_y * dy), change, rtol=2e-3, atol=1e-7)


def test_a_plan_that_did_not_converge_contributes_nothing():
    x, y = sides()
    hard = {"relative_epsilon": 1e-3, "threshold": 1e-6, "max_iterations": 10}
    out = transport(x, y, EVERYONE, **hard)
    assert not out.converged
    assert out.loss == 0
    assert out.iterations == 10
    for gradient in gradients(x, y, EVERYONE, **hard):
        np.testing.assert_array_equal(gradient, 0.0)


def test_default_settings_converge():
    out = transport(*sides(), EVERYONE)
    assert out.converged
    assert 0 < out.iterations <= 100
    np.testing.assert_allclose(out.loss, exact(*sides(), EVERYONE, relative_epsilon=0.05).loss, rtol=1e-3)


def test_without_anyone_present_loss_and_gradients_are_zero():
    nobody = np.zeros(K, bool)
    out = transport(*sides(), nobody)
    assert out.converged, "nothing to do is no failure"
    assert out.loss == 0
    for gradient in gradients(*sides(), nobody, **TIGHT):
        np.testing.assert_array_equal(gradient, 0.0)


def test_one_entity_goes_to_itself():
    x, y = sides()
    alone = np.arange(K) == 4
    out = transport(x, y, alone)
    assert out.converged
    np.testing.assert_allclose(out.loss, 1 - x[4] @ y[4], rtol=1e-5)


def test_coinciding_sets_cost_next_to_nothing():
    x = unit_rows(0)
    assert abs(exact(x, x, EVERYONE, relative_epsilon=0.01, threshold=1e-3).loss) < 1e-3
    same = np.broadcast_to(x[:1], x.shape)  # the mean cost is 0, and so would be the regularisation
    out = transport(same, same, EVERYONE)
    assert out.converged
    np.testing.assert_allclose(out.loss, 0.0, atol=1e-6)


def test_sides_are_exchangeable():
    x, y = sides()
    np.testing.assert_allclose(exact(x, y, SOME).loss, exact(y, x, SOME).loss, rtol=1e-4)


def test_masks_do_not_retrace():
    traces = 0

    @jax.jit
    def solve(x, y, present):
        nonlocal traces
        traces += 1
        return transport_loss(x, y, present)

    for seed in range(3):
        solve(unit_rows(seed), unit_rows(seed + 1), np.arange(K) % (seed + 2) > 0)
    assert traces == 1

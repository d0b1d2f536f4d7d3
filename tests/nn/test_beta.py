import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import integrate, special, stats

from mmea_jax.nn import beta as beta_module
from mmea_jax.nn.beta import (
    Beta,
    BetaExpert,
    mean_statistics,
    natural_parameters,
    product_of_experts,
    vector_form,
)

kl = jax.jit(beta_module.kl)
symmetric_kl = jax.jit(beta_module.symmetric_kl)
masked_softmax = jax.jit(beta_module.masked_softmax, static_argnums=2)


@jax.jit
def masked_softmax_gradient(scores, present, cotangent):
    return jax.grad(lambda s: jnp.sum(masked_softmax(s, present, 1) * cotangent))(scores)


def softmax_gradient(scores, cotangent):
    probabilities = np.exp(scores) / np.exp(scores).sum()
    return probabilities * (cotangent - probabilities @ cotangent)


# Shapes that are U, J and bell formed, flat, and peaked.
PARAMETERS = [(0.7, 0.6), (1.0, 1.0), (2.5, 0.8), (4.0, 9.0), (60.0, 40.0)]


def betas(pairs):
    alpha, beta = np.array(pairs, np.float32).T
    return Beta(alpha[:, None], beta[:, None])


def random_beta(seed, *shape):
    rng = np.random.default_rng(seed)
    return Beta(*rng.uniform(0.05, 6.0, (2, *shape)).astype(np.float32))


def numerical_kl(p, q):
    """KL by quadrature, in the log-odds, where the integrand is smooth at both ends."""
    p, q = stats.beta(*p), stats.beta(*q)

    def integrand(t):
        x = 1 / (1 + np.exp(-t))
        return p.pdf(x) * x * (1 - x) * (p.logpdf(x) - q.logpdf(x))

    return integrate.quad(integrand, -30, 30, limit=400, points=[-5, 0, 5])[0]


@pytest.mark.parametrize("p", PARAMETERS)
def test_kl_equals_quadrature(p):
    expected = [numerical_kl(p, q) for q in PARAMETERS]
    got = kl(betas([p]), betas(PARAMETERS))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=2e-5)


def test_symmetric_kl_is_the_mean_of_both_directions():
    p, q = random_beta(0, 30, 5), random_beta(1, 30, 5)
    expected = 0.5 * (np.asarray(kl(p, q)) + np.asarray(kl(q, p)))
    assert expected.shape == (30,)
    np.testing.assert_allclose(symmetric_kl(p, q), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(symmetric_kl(p, q), symmetric_kl(q, p))


def test_divergences_are_zero_of_equals_and_not_negative():
    p, q = random_beta(2, 30, 5), random_beta(3, 30, 5)
    np.testing.assert_array_equal(symmetric_kl(p, p), 0.0)
    np.testing.assert_allclose(kl(p, p), 0.0, atol=1e-5)
    assert (kl(p, q) > 0).all()
    assert (symmetric_kl(p, q) > 0).all()


def test_divergences_broadcast():
    p, q = random_beta(4, 6, 1, 5), random_beta(5, 1, 5, 5)
    every_p = jax.tree.map(lambda x: np.repeat(x, 5, axis=1).reshape(30, 5), p)
    every_q = jax.tree.map(lambda x: np.repeat(x, 6, axis=0).reshape(30, 5), q)
    for divergence in (kl, symmetric_kl):
        table = divergence(p, q)
        assert table.shape == (6, 5)
        np.testing.assert_allclose(table.reshape(-1), divergence(every_p, every_q), rtol=1e-5, atol=1e-5)


def test_divergence_gradients_equal_finite_differences():
    p, q = betas([(2.0, 3.0), (1.5, 0.8)]), betas([(1.0, 4.0), (2.5, 2.0)])
    check_grads(
        jax.jit(lambda *given: (kl(*given), symmetric_kl(*given))), (p, q), 1, ["rev"], 2e-2, 2e-2, 1e-2
    )


def test_symmetric_kl_is_an_inner_product_of_the_two_coordinates():
    p, q = random_beta(6, 30, 5), random_beta(7, 30, 5)
    products = (natural_parameters(p) - natural_parameters(q)) * (mean_statistics(p) - mean_statistics(q))
    np.testing.assert_allclose(symmetric_kl(p, q), 0.5 * np.sum(products, -1), rtol=1e-4)


@pytest.mark.parametrize(("alpha", "beta"), PARAMETERS)
def test_mean_and_mean_statistics_equal_quadrature(alpha, beta):
    p = Beta(np.float32([alpha]), np.float32([beta]))
    reference = stats.beta(alpha, beta)
    np.testing.assert_allclose(p.mean, [reference.mean()], rtol=1e-6)
    expected = [reference.expect(np.log), reference.expect(lambda x: np.log1p(-x))]
    np.testing.assert_allclose(mean_statistics(p), expected, rtol=1e-4)
    np.testing.assert_allclose(natural_parameters(p), [alpha, beta])


@pytest.mark.parametrize("weights", [(0.2, 0.5, 0.3), (1.0, 0.0, 0.0), (0.0, 0.4, 0.6)])
def test_product_equals_normalised_density_on_a_grid(weights):
    experts = [(1.5, 0.9), (4.0, 2.0), (0.8, 6.0)]
    alpha, beta = np.array(experts, np.float32).T
    joint = product_of_experts(
        Beta(alpha[None, :, None], beta[None, :, None]), np.float32(weights)[None, :, None]
    )
    assert joint.alpha.shape == (1, 1)
    # The middle of each cell of a uniform grid in log-odds; dx = x(1−x) dt.
    t = np.linspace(-25, 25, 20_001)
    x = 1 / (1 + np.exp(-t))
    log_density = sum(w * stats.beta(a, b).logpdf(x) for w, (a, b) in zip(weights, experts, strict=True))
    mass = np.exp(log_density) * x * (1 - x)
    mass /= mass.sum() * (t[1] - t[0])
    expected = stats.beta(float(joint.alpha[0, 0]), float(joint.beta[0, 0])).pdf(x) * x * (1 - x)
    np.testing.assert_allclose(mass, expected, atol=1e-5)


def test_product_ignores_an_expert_of_weight_zero():
    experts = random_beta(8, 5, 3, 4)
    weights = np.tile(np.float32([0.25, 0.0, 0.75])[:, None], (5, 1, 4))
    changed = jax.tree.map(lambda x: np.where(np.arange(3)[:, None] == 1, np.float32(1e30), x), experts)
    for before, after in zip(
        jax.tree.leaves(product_of_experts(experts, weights)),
        jax.tree.leaves(product_of_experts(changed, weights)),
        strict=True,
    ):
        assert before.shape == (5, 4)
        np.testing.assert_array_equal(before, after)


def test_masked_softmax_over_present_entries_is_softmax():
    scores = np.random.default_rng(0).standard_normal((6, 4, 3), np.float32) * 5
    present = np.array(
        [[1, 1, 1, 1], [1, 0, 0, 0], [0, 1, 1, 0], [1, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]], bool
    )
    out = np.asarray(masked_softmax(scores, present[:, :, None], 1))
    for row, mask in enumerate(present):
        np.testing.assert_array_equal(out[row, ~mask], 0.0)
        if mask.any():
            expected = special.softmax(scores[row, mask], axis=0)
            np.testing.assert_allclose(out[row, mask], expected, rtol=1e-5)
    np.testing.assert_allclose(out.sum(1), np.tile(present.any(1)[:, None], 3), rtol=1e-6)


@pytest.mark.parametrize("absent_score", [0.0, 1e30, np.inf, np.nan])
def test_masked_softmax_gradient_is_finite_and_zero_where_absent(absent_score):
    rng = np.random.default_rng(1)
    present = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]], bool)
    scores = np.where(present, rng.standard_normal((3, 3)), absent_score).astype(np.float32)
    cotangent = rng.standard_normal((3, 3)).astype(np.float32)
    gradient = np.asarray(masked_softmax_gradient(scores, present, cotangent))
    np.testing.assert_array_equal(gradient[~present], 0.0)
    for row in (0, 2):
        of_row = present[row]
        expected = softmax_gradient(scores[row, of_row], cotangent[row, of_row])
        np.testing.assert_allclose(gradient[row, of_row], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("offset", [-1e4, 1e4])
def test_masked_softmax_of_large_scores(offset):
    scores = np.float32([[0.0, 1.0, 2.0]]) + np.float32(offset)
    out = masked_softmax(scores, np.array([[True, True, False]]), 1)
    np.testing.assert_allclose(out, [[*special.softmax([0.0, 1.0]), 0.0]], rtol=1e-6)


def test_expert_parameters_stay_above_the_floor():
    h = np.random.default_rng(0).standard_normal((7, 5), np.float32) * 1e3
    expert = BetaExpert(width=4)
    params = jax.jit(expert.init)(jax.random.key(0), h)
    p = jax.jit(expert.apply)(params, h)
    assert p.alpha.shape == p.beta.shape == (7, 4)
    for value in (p.alpha, p.beta):
        assert np.isfinite(value).all()
        assert value.min() >= np.float32(0.05)
    at_zero = expert.apply(params, np.zeros((1, 5), np.float32))
    np.testing.assert_allclose(at_zero.alpha, np.log(2) + 0.05, rtol=1e-6)


def test_vector_form_is_a_unit_vector_of_location_and_precision():
    p = random_beta(9, 8, 3)
    vector = np.asarray(vector_form(p))
    assert vector.shape == (8, 6)
    np.testing.assert_allclose(np.linalg.norm(vector, axis=1), 1.0, rtol=1e-5)
    # Both are 0 for the parameters that an expert gives to the zero vector.
    middle = np.log(2) + 0.05
    location = np.log(p.alpha / p.beta)
    precision = np.log((p.alpha + p.beta) / (2 * middle))
    expected = np.concatenate([location, precision], axis=1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vector, expected, atol=1e-3)
    mirrored = vector_form(Beta(p.beta, p.alpha))
    np.testing.assert_allclose(mirrored, vector * np.repeat([-1, 1], 3), atol=1e-5)

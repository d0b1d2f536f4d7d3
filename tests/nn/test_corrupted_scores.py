"""Scores of corruptions against one plain expression, in value and gradient, whatever the parts' size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.nn.corrupted_scores import corrupted_scores
from mmea_jax.nn.negatives import Corrupted
from mmea_jax.nn.scorers import make_scorer

N, B, COUNT, DIM = 9, 7, 5, 4


@pytest.mark.parametrize("limit", [1, 3 * 4 * COUNT * 2 * DIM, 1 << 20])
@pytest.mark.parametrize("scorer", ["rotate", "complex"])
def test_values_and_gradients_are_those_of_one_expression(scorer, limit, monkeypatch):
    # Of one triple, of three with a part that is padded, and all at once.
    monkeypatch.setattr("mmea_jax.nn.corrupted_scores._CPU_BYTES", limit)
    rule = make_scorer(scorer, DIM, 6.0)
    draw = np.random.default_rng(0)
    table, forward, backward = (
        jnp.asarray(draw.standard_normal((n, rule.entity_width)), jnp.float32) for n in (N, B, B)
    )
    corrupted = Corrupted(
        jnp.asarray(draw.integers(0, N, (B, COUNT)), jnp.int32), jnp.asarray(draw.random((B, COUNT)) < 0.5)
    )

    def plain(table, forward, backward):
        asked = jnp.where(corrupted.at_head[..., None], backward[:, None], forward[:, None])
        return rule.compare(asked, table[corrupted.entities])

    def parted(table, forward, backward):
        return corrupted_scores(rule.compare, table, corrupted, forward, backward)

    operands = table, forward, backward
    np.testing.assert_allclose(parted(*operands), plain(*operands), rtol=1e-5, atol=1e-5)
    weights = jnp.asarray(draw.standard_normal((B, COUNT)), jnp.float32)
    found, expected = (
        jax.jit(jax.grad(lambda *x, f=f: jnp.sum(weights * f(*x)), argnums=(0, 1, 2)))(*operands)
        for f in (parted, plain)
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)

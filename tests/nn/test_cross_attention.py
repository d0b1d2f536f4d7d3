import jax
import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.nn.cross_attention import CrossAttention


def drawn(module: CrossAttention, seed: int = 0):
    """Parameters, queries, values, and the jitted module."""
    rng = np.random.default_rng(seed)
    query, value = rng.standard_normal((2, 7, module.width)).astype(np.float32)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), query, value))
    params = jax.tree.map(lambda x: rng.standard_normal(x.shape).astype(np.float32), shapes)
    return params, query, value, jax.jit(module.apply)


def test_one_token_gives_the_projection_of_the_value_whatever_the_query():
    params, query, value, attend = drawn(CrossAttention(12))
    own = params["params"]
    assert set(own) == {"value", "output", "output_bias"}
    expected = value @ own["value"] @ own["output"] + own["output_bias"]
    np.testing.assert_allclose(attend(params, query, value), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(attend(params, query + 1, value), attend(params, query, value))


@pytest.mark.parametrize(("heads", "tokens"), [(1, 2), (2, 3), (3, 4)])
def test_several_tokens_attend_as_written_in_loops(heads, tokens):
    params, query, value, attend = drawn(CrossAttention(24, heads, tokens))
    own = params["params"]
    size = 24 // (heads * tokens)
    q, k, v = (x @ own[name] for x, name in ((query, "query"), (value, "key"), (value, "value")))
    q, k, v = (x.reshape(-1, tokens, heads, size) for x in (q, k, v))
    mixed = np.zeros_like(q)
    for row in range(len(query)):
        for head in range(heads):
            logits = q[row, :, head] @ k[row, :, head].T / np.sqrt(size)
            weights = np.exp(logits - logits.max(axis=1, keepdims=True))
            mixed[row, :, head] = weights / weights.sum(axis=1, keepdims=True) @ v[row, :, head]
    expected = mixed.reshape(-1, 24) @ own["output"] + own["output_bias"]
    np.testing.assert_allclose(attend(params, query, value), expected, rtol=1e-3, atol=1e-3)
    assert np.abs(attend(params, query + 1, value) - attend(params, query, value)).max() > 1e-3


def test_a_width_that_cannot_be_cut_is_refused():
    with pytest.raises(InputError, match=r"3 heads and 4 tokens"):
        drawn(CrossAttention(20, 3, 4))

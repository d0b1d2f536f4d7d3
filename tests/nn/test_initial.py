import jax
import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.nn.initial import initializers

KEY = jax.random.key(0)


def test_uniform_weights_fill_their_range():
    kernel, bias = initializers("uniform", 25)
    drawn = np.asarray(kernel(KEY, (25, 400)))
    assert np.abs(drawn).max() <= 0.2
    np.testing.assert_allclose(drawn.std(), 0.2 / 3**0.5, rtol=0.03)
    assert 0.15 < np.abs(bias(KEY, (400,))).max() <= 0.2


def test_normal_weights_keep_the_variance_and_have_no_bias():
    kernel, bias = initializers("normal", 25)
    np.testing.assert_allclose(np.asarray(kernel(KEY, (25, 400))).std(), 0.2, rtol=0.03)
    np.testing.assert_array_equal(bias(KEY, (4,)), 0.0)


def test_another_name_is_refused_with_the_closest():
    with pytest.raises(InputError, match=r"'unifrom' \(did you mean 'uniform'"):
        initializers("unifrom", 3)

"""What a training step is told about its products, as it would be compiled for each kind of device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.training.products import PRODUCTS, products


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize(
    ("precision", "told"),
    [
        ("default", None),
        ("float32", "[HIGHEST, HIGHEST]"),
        ("tensorfloat32", "[HIGH, HIGH]"),
        ("bfloat16", "lhs_precision_type = bf16, rhs_precision_type = bf16, accumulation_type = f32"),
    ],
)
def test_accelerators_are_told_and_the_sums_are_float32(platform, precision, told):
    x = jnp.ones((4, 4))
    with products(precision):
        text = jax.jit(lambda x: x @ x).trace(x).lower(lowering_platforms=(platform,)).as_text()
    line = next(line for line in text.splitlines() if "dot_general" in line)
    assert line.rstrip().endswith("tensor<4x4xf32>")
    marks = ("HIGH", "precision_type")
    assert told in line if told else not any(mark in line for mark in marks)


def test_on_cpu_all_are_float32():
    x = jax.random.normal(jax.random.key(0), (32, 32))
    found = []
    for precision in PRODUCTS:
        with products(precision):
            found.append(np.asarray(jax.jit(lambda x: x @ x)(x)))
    for one in found[1:]:
        np.testing.assert_array_equal(one, found[0])

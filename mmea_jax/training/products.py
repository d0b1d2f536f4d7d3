"""How precise the matrix products of a training step are."""

from contextlib import AbstractContextManager

import jax

# As JAX has them. Its own ``bfloat16`` means TF32 on GPUs; the algorithm means the same on every accelerator.
_PRECISIONS = {
    "default": None,
    "float32": "float32",
    "tensorfloat32": "tensorfloat32",
    "bfloat16": "BF16_BF16_F32",
}
PRODUCTS = tuple(_PRECISIONS)


def products(precision: str) -> AbstractContextManager:
    """Within, what is traced multiplies in one of ``PRODUCTS``; arrays and sums of products stay float32."""
    return jax.default_matmul_precision(_PRECISIONS[precision])

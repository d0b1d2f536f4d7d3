"""Attention of one modality's vector to another's (TMEA, OpenReview IAse6CAG26; docs/methods/tmea.md)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.errors import InputError
from mmea_jax.nn.initial import initializers


class CrossAttention(nn.Module):
    """What of an entity's ``value`` vector its ``query`` vector attends to.

    Queries, keys and values are projected at full width and then cut into ``tokens`` tokens. With one token
    there is one key, all attention rests on it whatever the query says, and the result is the value's
    projection: query and key then have no parameters.

    Attributes:
      width: ``d``, a multiple of ``heads · tokens``.
      heads: attention heads.
      tokens: parts that a vector is cut into.
      initial: see ``nn/initial.py``.
    """

    width: int
    heads: int = 2
    tokens: int = 1
    initial: str = "normal"

    @nn.compact
    def __call__(self, query: Array, value: Array) -> Array:
        """float32[K, d] of float32[K, d] each.

        Raises:
          InputError: the width cannot be cut into so many heads and tokens.
        """
        if self.width % (self.heads * self.tokens):
            raise InputError(
                f"model.width = {self.width} with {self.heads} heads and {self.tokens} tokens",
                expected="a width that is a multiple of heads · tokens",
                mend="change --config.model.width, --config.model.heads or --config.model.num_tokens",
            )
        kernel_init, bias_init = initializers(self.initial, self.width)

        def kernel(name: str) -> Array:
            return self.param(name, kernel_init, (self.width, self.width))

        into, out = kernel("value"), kernel("output")
        bias = self.param("output_bias", bias_init, (self.width,))
        if self.tokens == 1:
            # One product of the two small matrices halves the work on the K rows.
            return value @ (into @ out) + bias
        mixed = self._attended(query @ kernel("query"), value @ kernel("key"), value @ into)
        return mixed @ out + bias

    def _attended(self, query: Array, key: Array, value: Array) -> Array:
        shape = (len(query), self.tokens, self.heads, self.width // (self.tokens * self.heads))
        query, key, value = (x.reshape(shape) for x in (query, key, value))
        logits = jnp.einsum("kqhc,kshc->khqs", query, key) * shape[-1] ** -0.5
        mixed = jnp.einsum("khqs,kshc->kqhc", jax.nn.softmax(logits), value)
        return mixed.reshape(len(query), self.width)

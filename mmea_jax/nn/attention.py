"""Structure encoders: diagonal graph attention (docs/methods/shared.md) and graph convolution."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import jraph
from jax import Array

from mmea_jax.nn.graph import Graph
from mmea_jax.nn.neighbour_sum import neighbour_sum
from mmea_jax.nn.parted_graph import PartedGraph
from mmea_jax.nn.sampled_graph import Tree, attend


def attention_coefficients(graph: Graph | PartedGraph, x: Array, w: Array, a: Array) -> Array:
    """Attention of every edge: a softmax over the *negated* scores of an entity's neighbours.

    ``e_ij = exp(−LeakyReLU_0.2(a_q·(w⊙x_i) + a_k·(w⊙x_j)))``, normalised over ``j``. The minus sign
    is part of the method as published (KECG, MCLEA, MEAformer).

    Args:
      graph: ``N`` entities, ``E`` edges.
      x: float32[N, d].
      w: float32[H, d], diagonal weights.
      a: float32[H, 2d], the query half first.

    Returns:
      float32[E, H].
    """
    if isinstance(graph, PartedGraph):
        return graph.in_parts(attention_coefficients, (graph.padded(x),), (w, a))
    query_half, key_half = jnp.split(a, 2, axis=1)
    query = x @ (w * query_half).T
    key = graph.whole(x @ (w * key_half).T)
    receivers, senders = graph.edges.receivers, graph.edges.senders
    scores = jax.nn.leaky_relu(query[receivers] + key[senders], 0.2)
    return jraph.segment_softmax(-scores, receivers, graph.num_receivers, indices_are_sorted=True)


@jax.custom_vjp
def elu(x: Array) -> Array:
    """``x`` above 0 and ``exp(x) − 1`` below; for the gradient its value is kept, which others keep too."""
    return jnp.where(x > 0, x, jnp.expm1(jnp.minimum(x, 0)))


def _elu_forward(x: Array) -> tuple[Array, Array]:
    value = elu(x)
    return value, value


def _elu_backward(value: Array, gradient: Array) -> tuple[Array]:
    return (gradient * jnp.where(value > 0, 1.0, value + 1),)


elu.defvjp(_elu_forward, _elu_backward)


class DiagonalAttention(nn.Module):
    """Graph attention with diagonal weights, heads averaged, ELU between layers (KECG's encoder).

    Attributes:
      layers: number of layers, also the radius of what an embedding sees.
      heads: attention heads of a layer.
    """

    layers: int = 2
    heads: int = 2

    @nn.compact
    def __call__(self, graph: Graph | PartedGraph | Tree, x: Array) -> Array:
        """float32[N, d] → float32[N, d]; of a tree as deep as there are layers, float32[K, d]."""
        width = x.shape[1]
        if isinstance(graph, Tree):
            x = [x[level] for level in graph.levels]
        bound = (2 * width) ** -0.5
        for layer in range(self.layers):
            w = self.param(f"w_{layer}", nn.initializers.ones, (self.heads, width))
            a = self.param(
                f"a_{layer}",
                lambda key, shape: jax.random.uniform(key, shape, minval=-bound, maxval=bound),
                (self.heads, 2 * width),
            )
            if isinstance(graph, Tree):
                x = attend(x, graph.real, w, a)
            else:
                x = neighbour_sum(graph, x, attention_coefficients(graph, x, w, a), w)
            if layer < self.layers - 1:
                x = jax.tree.map(elu, x)
        return x[0] if isinstance(graph, Tree) else x


def adjacency_of(graph: Graph | PartedGraph) -> Array:
    """Entries of ``Ã = D^−½ A D^−½``, float32[E, 1] in the order of the edge list."""
    if isinstance(graph, PartedGraph):
        return graph.in_parts(adjacency_of)
    receivers, senders = graph.edges.receivers, graph.edges.senders
    ones = jnp.ones(receivers.shape, jnp.float32)
    degree = jax.ops.segment_sum(ones, receivers, graph.num_entities, indices_are_sorted=True)
    return jax.lax.rsqrt(degree[receivers] * graph.whole(degree)[senders])[:, None]


class GraphConvolution(nn.Module):
    """Graph convolution ``ReLU(Ã X W + b)``, no ReLU after the last layer (Kipf and Welling; GCN-Align).

    Attributes:
      widths: output width of each layer.
    """

    widths: tuple[int, ...] = (300, 300)

    @nn.compact
    def __call__(self, graph: Graph | PartedGraph, x: Array) -> Array:
        """float32[N, d] → float32[N, widths[-1]]."""
        adjacency = adjacency_of(graph)
        for layer, width in enumerate(self.widths):
            x = nn.Dense(width, use_bias=False, name=f"kernel_{layer}")(x)
            x = neighbour_sum(graph, x, adjacency, jnp.ones((1, width), x.dtype))
            x = x + self.param(f"bias_{layer}", nn.initializers.zeros, (width,))
            if layer < len(self.widths) - 1:
                x = jax.nn.relu(x)
        return x

"""Weighted sums over neighbours with one gather each way (the heart of graph attention)."""

import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.nn.graph import Bucket, Graph
from mmea_jax.nn.parted_graph import PartedGraph


def neighbour_sum(graph: Graph | PartedGraph, x: Array, alpha: Array, w: Array) -> Array:
    """``out_i = mean_h w_h ⊙ Σ_j alpha[ij, h] x_j``.

    All heads share one gather of each neighbour's row; the backward pass gathers the cotangent once
    more over the reversed edges and takes the gradients by ``x``, ``alpha`` and ``w`` from it.

    Args:
      graph: symmetric, so that the reversed edges are edges.
      x: float32[N, d].
      alpha: float32[E, H], in the order of the edge list.
      w: float32[H, d], the diagonal weights.

    Returns:
      float32[N, d].
    """
    if isinstance(graph, PartedGraph):
        return graph.in_parts(_neighbour_sum, (graph.padded(x), alpha), (w,))[: graph.num_entities]
    return _neighbour_sum(graph, x, alpha, w)


@jax.custom_vjp
def _neighbour_sum(graph: Graph, x: Array, alpha: Array, w: Array) -> Array:
    rows, _ = _pass(graph, graph.whole(x), _padded(alpha), None)
    return jnp.einsum("nhd,hd->nd", rows, w) / w.shape[0]


def _forward(graph, x, alpha, w):
    return _neighbour_sum(graph, x, alpha, w), (graph, x, alpha, w)


def _backward(residual, g):
    graph, x, alpha, w = residual
    g = g / w.shape[0]
    # For entity j and its neighbours i: rows_j = Σ_i alpha_ij g_i, and the products <w_h x_j, g_i>.
    local = x[:, None, :] * w
    reversed_alpha = graph.whole(alpha)[graph.reverse]
    rows, products = _pass(graph, graph.whole(g), _padded(reversed_alpha), local)
    d_x = jnp.einsum("nhd,hd->nd", rows, w)
    d_w = jnp.einsum("nhd,nd->hd", rows, x)
    # Edges of padding have no slot, and no gradient.
    products = products.at[graph.slots].get(mode="fill", fill_value=0)
    d_alpha = graph.whole(products)[graph.reverse]
    return None, d_x, d_alpha, d_w


_neighbour_sum.defvjp(_forward, _backward)


def _padded(alpha: Array) -> Array:
    """Adds the zero row that padding slots point at."""
    return jnp.concatenate([alpha, jnp.zeros((1, alpha.shape[1]), alpha.dtype)])


def _pass(graph: Graph, x: Array, alpha: Array, local: Array | None):
    """One sweep over the neighbours' rows of ``x``.

    Returns:
      Sums float32[N, H, d], and, where ``local`` float32[N, H, d] is given, the products of each
      gathered row with the local ones, float32[slots, H] in the order of the flattened buckets.
    """
    sums, products = [], []
    for bucket in graph.buckets:
        part, product = _bucket_pass(bucket, graph.slots_at_once, x, alpha, local)
        sums.append(part)
        products.append(product)
    if graph.long is not None:
        part, product = _bucket_pass(graph.long, graph.slots_at_once, x, alpha, local)
        part = jax.ops.segment_sum(part, graph.long_segments, graph.num_long, indices_are_sorted=True)
        sums.append(part)
        products.append(product)
    rows = jnp.concatenate(sums)[graph.order]
    return rows, None if local is None else jnp.concatenate(products)


def _bucket_pass(bucket: Bucket, slots_at_once: int, x: Array, alpha: Array, local: Array | None):
    """Sums, and products where asked, of one bucket; in chunks whose gathered rows stay in cache."""
    rows, width = bucket.neighbours.shape
    chunk = max(1, slots_at_once // width)
    if chunk >= rows:
        part, product = _chunk_pass((bucket.entities, bucket.neighbours, bucket.edges), x, alpha, local)
    else:
        chunks = -(-rows // chunk)
        padding = chunks * chunk - rows
        pieces = (
            jnp.pad(bucket.entities, (0, padding)).reshape(chunks, chunk),
            jnp.pad(bucket.neighbours, ((0, padding), (0, 0))).reshape(chunks, chunk, width),
            jnp.pad(bucket.edges, ((0, padding), (0, 0)), constant_values=len(alpha) - 1).reshape(
                chunks, chunk, width
            ),
        )
        part, product = jax.lax.map(lambda piece: _chunk_pass(piece, x, alpha, local), pieces)
        part = part.reshape(-1, *part.shape[2:])[:rows]
    if local is None:
        return part, None
    return part, product.reshape(-1, local.shape[1])[: rows * width]


def _chunk_pass(piece, x: Array, alpha: Array, local: Array | None):
    entities, neighbours, edges = piece
    gathered = x[neighbours]
    part = jnp.einsum("nkd,nkh->nhd", gathered, alpha[edges])
    if local is None:
        return part, jnp.zeros((), x.dtype)
    return part, jnp.einsum("nkd,nhd->nkh", gathered, local[entities])

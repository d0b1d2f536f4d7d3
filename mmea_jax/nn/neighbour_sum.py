"""Weighted sums over neighbours with one gather each way (the heart of graph attention)."""

from typing import NamedTuple

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
    return _pass(graph, graph.whole(x), _padded(alpha), w / w.shape[0]).sums


def _forward(graph, x, alpha, w):
    return _neighbour_sum(graph, x, alpha, w), (graph, x, alpha, w)


def _backward(residual, g):
    graph, x, alpha, w = residual
    # For entity j and its neighbours i: Σ_h w_h ⊙ Σ_i alpha_ij g_i, and the products <w_h ⊙ x_j, g_i>.
    reversed_alpha = graph.whole(alpha)[graph.reverse]
    found = _pass(graph, graph.whole(g / w.shape[0]), _padded(reversed_alpha), w, x)
    # Edges of padding have no slot, and no gradient.
    products = found.products.at[graph.slots].get(mode="fill", fill_value=0)
    d_alpha = graph.whole(products)[graph.reverse]
    return None, found.sums, d_alpha, found.by_weights


_neighbour_sum.defvjp(_forward, _backward)


class _Swept(NamedTuple):
    """What a sweep over the neighbours' rows of ``x`` finds, for ``n`` entities or rows of a bucket.

    Attributes:
      sums: float32[n, d], ``Σ_h w_h ⊙ Σ_j alpha[ij, h] x_j``.
      products: float32[slots, H], ``<w_h ⊙ local_i, x_j>`` in the order of the flattened buckets.
      by_weights: float32[H, d], ``Σ_i local_i ⊙ Σ_j alpha[ij, h] x_j``, the derivative by ``w``.
    """

    sums: Array
    products: Array | None = None
    by_weights: Array | None = None


def _padded(alpha: Array) -> Array:
    """Adds the zero row that padding slots point at."""
    return jnp.concatenate([alpha, jnp.zeros((1, alpha.shape[1]), alpha.dtype)])


def _pass(graph: Graph, x: Array, alpha: Array, w: Array, local: Array | None = None) -> _Swept:
    """One sweep; all but the sums only where ``local`` float32[n, d] is given."""
    swept = [_bucket_pass(bucket, graph.slots_at_once, x, alpha, w, local) for bucket in graph.buckets]
    if graph.long is not None:
        part = _bucket_pass(graph.long, graph.slots_at_once, x, alpha, w, local)
        sums = jax.ops.segment_sum(part.sums, graph.long_segments, graph.num_long, indices_are_sorted=True)
        swept.append(part._replace(sums=sums))
    sums = jnp.concatenate([part.sums for part in swept])[graph.order]
    if local is None:
        return _Swept(sums)
    products = jnp.concatenate([part.products for part in swept])
    return _Swept(sums, products, sum(part.by_weights for part in swept))


def _bucket_pass(
    bucket: Bucket, slots_at_once: int, x: Array, alpha: Array, w: Array, local: Array | None
) -> _Swept:
    """One bucket, in chunks whose gathered rows stay in cache."""
    rows, width = bucket.neighbours.shape
    chunk = max(1, slots_at_once // width)
    if chunk >= rows:
        found = _chunk_pass((bucket.entities, bucket.neighbours, bucket.edges), x, alpha, w, local)
        return found if local is None else found._replace(products=found.products.reshape(-1, len(w)))
    chunks = -(-rows // chunk)
    padding = chunks * chunk - rows
    pieces = (
        jnp.pad(bucket.entities, (0, padding)).reshape(chunks, chunk),
        jnp.pad(bucket.neighbours, ((0, padding), (0, 0))).reshape(chunks, chunk, width),
        jnp.pad(bucket.edges, ((0, padding), (0, 0)), constant_values=len(alpha) - 1).reshape(
            chunks, chunk, width
        ),
    )
    found = jax.lax.map(lambda piece: _chunk_pass(piece, x, alpha, w, local), pieces)
    sums = found.sums.reshape(-1, x.shape[1])[:rows]
    if local is None:
        return _Swept(sums)
    products = found.products.reshape(-1, len(w))[: rows * width]
    return _Swept(sums, products, jnp.sum(found.by_weights, axis=0))


def _chunk_pass(piece, x: Array, alpha: Array, w: Array, local: Array | None) -> _Swept:
    entities, neighbours, edges = piece
    gathered = x[neighbours]
    by_head = jnp.einsum("nkd,nkh->nhd", gathered, alpha[edges])
    # Head by head: as a product it would be laid out anew, for all entities and heads at once.
    sums = sum(by_head[:, h] * own for h, own in enumerate(w))
    if local is None:
        return _Swept(sums)
    own = local[entities][:, None]
    # Rows of padding have no weight, and so no sum.
    by_weights = jnp.sum(by_head * own, axis=0)
    return _Swept(sums, jnp.einsum("nkd,nhd->nkh", gathered, own * w), by_weights)

"""Entities and relations as vectors, relations translating heads to tails (TransE, Bordes et al. 2013)."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from mmea_jax.nn.bags import gather_rows
from mmea_jax.nn.normalise import unit
from mmea_jax.nn.triples import TripleBatch


class RelationTable(nn.Module):
    """Unit vectors of the relations.

    Attributes:
      width: ``d``.
    """

    width: int

    @nn.compact
    def __call__(self, relations: Array, num_relations: int) -> Array:
        """float32[B, d] of int32[B]; ``num_relations`` rows in all."""
        table = self.param("table", nn.initializers.xavier_normal(), (num_relations, self.width))
        return unit(gather_rows(table, relations))


def translations(vectors: Array, relations: Array, triples: TripleBatch) -> tuple[Array, Array]:
    """``h + r − t`` of true and of corrupted triples, float32[B, d] each.

    Args:
      vectors: float32[3B, d], of the entities of ``three_ends``.
      relations: float32[B, d].
      triples: the batch.
    """
    head, tail, other = jnp.split(vectors, 3)
    at_head = (triples.negative[:, 0] != triples.positive[:, 0])[:, None]
    corrupted = jnp.where(at_head, other, head) + relations - jnp.where(at_head, tail, other)
    return head + relations - tail, corrupted


def three_ends(triples: TripleBatch) -> Array:
    """int32[3B]: heads, tails and what stands in their place in the corruptions.

    Three vectors a row do for the four ends of a triple and its corruption, which share one.
    """
    (head, _, tail), (other_head, _, other_tail) = triples.positive.T, triples.negative.T
    return jnp.concatenate([head, tail, jnp.where(other_head != head, other_head, other_tail)])

"""Corrupted triples, drawn on the device and never true by accident."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from mmea_jax.nn.known_triples import KnownTriples, unknown_answer


@struct.dataclass
class Corrupted:
    """``n`` corruptions of each of ``B`` triples.

    Attributes:
      entities: int32[B, n], what stands in place of the head or the tail.
      at_head: bool[B, n], whether it is the head.
    """

    entities: Array
    at_head: Array

    def triples(self, originals: Array) -> Array:
        """int32[B, n, 3] corruptions of ``originals`` int32[B, 3]."""
        head, relation, tail = (originals[:, k, None] for k in range(3))
        columns = (
            jnp.where(self.at_head, self.entities, head),
            jnp.broadcast_to(relation, self.entities.shape),
            jnp.where(self.at_head, tail, self.entities),
        )
        return jnp.stack(columns, axis=-1)


def corrupt(
    key: Array, known: KnownTriples, triples: Array, count: int, head_probability: Array
) -> Corrupted:
    """Replaces one end of each triple by a uniform draw from all entities that make no known triple.

    The draw is exact: a rank among the entities that are no known answer is drawn, not an entity that may
    have to be drawn again. Where every entity is an answer at one end, the other end is corrupted; where
    that holds for both ends, no negative exists and the last entity comes out.

    Args:
      key: random key.
      known: what no corruption may be.
      triples: int32[B, 3], head, relation, tail.
      count: corruptions of each, ``n``.
      head_probability: float32[R], the chance by relation that the head is replaced; or a scalar.
    """
    head, relation, tail = (triples[:, k, None] for k in range(3))
    num_entities = known.tails.num_entities
    at_tail, at_head = known.tails.rows(head, relation), known.heads.rows(tail, relation)
    free_tails, free_heads = (num_entities - (end - first) for first, end in (at_tail, at_head))
    chance = jnp.asarray(head_probability)
    chance = chance[relation] if chance.ndim else chance
    which, where = jax.random.split(key)
    shape = (len(triples), count)
    chosen = jax.random.uniform(which, shape) < chance
    chosen = jnp.where(free_heads <= 0, False, jnp.where(free_tails <= 0, True, chosen))
    rank = _ranks(where, shape, jnp.where(chosen, free_heads, free_tails))
    entities = jnp.where(
        chosen, unknown_answer(known.heads, *at_head, rank), unknown_answer(known.tails, *at_tail, rank)
    )
    return Corrupted(jnp.minimum(entities, num_entities - 1).astype(jnp.int32), chosen)


def _ranks(key: Array, shape: tuple[int, int], below: Array) -> Array:
    """int32 uniform in ``[0, below)``; 0 where nothing is below."""
    return jax.random.randint(key, shape, 0, jnp.maximum(below, 1))


def bernoulli_head_probability(triples: np.ndarray, num_relations: int) -> np.ndarray:
    """float32[R]: ``tph / (tph + hpt)``, so that the end with more answers is corrupted more seldom.

    ``tph`` is a relation's mean number of tails a head, ``hpt`` that of heads a tail (Wang et al. 2014,
    TransH). A relation without a triple has ½.

    Args:
      triples: int[T, 3], distinct.
      num_relations: R.
    """
    triples = np.asarray(triples)
    count = np.bincount(triples[:, 1], minlength=num_relations)

    def questions(given: int) -> np.ndarray:
        pairs = np.unique(triples[:, [given, 1]], axis=0)
        return np.bincount(pairs[:, 1], minlength=num_relations)

    heads, tails = np.maximum(questions(0), 1), np.maximum(questions(2), 1)
    tails_a_head, heads_a_tail = count / heads, count / tails
    both = tails_a_head + heads_a_tail
    return np.where(count > 0, tails_a_head / np.where(both > 0, both, 1), 0.5).astype(np.float32)

"""Which triples are known, asked on the device: sorted answers by question, within 32-bit integers.

A key of a pair or triple of ids would overflow int32 from 46,341 entities on, and JAX has no int64 by
default; so answers are sorted by (given entity, relation, answer), entities have offsets, and binary searches
do the rest.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array


@struct.dataclass
class Answers:
    """Known answers to questions about one end of a triple.

    Attributes:
      offsets: int32[N+1]; entity ``e`` at the other end has the rows ``offsets[e]:offsets[e+1]``.
      relations: int32[T], ascending within an entity's rows.
      answers: int32[T], ascending within the rows of an entity and a relation.
    """

    offsets: Array
    relations: Array
    answers: Array

    @property
    def num_entities(self) -> int:
        return len(self.offsets) - 1

    def rows(self, given: Array, relation: Array) -> tuple[Array, Array]:
        """First row of each question and the row after its last, int32[...] each."""
        low, high = self.offsets[given], self.offsets[given + 1]
        first = _first_at_least(self.relations, low, high, relation)
        return first, _first_at_least(self.relations, first, high, relation + 1)


@struct.dataclass
class KnownTriples:
    """Distinct triples, sorted for questions about either end.

    Attributes:
      tails: answers to (head, relation, ?).
      heads: answers to (?, relation, tail).
    """

    tails: Answers
    heads: Answers


def make_known(triples: np.ndarray, num_entities: int) -> KnownTriples:
    """Sorts triples int[T, 3] (head, relation, tail; repeats allowed) on the host.

    Raises:
      ValueError: an entity is out of range; on the device it would be silently clamped.
    """
    triples = np.unique(np.asarray(triples, np.int64).reshape(-1, 3), axis=0)
    entities = triples[:, [0, 2]]
    if entities.size and (entities.min() < 0 or entities.max() >= num_entities):
        raise ValueError(f"entities must be in [0, {num_entities})")
    return KnownTriples(
        tails=_answers(triples[:, 0], triples[:, 1], triples[:, 2], num_entities),
        heads=_answers(triples[:, 2], triples[:, 1], triples[:, 0], num_entities),
    )


def contains(known: KnownTriples, head: Array, relation: Array, tail: Array) -> Array:
    """bool[...]: whether the triples of int32[...] ids are known."""
    if not len(known.tails.answers):
        return jnp.zeros(jnp.shape(head), bool)
    first, end = known.tails.rows(head, relation)
    place = _first_at_least(known.tails.answers, first, end, tail)
    return (place < end) & (known.tails.answers[jnp.minimum(place, end - 1)] == tail)


def unknown_answer(own: Answers, first: Array, end: Array, rank: Array) -> Array:
    """int32[...]: the entity that is the ``rank``-th (from 0), by id, among those that are no known answer.

    Uniform ranks give uniform entities, exactly and without a second draw. With the answers
    ``a_0 < a_1 < …``, the number of non-answers below ``a_i`` is ``a_i − i``, which does not fall with ``i``:
    a binary search finds how many answers lie below the one that is sought.

    Args:
      own: answers.
      first: int32[...], first row of the question.
      end: int32[...], the row after its last.
      rank: int32[...], in ``[0, N − (end − first))``.
    """
    if not len(own.answers):
        return rank
    first, end, rank = jnp.broadcast_arrays(first, end, rank)

    def before(middle: Array) -> Array:
        return own.answers[middle] - (middle - first) <= rank

    return rank + _search(own.answers, first, end, before) - first


def _answers(given: np.ndarray, relation: np.ndarray, answer: np.ndarray, num_entities: int) -> Answers:
    order = np.lexsort((answer, relation, given))
    offsets = np.searchsorted(given[order], np.arange(num_entities + 1))
    columns = (offsets, relation[order], answer[order])
    return Answers(*(jnp.asarray(column, jnp.int32) for column in columns))


def _first_at_least(values: Array, low: Array, high: Array, wanted: Array) -> Array:
    """The first row in ``[low, high)`` whose value, ascending there, is at least ``wanted``; or ``high``."""
    low, high, wanted = jnp.broadcast_arrays(low, high, wanted)
    return _search(values, low, high, lambda middle: values[middle] < wanted)


def _search(values: Array, low: Array, high: Array, before: Callable[[Array], Array]) -> Array:
    """Binary search: the first row of ``[low, high)`` not ``before`` what is sought, or ``high``."""

    def halve(_, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = (low + high) // 2
        left = (low < high) & before(jnp.minimum(middle, len(values) - 1))
        return jnp.where(left, middle + 1, low), jnp.where(left, high, middle)

    if not len(values):
        return high
    return jax.lax.fori_loop(0, len(values).bit_length(), halve, (low, high))[0]

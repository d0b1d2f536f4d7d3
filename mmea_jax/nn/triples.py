"""Triples of both graphs for methods that embed by translation, and batches of them drawn on the device.

Aligned entities *swap*: a triple of an entity with a known counterpart is also a triple with the counterpart
in its place (BootEA, IJCAI 2018; docs/methods/tmea.md). Counterparts are read from the links of the epoch, so
that links which training finds on its way swap from then on, with no new shape and no work on the host.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array

from mmea_jax.nn.known_triples import KnownTriples, contains, make_known
from mmea_jax.nn.negatives import corrupt


@struct.dataclass
class Triples:
    """Triples of two graphs in one index space; relations of the two are disjoint.

    Attributes:
      rows: int32[T, 3], head, relation, tail.
      known: the same, sorted to be asked.
      num_relations: ``R``.
    """

    rows: Array
    known: KnownTriples
    num_relations: int = struct.field(pytree_node=False)


@struct.dataclass
class TripleBatch:
    """True triples and one corruption of each.

    Attributes:
      positive: int32[B, 3].
      negative: int32[B, 3].
      valid: bool[B], false for padding and for a corruption that is true by a swap; such rows hold entities
        and relations that may be read, but say nothing.
    """

    positive: Array
    negative: Array
    valid: Array


def make_triples(rows: np.ndarray, num_entities: int, num_relations: int) -> Triples:
    """Sorts triples int[T, 3] on the host.

    Raises:
      ValueError: an entity or a relation is out of range; on the device it would be silently clamped.
    """
    rows = np.asarray(rows, np.int32).reshape(-1, 3)
    if rows.size and (rows[:, 1].min() < 0 or rows[:, 1].max() >= num_relations):
        raise ValueError(f"relations must be in [0, {num_relations})")
    return Triples(rows, make_known(rows, num_entities), num_relations)


def counterparts(links: Array, num_entities: int) -> Array:
    """int32[N]: the entity of the other graph that each is aligned with, −1 for none.

    Args:
      links: int32[C, 2]; rows of −1 are padding.
      num_entities: ``N``.
    """
    # A negative index would count from the end: padding is sent past it and dropped.
    one, two = (jnp.where(links[:, k] < 0, num_entities, links[:, k]) for k in (0, 1))
    nobody = jnp.full(num_entities, -1, jnp.int32)
    return nobody.at[one].set(links[:, 1], mode="drop").at[two].set(links[:, 0], mode="drop")


def count_swapped(rows: np.ndarray, links: np.ndarray, num_entities: int) -> int:
    """Rows of a pass: triples int[T, 3], and one more for each of their ends in a link of int[·, 2]."""
    aligned = np.zeros(num_entities, bool)
    aligned[np.asarray(links).reshape(-1)] = True
    return len(rows) + int(aligned[rows[:, 0]].sum()) + int(aligned[rows[:, 2]].sum())


def shuffled_pass(key: Array, rows: Array, counterpart: Array, length: int) -> Array:
    """All triples and what swapping makes of them, in random order, then padding of −1.

    Args:
      key: of the pass.
      rows: int32[T, 3].
      counterpart: int32[N], see ``counterparts``.
      length: rows of the result; where there are more, a random part is taken.

    Returns:
      int32[length, 3].
    """
    every = jnp.concatenate([rows, *_swapped(rows, counterpart)])
    real = jnp.all(every >= 0, axis=1)
    order = jnp.argsort(jnp.where(real, jax.random.uniform(key, real.shape), 2.0))[:length]
    drawn = jnp.where(real[order][:, None], every[order], -1)
    return jnp.pad(drawn, ((0, length - len(drawn)), (0, 0)), constant_values=-1)


def corrupted_batch(key: Array, triples: Triples, positive: Array, counterpart: Array) -> TripleBatch:
    """A batch with one corruption of each triple, the head or the tail with equal chance.

    No corruption is a triple, nor what swapping makes of one.

    Args:
      key: of the batch.
      triples: what is true.
      positive: int32[B, 3]; rows of −1 are padding.
      counterpart: int32[N].
    """
    real = jnp.all(positive >= 0, axis=1)
    positive = jnp.where(real[:, None], positive, 0)
    negative = corrupt(key, triples.known, positive, 1, 0.5).triples(positive)[:, 0]
    true = is_true(triples.known, negative, counterpart)
    return TripleBatch(positive, negative, real & ~true)


def is_true(known: KnownTriples, rows: Array, counterpart: Array) -> Array:
    """bool[B]: whether each of int32[B, 3] is a known triple or what swapping one end of one makes."""
    found = contains(known, *rows.T)
    for swapped in _swapped(rows, counterpart):
        there = jnp.all(swapped >= 0, axis=1)
        asked = jnp.where(there[:, None], swapped, 0)
        found |= there & contains(known, *asked.T)
    return found


def _swapped(rows: Array, counterpart: Array) -> tuple[Array, Array]:
    """int32[B, 3] each: the triples with their heads' and with their tails' counterparts, −1 for none."""
    head, relation, tail = rows.T
    swapped = (counterpart[head], relation, tail), (head, relation, counterpart[tail])
    return tuple(jnp.stack(columns, axis=1) for columns in swapped)

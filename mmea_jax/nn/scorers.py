"""Scores of triples: RotatE, TransE, DistMult and ComplEx, each as a query compared with an answer.

A score of ``(h, r, t)`` is ``compare(tail_query(h, r), t)`` and as well ``compare(head_query(r, t), h)``.
So one query vector meets any number of candidate answers, and a triple's corruptions at either end cost
one row of the entity table each.

Sources: RotatE, Sun et al. 2019 (arXiv 1902.10197; docs/methods/adamf_mat.md); TransE, Bordes et al.
2013, with the L1 norm; DistMult, Yang et al. 2015; ComplEx, Trouillon et al. 2016.
"""

import abc
import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.errors import InputError, closest

# Entities and components that a distance is computed for at once on CPU: with 128 queries the sums and what
# they read then stay in a core's cache. Found by timing 12,842 entities of 250 complex components, where
# other sizes took up to 10 times as long.
_TILE, _COMPONENTS = 256, 10


@dataclasses.dataclass(frozen=True)
class TripleScorer(abc.ABC):
    """What a score is; higher is likelier.

    Attributes:
      dim: width ``d``; complex scorers have so many complex components.
      margin: ``γ`` of the distance-based scores, which also sets the range of the initial tables.
    """

    dim: int
    margin: float = 12.0

    # Added to the margin in the range of initial values, as RotatE's authors do.
    epsilon = 2.0

    @property
    def entity_width(self) -> int:
        """``D``, width of an entity's vector."""
        return self.dim

    @property
    def relation_width(self) -> int:
        """Width of a relation's vector."""
        return self.dim

    @property
    def span(self) -> float:
        """``(γ + 2) / d``: initial relation vectors are uniform in ±span."""
        return (self.margin + self.epsilon) / self.dim

    @property
    def entity_span(self) -> float:
        """Initial entity vectors are uniform in ± this."""
        return self.span

    @abc.abstractmethod
    def tail_query(self, head: Array, relation: Array) -> Array:
        """float32[..., D], of entity and relation vectors."""

    @abc.abstractmethod
    def head_query(self, relation: Array, tail: Array) -> Array:
        """float32[..., D], of relation and entity vectors."""

    @abc.abstractmethod
    def compare(self, query: Array, answer: Array) -> Array:
        """float32[...] of two arrays float32[..., D] that broadcast."""

    @abc.abstractmethod
    def compare_all(self, queries: Array, table: Array) -> Array:
        """float32[b, N] of queries float32[b, D] and a table float32[N, D], without an array [b, N, D]."""

    def triples(self, head: Array, relation: Array, tail: Array) -> Array:
        """Scores float32[...] of triples of vectors."""
        return self.compare(self.tail_query(head, relation), tail)

    def all_tails(self, head: Array, relation: Array, table: Array) -> Array:
        """Scores float32[b, N] of every entity as the tail."""
        return self.compare_all(self.tail_query(head, relation), table)

    def all_heads(self, relation: Array, tail: Array, table: Array) -> Array:
        """Scores float32[b, N] of every entity as the head."""
        return self.compare_all(self.head_query(relation, tail), table)


class RotatE(TripleScorer):
    """``γ − Σ_k |h_k e^{iθ_k} − t_k|``, the first half of an entity's vector real, the second imaginary."""

    @property
    def entity_width(self) -> int:
        return 2 * self.dim

    @property
    def entity_span(self) -> float:
        return self.span / 2

    def tail_query(self, head: Array, relation: Array) -> Array:
        return self._turned(head, relation, 1.0)

    def head_query(self, relation: Array, tail: Array) -> Array:
        # A rotation keeps lengths: |h e^{iθ} − t| = |h − t e^{−iθ}|.
        return self._turned(tail, relation, -1.0)

    def compare(self, query: Array, answer: Array) -> Array:
        return self.margin - jnp.sum(_modulus(*_halves(query - answer)), axis=-1)

    def compare_all(self, queries: Array, table: Array) -> Array:
        return self.margin - _distances(_halves(queries), _halves(table), _exact_modulus)

    def _turned(self, entity: Array, relation: Array, sign: float) -> Array:
        phase = relation * (jnp.pi / self.span)
        (real, imaginary), cos, sin = _halves(entity), jnp.cos(phase), sign * jnp.sin(phase)
        return jnp.concatenate([real * cos - imaginary * sin, real * sin + imaginary * cos], axis=-1)


class TransE(TripleScorer):
    """``γ − ‖h + r − t‖₁``."""

    def tail_query(self, head: Array, relation: Array) -> Array:
        return head + relation

    def head_query(self, relation: Array, tail: Array) -> Array:
        return tail - relation

    def compare(self, query: Array, answer: Array) -> Array:
        return self.margin - jnp.sum(jnp.abs(query - answer), axis=-1)

    def compare_all(self, queries: Array, table: Array) -> Array:
        return self.margin - _distances((queries,), (table,), jnp.abs)


class DistMult(TripleScorer):
    """``Σ_k h_k r_k t_k``."""

    def tail_query(self, head: Array, relation: Array) -> Array:
        return head * relation

    def head_query(self, relation: Array, tail: Array) -> Array:
        return relation * tail

    def compare(self, query: Array, answer: Array) -> Array:
        return jnp.sum(query * answer, axis=-1)

    def compare_all(self, queries: Array, table: Array) -> Array:
        return queries @ table.T

    def relation_query(self, head: Array, tail: Array) -> Array:
        """float32[..., D]: compared with a relation's vector it gives the triple's score."""
        return head * tail


class ComplEx(DistMult):
    """``Re Σ_k h_k r_k t̄_k``, halves as in RotatE."""

    @property
    def entity_width(self) -> int:
        return 2 * self.dim

    @property
    def relation_width(self) -> int:
        return 2 * self.dim

    def tail_query(self, head: Array, relation: Array) -> Array:
        (a, b), (c, d) = _halves(head), _halves(relation)
        return jnp.concatenate([a * c - b * d, a * d + b * c], axis=-1)

    def head_query(self, relation: Array, tail: Array) -> Array:
        (a, b), (c, d) = _halves(tail), _halves(relation)
        return jnp.concatenate([a * c + b * d, b * c - a * d], axis=-1)

    def relation_query(self, head: Array, tail: Array) -> Array:
        # The score is as linear in the relation as in the head, and alike: Re(h r t̄).
        return self.head_query(head, tail)


SCORERS: dict[str, type[TripleScorer]] = {
    "rotate": RotatE,
    "transe": TransE,
    "distmult": DistMult,
    "complex": ComplEx,
}


def make_scorer(name: str, dim: int, margin: float) -> TripleScorer:
    """The scorer of that name.

    Raises:
      InputError: no such scorer; the error names the closest.
    """
    if name not in SCORERS:
        raise InputError(
            f"the scorer {name!r}{closest(name, SCORERS)}",
            expected=f"one of {', '.join(SCORERS)}",
            mend="change --config.model.scorer",
        )
    return SCORERS[name](dim, margin)


def _halves(vectors: Array) -> tuple[Array, Array]:
    return tuple(jnp.split(vectors, 2, axis=-1))


def _exact_modulus(real: Array, imaginary: Array) -> Array:
    return jnp.sqrt(real * real + imaginary * imaginary)


def _modulus(real: Array, imaginary: Array) -> Array:
    """``|z|`` with gradient 0 at 0, where the square root alone has NaN."""
    squared = real * real + imaginary * imaginary
    # Not the converse: NaN must come through.
    zero = squared == 0
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, squared)))


def _distances(queries: tuple[Array, ...], table: tuple[Array, ...], length: Callable[..., Array]) -> Array:
    """``Σ_k length(queries_k − table_k)`` for every query and row of the table, float32[b, N].

    Args:
      queries: parts float32[b, d] of which ``length`` takes the differences.
      table: as many parts float32[N, d].
      length: elementwise, 0 at 0.
    """
    if jax.default_backend() != "cpu":
        differences = [q[:, None] - e[None] for q, e in zip(queries, table, strict=True)]
        return jnp.sum(length(*differences), axis=-1)
    b, n = len(queries[0]), len(table[0])
    # Components in front: the innermost loop then runs over entities, which vectorises.
    asked = jnp.stack([_padded(q.T, _COMPONENTS) for q in queries], axis=1)
    asked = asked.reshape(-1, _COMPONENTS, len(queries), b)
    rows = jnp.stack([_padded(_padded(e, _TILE).T, _COMPONENTS) for e in table], axis=1)
    tiles = jnp.moveaxis(rows.reshape(len(asked), _COMPONENTS, len(table), -1, _TILE), 3, 0)

    def add(total: Array, chunk: tuple[Array, Array]) -> tuple[Array, None]:
        query, tile = chunk
        for k in range(_COMPONENTS):
            # Part by part: as one array of all parts the differences would not fuse with what follows.
            total += length(*(query[k, p][:, None] - tile[k, p][None, :] for p in range(len(table))))
        return total, None

    def one(tile: Array) -> Array:
        return jax.lax.scan(add, jnp.zeros((b, _TILE)), (asked, tile))[0]

    return jnp.moveaxis(jax.lax.map(one, tiles), 0, 1).reshape(b, -1)[:, :n]


def _padded(rows: Array, multiple: int) -> Array:
    """Rows of zeros added up to a multiple."""
    return jnp.pad(rows, ((0, -len(rows) % multiple), (0, 0)))

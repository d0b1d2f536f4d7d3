"""Filtered realistic ranks of completion: the missing end of each triple among all entities.

The rank is ``1 + strictly better candidates + half the other, equally good ones``, after every other known
answer to the same question has been taken out (Bordes et al. 2013, "filtered"). Triples that ask the same
question share one row of scores; rows are computed in blocks on the device.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mmea_jax.matching.ranks import metrics

HITS = (1, 3, 10)
# The end that is asked for.
End = Literal["head", "tail"]
ENDS: tuple[End, ...] = ("head", "tail")
# (state, end, given entities int32[b], relations int32[b]) → scores float32[b, N].
Score = Callable[[Any, End, jax.Array, jax.Array], jax.Array]

_BLOCK = 128
_BLOCK_BYTES = 64 << 20
# A relation's mean number of tails a head (or heads a tail) from which on it counts as many.
_MANY = 1.5


class _Plan(NamedTuple):
    """Questions about one end in blocks of ``b``; ``Q`` triples, some of which share a question.

    Attributes:
      given: int32[blocks, b], the entity at the other end.
      relation: int32[blocks, b].
      asked: int32[blocks, G], the row within the block that a gold answer belongs to; b for padding.
      gold: int32[blocks, G], the answers.
      known_row: int32[blocks, F], row of each known answer; b for padding.
      known: int32[blocks, F].
      place: int64[Q], where in the flattened [blocks, G] each triple is.
    """

    given: np.ndarray
    relation: np.ndarray
    asked: np.ndarray
    gold: np.ndarray
    known_row: np.ndarray
    known: np.ndarray
    place: np.ndarray


class Ranker:
    """Ranks the same triples again and again, by whatever a model has become.

    Args:
      score: scores of all entities; traced once for each end.
      triples: int[Q, 3], head, relation, tail.
      known: int[·, 3], the filter; the triples themselves are filtered out too.
      num_entities: N.
      block: questions at once; as many as 128 and 64 MiB of scores allow by default.

    Raises:
      ValueError: without a triple.
    """

    def __init__(
        self,
        score: Score,
        triples: np.ndarray,
        known: np.ndarray,
        num_entities: int,
        block: int | None = None,
    ):
        triples, known = np.asarray(triples), np.asarray(known)
        if not len(triples):
            raise ValueError("no triple to rank")
        block = block or max(1, min(_BLOCK, _BLOCK_BYTES // (4 * num_entities), len(triples)))
        known = np.unique(np.concatenate([known.reshape(-1, 3), triples]), axis=0)
        self._plans = {end: _plan(end, triples, known, block) for end in ENDS}
        self._score = score

    def __call__(self, state: Any) -> dict[End, np.ndarray]:
        """``{"head": float64[Q], "tail": float64[Q]}``, in the triples' order.

        Raises:
          FloatingPointError: for a score that is NaN or infinite.
        """
        ranks = {}
        for end, plan in self._plans.items():
            beaten, finite = _count(self._score, state, end, *plan[:-1])
            if not bool(finite):
                raise FloatingPointError("a score is NaN or infinite; training has diverged")
            ranks[end] = 1.0 + np.asarray(beaten).reshape(-1)[plan.place] / 2
        return ranks


@partial(jax.jit, static_argnums=(0, 2))
def _count(score: Score, state: Any, end: End, *plan: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Twice the better plus the equal candidates, int32[blocks, G], and whether all scores are finite."""

    def block(parts):
        given, relation, asked, gold, known_row, known = parts
        scores = score(state, end, given, relation)
        rows = jnp.minimum(asked, len(given) - 1)
        # Gold is among the known, so what is left are its competitors.
        others = scores.at[known_row, known].set(-jnp.inf, mode="drop")

        def twice_beaten(part):
            row, own = part
            return jnp.sum((others[row] > own).astype(jnp.int32) + (others[row] >= own).astype(jnp.int32))

        # As many at once as questions, for one of them may have a great many gold answers.
        beaten = jax.lax.map(twice_beaten, (rows, scores[rows, gold]), batch_size=len(given))
        return beaten, jnp.all(jnp.isfinite(scores))

    beaten, finite = jax.lax.map(block, plan)
    return beaten, jnp.all(finite)


def _plan(end: End, triples: np.ndarray, known: np.ndarray, block: int) -> _Plan:
    given, answer = (2, 0) if end == "head" else (0, 2)
    both = np.concatenate([triples, known])[:, [given, 1]]
    keys, code = np.unique(both, axis=0, return_inverse=True)
    code = code.reshape(-1)
    asked, code_of_known = np.unique(code[: len(triples)], return_inverse=True)[0], code[len(triples) :]
    # In random order, so that the questions with many answers are spread over the blocks.
    order = np.random.default_rng(0).permutation(len(asked))
    position = np.full(len(keys), -1)
    position[asked[order]] = np.arange(len(asked))
    blocks = -(-len(asked) // block)
    questions = np.zeros((blocks * block, 2), np.int32)
    questions[: len(asked)] = keys[asked[order]]
    questions = questions.reshape(blocks, block, 2)
    (golds, rows), place = _by_block(position[code[: len(triples)]], triples[:, answer], blocks, block)
    relevant = position[code_of_known] >= 0
    (filtered, known_rows), _ = _by_block(
        position[code_of_known][relevant], known[relevant, answer], blocks, block
    )
    return _Plan(questions[..., 0], questions[..., 1], rows, golds, known_rows, filtered, place)


def _by_block(
    question: np.ndarray, answers: np.ndarray, blocks: int, block: int
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Answers int[n] to numbered questions int[n], padded to one length a block.

    Returns:
      ``(answers int32[blocks, most], rows int32[blocks, most])`` and each answer's place, int64[n].
    """
    owner, row = np.divmod(question, block)
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=blocks)
    most = max(int(counts.max()), 1)
    within = np.arange(len(question)) - np.repeat(np.cumsum(counts) - counts, counts)
    place = np.empty(len(question), np.int64)
    place[order] = owner[order] * most + within
    padded = np.zeros(blocks * most, np.int32)
    rows = np.full(blocks * most, block, np.int32)
    padded[place], rows[place] = answers, row
    return (padded.reshape(blocks, most), rows.reshape(blocks, most)), place


def completion_metrics(ranks: Mapping[End, np.ndarray]) -> dict[str, dict[str, float]]:
    """``{"both", "head", "tail"}``, each with Hits@1, 3, 10 in [0, 1], mean rank and MRR."""
    both = np.concatenate([ranks[end] for end in ENDS])
    return {"both": metrics(both, HITS)} | {end: metrics(ranks[end], HITS) for end in ENDS}


def relation_categories(triples: np.ndarray, num_relations: int) -> np.ndarray:
    """str[R]: ``1-1``, ``1-N``, ``N-1`` or ``N-N`` by the mean number of tails a head and heads a tail.

    The threshold is 1.5 (Bordes et al. 2013). A relation without a triple is ``unseen``.

    Args:
      triples: int[T, 3], distinct training triples.
      num_relations: R.
    """
    triples = np.asarray(triples)
    count = np.bincount(triples[:, 1], minlength=num_relations)

    def mean_answers(given: int) -> np.ndarray:
        questions = np.unique(triples[:, [given, 1]], axis=0)[:, 1]
        return count / np.maximum(np.bincount(questions, minlength=num_relations), 1)

    heads = np.where(mean_answers(2) >= _MANY, "N", "1")
    tails = np.where(mean_answers(0) >= _MANY, "N", "1")
    kind = np.char.add(np.char.add(heads, "-"), tails)
    return np.where(count > 0, kind, "unseen")


def by_category(
    ranks: Mapping[End, np.ndarray], relations: np.ndarray, categories: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Metrics by the category of a triple's relation; empty categories are left out.

    Args:
      ranks: float[Q] by end.
      relations: int[Q].
      categories: str[R], as ``relation_categories`` gives them.

    Returns:
      ``{category: {"count", "hits@1", "mrr", "head": metrics, "tail": metrics}}``; the first three are of
      both ends together, and ``count`` is of triples.
    """
    own = categories[np.asarray(relations)]
    found = {}
    for category in np.unique(own).tolist():
        parts = completion_metrics({end: ranks[end][own == category] for end in ENDS})
        both = parts.pop("both")
        found[category] = {"count": int((own == category).sum()), "hits@1": both["hits@1"]}
        found[category] |= {"mrr": both["mrr"], **parts}
    return found

"""The attributes of two graphs in one vocabulary, and which of them are worth telling."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from mmea_jax.encoders.attribute_scores import agreement, scores, trigrams
from mmea_jax.encoders.attribute_tables import AttributeTables, summed

ACCEPT = 0.55  # least score of a match
# A judge is asked about scores in this range.
DOUBTFUL = (0.40, 0.70)
_LEAST_OWNERS = 2  # an attribute of one entity alone tells nothing of any other
_SUPPORT = 10  # training links with an attribute from which on it may be found to say nothing
_EXAMPLES = 3  # of either answer

Pair = tuple[str, str]
# From examples (pair, whether it matches) and pairs in doubt to whether each matches.
Judge = Callable[[Sequence[tuple[Pair, bool]], Sequence[Pair]], Sequence[bool]]


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Attributes by common label.

    Attributes:
      labels: V distinct labels, in words.
      label: int[A], the label of each attribute.
      weight: float32[V], how much a label says of who an entity is; 0 for one that was filtered out.
      matched: pairs of attributes of different names that got one label.
      asked: how many pairs a judge was asked about.
    """

    labels: tuple[str, ...]
    label: np.ndarray
    weight: np.ndarray
    matched: tuple[Pair, ...]
    asked: int


def common_vocabulary(tables: AttributeTables, meanings: np.ndarray, judge: Judge | None) -> Vocabulary:
    """Matches the attributes of the two graphs and weighs the labels. Looks at training links only.

    What both graphs have by the same words is common already. Of the others, one of KG 1 and one of KG 2
    are matched if each is the other's most similar one (``attribute_scores.scores``), and similar enough.

    Args:
      tables: who has what.
      meanings: float32[A, f] unit vectors of the attributes' words.
      judge: decides on pairs in doubt; None to go by the score alone.
    """
    of_side = [np.asarray(tables.owns[tables.side == k].sum(axis=0)).ravel() for k in (0, 1)]
    linked = agreement(tables.owns, tables.train)
    alone = np.minimum(*of_side) == 0
    one, two = (np.flatnonzero((owners >= _LEAST_OWNERS) & alone) for owners in of_side)
    pairs = _mutual_best(one, two, trigrams(tables.words), meanings, linked)
    accepted, asked = _decided(pairs, tables, linked, judge)
    label, labels = _labelled(tables.words, accepted, of_side[0] + of_side[1])
    weight = label_weights(tables, label, len(labels))
    matched = tuple((tables.words[a], tables.words[b]) for a, b in accepted)
    return Vocabulary(labels, label, weight, matched, asked)


def label_weights(tables: AttributeTables, label: np.ndarray, size: int) -> np.ndarray:
    """float32[V]: log(entities / owners) of a label, times how well linked entities agree on it.

    A label is filtered out (0) that fewer than two entities have; that only one graph knows, if both have
    attributes at all; or whose owners are linked to one another no more than chance would have it.
    """
    owns = summed(tables.owns, label, size)
    sides = [np.asarray(owns[tables.side == k].sum(axis=0)).ravel() for k in (0, 1)]
    total = sides[0] + sides[1]
    weight = np.log(np.maximum((total > 0) * owns.shape[0] / np.maximum(total, 1), 1))
    weight[total < _LEAST_OWNERS] = 0
    if not all(side.any() for side in sides):
        return weight.astype(np.float32)
    weight[(sides[0] == 0) | (sides[1] == 0)] = 0
    first, second = owns[tables.train[:, 0]], owns[tables.train[:, 1]]
    both = np.asarray(first.multiply(second).sum(axis=0)).ravel()
    one, two = (np.asarray(part.sum(axis=0)).ravel() for part in (first, second))
    chance = one * two / max(len(tables.train), 1)
    weight[(np.minimum(one, two) >= _SUPPORT) & (both <= chance)] = 0
    # Without evidence a label counts as one that half its owners agree on.
    return (weight * (2 * both + 1) / (one + two + 2)).astype(np.float32)


def _mutual_best(one, two, letters, meanings, linked) -> list[tuple[int, int, float]]:
    """Pairs of attributes that are each other's most similar one, with their scores, best first."""
    if not len(one) or not len(two):
        return []
    best_of_one = np.zeros(len(one), np.int64)
    score_of_one = np.zeros(len(one), np.float32)
    best_of_two = np.zeros(len(two), np.int64)
    score_of_two = np.full(len(two), -np.inf, np.float32)
    for here, block in scores(one, two, letters, meanings, linked):
        best_of_one[here], score_of_one[here] = block.argmax(axis=1), block.max(axis=1)
        better = block.max(axis=0) > score_of_two
        best_of_two[better] = here[block.argmax(axis=0)[better]]
        score_of_two[better] = block.max(axis=0)[better]
    mutual = np.flatnonzero(best_of_two[best_of_one] == np.arange(len(one)))
    order = mutual[np.argsort(-score_of_one[mutual], kind="stable")]
    return [(int(one[i]), int(two[best_of_one[i]]), float(score_of_one[i])) for i in order]


def _decided(pairs, tables, linked, judge: Judge | None) -> tuple[list[tuple[int, int]], int]:
    low, high = DOUBTFUL
    if judge is None:
        return [(a, b) for a, b, score in pairs if score >= ACCEPT], 0
    sure = [(a, b) for a, b, score in pairs if score >= high]
    doubtful = [(a, b) for a, b, score in pairs if low <= score < high]
    spoken = [(tables.words[a], tables.words[b]) for a, b in doubtful]
    verdicts = judge(examples(tables.words, linked, sure), spoken) if spoken else []
    agreed = [pair for pair, same in zip(doubtful, verdicts, strict=True) if same]
    return [*sure, *agreed], len(spoken)


def examples(words: Sequence[str], linked, sure: Sequence[Pair]) -> list[tuple[Pair, bool]]:
    """Pairs of attributes that training links show to match, and to differ; few, the clearest first.

    Those that match are sure by their score, and most linked entities that have one have the other; those
    that differ are attributes of many linked entities of which no pair has both.

    Args:
      words: A names.
      linked: what ``attribute_scores.agreement`` gives.
      sure: attributes of KG 1 and KG 2 that match.
    """
    together, first, second = linked
    common = [(2 * together[a, b] / (first[a] + second[b] + 1e-9), a, b) for a, b in sure]
    alike = [(a, b) for share, a, b in sorted(common, key=lambda c: -c[0]) if share > 0][:_EXAMPLES]
    one, two = np.argsort(-first, kind="stable")[:50], np.argsort(-second, kind="stable")[:50]
    block = together[one][:, two].toarray() + 1e9 * ((first[one] == 0)[:, None] | (second[two] == 0)[None, :])
    other = [(int(one[i]), int(two[j])) for i, j in np.argwhere(block == 0)]
    other.sort(key=lambda pair: -min(first[pair[0]], second[pair[1]]))
    pairs = [(pair, True) for pair in alike] + [(pair, False) for pair in other[:_EXAMPLES]]
    return [((words[a], words[b]), same) for (a, b), same in pairs]


def _labelled(
    words: Sequence[str], accepted: Sequence[tuple[int, int]], owners: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The label of each attribute: its words, or of two matched ones those that more entities have."""
    spokesman = np.arange(len(words))
    for pair in accepted:
        # Letters that most encoders know, where there is a choice.
        spokesman[list(pair)] = max(pair, key=lambda c: (words[c].isascii(), owners[c], words[c]))
    kept, label = np.unique(spokesman, return_inverse=True)
    return label, tuple(words[c] for c in kept)

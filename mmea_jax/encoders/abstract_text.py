"""What is said of an entity: its attributes by common labels, the template abstract, and the prompts."""

from collections.abc import Sequence

import numpy as np

from mmea_jax.encoders.attribute_matching import Pair, Vocabulary
from mmea_jax.encoders.attribute_tables import AttributeTables, summed

MOST = 24  # labels told of an entity, those of most weight
_EXAMPLES = 2  # linked pairs shown before the question

_ABSTRACT_TASK = (
    "Two knowledge graphs describe the same things in their own words. Write one short paragraph on the "
    "entity that has these attributes: what kind of thing it is and what is known of it. Name the "
    "attributes, invent no facts."
)
_MATCH_TASK = (
    "Two knowledge graphs name attributes in their own words. Say yes if the two attributes mean the same, "
    "no if they do not."
)


def told_labels(tables: AttributeTables, vocabulary: Vocabulary) -> list[list[int]]:
    """For each of N entities the labels that are told of it, of most weight first; ties as in the vocabulary.

    Labels that were filtered out are not told; of the rest ``MOST`` at most.
    """
    owns = summed(tables.owns, vocabulary.label, len(vocabulary.labels))
    told = []
    for start, end in zip(owns.indptr[:-1], owns.indptr[1:], strict=True):
        own = np.sort(owns.indices[start:end])
        own = own[vocabulary.weight[own] > 0]
        told.append(own[np.argsort(-vocabulary.weight[own], kind="stable")][:MOST].tolist())
    return told


def phrases(
    tables: AttributeTables, vocabulary: Vocabulary, told: Sequence[Sequence[int]]
) -> list[list[str]]:
    """The told labels in words, with the number where the entity has one, as in ``height 1.85``."""
    number: dict[tuple[int, int], float] = {}
    for (entity, attribute), value in tables.values.items():
        number.setdefault((entity, int(vocabulary.label[attribute])), value)
    return [
        [_phrase(vocabulary.labels[label], number.get((entity, label))) for label in own]
        for entity, own in enumerate(told)
    ]


def template(phrases_of_one: Sequence[str]) -> str:
    """The abstract where no language model is given; empty without a phrase."""
    if not phrases_of_one:
        return ""
    *most, last = phrases_of_one
    return f"Described by {', '.join(most)} and {last}." if most else f"Described by {last}."


def linked_examples(told: Sequence[Sequence[int]], spoken: Sequence[Sequence[str]], train: np.ndarray):
    """Training pairs to show, as (phrases of one, phrases of the other, abstract of what both have).

    Those are taken that have most labels in common, six at most, for a prompt must stay short.

    Args:
      told: labels by entity.
      spoken: phrases by entity.
      train: int[L, 2].
    """
    common = [(len(set(told[a]) & set(told[b])), i) for i, (a, b) in enumerate(train.tolist())]
    fitting = sorted(((min(count, 6), -i) for count, i in common if count), reverse=True)[:_EXAMPLES]
    shown = []
    for _, i in fitting:
        a, b = train[-i].tolist()
        both = [phrase for label, phrase in zip(told[a], spoken[a], strict=True) if label in set(told[b])]
        shown.append((spoken[a][:12], spoken[b][:12], template(both[:12])))
    return shown


def abstract_prompt(shown, phrases_of_one: Sequence[str]) -> str:
    """The request for one entity's abstract, after examples from training links."""
    blocks = [_ABSTRACT_TASK]
    for one, two, abstract in shown:
        # Either graph's attributes lead to the same abstract: that is what aligns the two vocabularies.
        blocks += [f"Attributes: {'; '.join(own)}\nAbstract: {abstract}" for own in (one, two)]
    return "\n\n".join([*blocks, f"Attributes: {'; '.join(phrases_of_one)}\nAbstract:"])


def match_prompt(shown: Sequence[tuple[Pair, bool]], pair: Pair) -> str:
    """The request whether two attributes mean the same; the answer is ``yes`` or ``no``."""
    lines = [f"{one} | {two} -> {'yes' if same else 'no'}" for (one, two), same in shown]
    return "\n".join([_MATCH_TASK, "", *lines, f"{pair[0]} | {pair[1]} ->"])


def _phrase(label: str, number: float | None) -> str:
    if number is None or not np.isfinite(number):
        return label
    rounded = float(f"{number:.4g}")
    return f"{label} {int(rounded)}" if rounded.is_integer() else f"{label} {rounded:g}"

"""Modalities of the user's own graphs: relations, attributes with values, and names."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from mmea_jax.data.bags import attribute_bag, bag_from_counts, relation_bag
from mmea_jax.data.knowledge_graphs import Bag
from mmea_jax.data.names import words_of
from mmea_jax.data.own.source import Source

# A name needs a run of letters; 'Q42' and 'm.0_1' are numbers in disguise.
_LETTERS = re.compile(r"[^\W\d_]{3}")
# Values that fewer entities share say more; one that more than these have says next to nothing.
_MOST_SHARERS = 1000


def shared_relation_bag(
    triples: np.ndarray, num_entities: int, relation_names: Sequence[str], width: int
) -> Bag:
    """``relation_bag`` in which relations that both graphs name alike share a column."""
    common, code = np.unique(np.array(relation_names, dtype=object), return_inverse=True)
    renumbered = triples.copy()
    renumbered[:, 1] = code[triples[:, 1]]
    return relation_bag(renumbered, num_entities, common.tolist(), width)


def attribute_and_value_bag(
    sources: Sequence[Source], indexes: Sequence[dict[str, int]], side: np.ndarray, width: int
) -> Bag:
    """Which attributes an entity has, and which values.

    The columns are the ``width`` most frequent attributes, 0 or 1 as in the published features, and then
    every value that entities of both graphs have, ``n^−½`` for one that ``n`` entities share: an equal
    birthday is evidence, an equal gender hardly. Values need no common attribute, for graphs name these
    differently.

    Args:
      sources: of KG 1 and KG 2.
      indexes: from their names to entities.
      side: int8[N].
      width: attributes kept.
    """
    pairs = sorted((i[e], a) for s, i in zip(sources, indexes, strict=True) for e, a in s.attributes)
    attributes = sorted({attribute for _, attribute in pairs})
    code = {attribute: at for at, attribute in enumerate(attributes)}
    rows = np.array([entity for entity, _ in pairs], np.int64)
    columns = np.array([code[attribute] for _, attribute in pairs], np.int64)
    names = attribute_bag(rows, columns, len(side), attributes, width)
    return _joined(names, _value_bag(sources, indexes, len(side)))


def _value_bag(sources: Sequence[Source], indexes: Sequence[dict[str, int]], num_entities: int) -> Bag:
    owners: tuple[dict[str, list[int]], ...] = (defaultdict(list), defaultdict(list))
    for own, source, index in zip(owners, sources, indexes, strict=True):
        for entity, word in source.values:
            own[word].append(index[entity])
    shared = sorted(owners[0].keys() & owners[1].keys())
    shared = [word for word in shared if len(owners[0][word]) + len(owners[1][word]) <= _MOST_SHARERS]
    cells = [
        (entity, column, (len(owners[0][word]) + len(owners[1][word])) ** -0.5)
        for column, word in enumerate(shared)
        for own in owners
        for entity in own[word]
    ]
    table = np.array(cells, np.float64).reshape(-1, 3)
    rows, columns = table[:, :2].astype(np.int64).T
    return bag_from_counts(rows, columns, table[:, 2], num_entities, shared)


def _joined(first: Bag, second: Bag) -> Bag:
    """One bag with the columns of both."""
    sizes = np.diff(first.offsets), np.diff(second.offsets)
    rows = np.concatenate([np.repeat(np.arange(len(own)), own) for own in sizes])
    columns = np.concatenate([first.columns, second.columns + first.width])
    values = np.concatenate([first.values, second.values])
    vocabulary = (*first.vocabulary, *second.vocabulary)
    return bag_from_counts(rows, columns, values, len(first.present), vocabulary)


def entity_words(source: Source, names: Sequence[str], common: set[str]) -> list[list[str]]:
    """Words of each entity's names, lower-cased.

    Of an entity with names in a language that both graphs use, only these count, so that like is compared
    with like; one without any name has the words of its URI, if these are words.

    Args:
      source: the graph.
      names: its entities, in order.
      common: languages of both graphs.
    """
    return [_words(source.labels.get(name, ()), name, common) for name in names]


def entity_labels(source: Source, names: Sequence[str], common: set[str]) -> list[str]:
    """The first name of each entity in a language of both graphs, or else in any; empty for none.

    Arguments as for ``entity_words``.
    """
    return [_first_label(source.labels.get(name, ()), common) for name in names]


def _first_label(labels: Sequence[tuple[str, str]], common: set[str]) -> str:
    texts = [text for language, text in labels if language in common] or [text for _, text in labels]
    return texts[0] if texts else ""


def _words(labels: Sequence[tuple[str, str]], name: str, common: set[str]) -> list[str]:
    comparable = [text for language, text in labels if language in common]
    texts = comparable or [text for _, text in labels]
    found = [word for text in texts for word in words_of(text.replace("/", " "))]
    if not found and not name.startswith("_:"):
        segment = name.rstrip("/#").rpartition("#")[2]
        found = words_of(segment) if _LETTERS.search(segment.rpartition("/")[2]) else []
    # A word that several names repeat counts once.
    return list(Counter(found))

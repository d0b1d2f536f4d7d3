"""From the user's own files to two graphs and a split."""

import numpy as np

from mmea_jax.data.knowledge_graphs import Bag, KnowledgeGraphs, Split
from mmea_jax.data.names import char_bag, word_bag
from mmea_jax.data.own.bags import (
    attribute_and_value_bag,
    entity_labels,
    entity_words,
    shared_relation_bag,
)
from mmea_jax.data.own.images import visual_features
from mmea_jax.data.own.links import read_links
from mmea_jax.data.own.options import MIN_SEEDS, MIN_TRAIN, MIN_VALID, OwnOptions
from mmea_jax.data.own.read import FORMATS, read_graph
from mmea_jax.data.own.source import Source
from mmea_jax.data.splits import digest
from mmea_jax.data.streams import stream
from mmea_jax.errors import InputError
from mmea_jax.vocabulary import ATTRIBUTE, CHAR, NAME, RELATION, VISUAL, Modality

# Links beyond which more of them tell epochs and probabilities no better.
_ENOUGH_VALID = 1000


def load_own(
    options: OwnOptions, modalities: tuple[Modality, ...], bag_width: int = 1000, split_seed: int = 0
) -> tuple[KnowledgeGraphs, Split]:
    """The graphs that the options name, and their links: seeds that train and validate, gold that tests.

    Entities are sorted by name on either side, so that the lower index is the name that comes first; an
    entity that has attributes and no triple is one like any other.

    Args:
      options: where everything is.
      modalities: which of relation, attribute, visual, name and char to build.
      bag_width: relations and attributes kept.
      split_seed: draws the seeds that validate.

    Returns:
      Graphs whose ``links`` are seeds and gold links together, and a split whose test links are the gold
      links that are no seeds: none, where no gold was given.

    Raises:
      InputError: a file is at fault, or there are too few seeds and ``options.few`` is not set.
    """
    for option, location in (("left", options.left), ("right", options.right)):
        if not location:
            raise InputError(f"no graph for --{option}", expected=FORMATS, mend=f"name it with --{option}")
    sources = [read_graph(own, k, options.labels) for k, own in ((1, options.left), (2, options.right))]
    names = [sorted(source.entities) for source in sources]
    indexes = [{name: at + k * len(names[0]) for at, name in enumerate(own)} for k, own in enumerate(names)]
    called = [
        index | {a: index[n] for a, n in s.aliases.items() if a not in index}
        for s, index in zip(sources, indexes, strict=True)
    ]
    seeds, gold, notes = _links(options, sources, called)
    triples, relations = _triples(sources, indexes)
    side = np.repeat(np.array([0, 1], np.int8), [len(own) for own in names])
    common = sources[0].languages & sources[1].languages
    words = [word for s, own in zip(sources, names, strict=True) for word in entity_words(s, own, common)]
    labels = [text for s, own in zip(sources, names, strict=True) for text in entity_labels(s, own, common)]
    features, lines = visual_features((options.images_left, options.images_right), tuple(called), len(side))
    bags = {
        RELATION: lambda: shared_relation_bag(triples, len(side), relations, bag_width),
        ATTRIBUTE: lambda: attribute_and_value_bag(sources, indexes, side, bag_width),
        NAME: lambda: word_bag(words),
        CHAR: lambda: char_bag(words),
    }
    found = {m: bags[m]() for m in modalities if m in bags}
    if VISUAL in modalities and features is not None:
        found[VISUAL] = features
    kgs = KnowledgeGraphs(
        name=f"{options.left} – {options.right}",
        entity_ids=np.arange(len(side), dtype=np.int64),
        entity_names=(*names[0], *names[1]),
        words=tuple(" ".join(own) for own in words),
        side=side,
        triples=triples,
        relation_names=relations,
        links=np.concatenate([seeds, gold]),
        modalities={m: rows for m, rows in found.items() if not isinstance(rows, Bag) or rows.width},
        notes=(*notes, *lines, *_passed_over(sources)),
        labels=tuple(labels),
    )
    return kgs, _split(seeds, gold, options, split_seed)


def _triples(sources: list[Source], indexes: list[dict[str, int]]) -> tuple[np.ndarray, tuple[str, ...]]:
    """int32[T, 3] sorted, and the relations' names, those of KG 1 first."""
    own = [sorted({relation for _, relation, _ in source.triples}) for source in sources]
    rows = []
    for k, (source, index) in enumerate(zip(sources, indexes, strict=True)):
        number = {relation: at + k * len(own[0]) for at, relation in enumerate(own[k])}
        rows += [(index[h], number[r], index[t]) for h, r, t in source.triples]
    triples = np.array(sorted(rows), np.int32).reshape(-1, 3)
    return triples, (*own[0], *own[1])


def _links(
    options: OwnOptions, sources: list[Source], called: list[dict[str, int]]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Seeds, gold links that are no seeds, and notes."""
    notes: list[str] = []
    seeds = gold = np.zeros((0, 2), np.int32)
    if options.seeds:
        seeds, lines = read_links(options.seeds, *called, options.lenient)
        notes += lines
    declared = _declared(sources, called)
    fresh = _without(declared, seeds)
    if len(fresh):
        seeds = np.concatenate([seeds, fresh])
        notes.append(f"{len(fresh):,} owl:sameAs statements of the graphs taken as further seeds")
    if options.gold:
        gold, lines = read_links(options.gold, *called, options.lenient)
        notes += lines
        gold = _without(gold, seeds)
    if len(seeds) < MIN_SEEDS and not options.few:
        raise InputError(
            f"{len(seeds)} seed links",
            expected=f"at least {MIN_SEEDS}: {MIN_TRAIN} to train on, and {MIN_VALID} held out to choose the "
            "epoch and the threshold on",
            mend=f"add {MIN_SEEDS - len(seeds)} links to --seeds, or go on with the most similar names or "
            "images in their place by --unsupervised",
            file=options.seeds or None,
        )
    return seeds, gold, notes


def _declared(sources: list[Source], called: list[dict[str, int]]) -> np.ndarray:
    """int32[·, 2]: what the graphs themselves say is the same, each entity once."""
    links = []
    taken: set[int] = set()
    for one, two in sorted(set(sources[0].same_as) | {(b, a) for a, b in sources[1].same_as}):
        pair = called[0].get(one), called[1].get(two)
        if None not in pair and not taken & set(pair):
            taken |= set(pair)
            links.append(pair)
    return np.array(links, np.int32).reshape(-1, 2)


def _without(links: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Links neither of whose entities is in ``others``."""
    return links[~np.isin(links, others).any(axis=1)]


def _split(seeds: np.ndarray, gold: np.ndarray, options: OwnOptions, split_seed: int) -> Split:
    """A fifth of the seeds validates: at least what it takes while half remain, at most what is of use."""
    count = min(max(MIN_VALID, len(seeds) // 5), len(seeds) // 2, _ENOUGH_VALID)
    order = stream(split_seed, "own/valid").permutation(len(seeds))
    train, valid = seeds[np.sort(order[count:])], seeds[np.sort(order[:count])]
    name = f"{options.seeds or 'no seeds'}, a part of which validates"
    return Split(name, train, valid, gold, digest(train, valid, gold))


def _passed_over(sources: list[Source]) -> list[str]:
    return [
        f"{source.name}: {count:,} {reason} passed over"
        for source in sources
        for reason, count in source.counts.items()
        if count
    ]

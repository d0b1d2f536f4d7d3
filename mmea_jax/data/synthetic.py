"""The generated data set: two noisy, partial views of one latent world. Needs no file."""

from collections import Counter

import numpy as np

from mmea_jax.data.bags import attribute_bag, relation_bag
from mmea_jax.data.bounds import refuse_size
from mmea_jax.data.knowledge_graphs import Bag, Dense, KnowledgeGraphs
from mmea_jax.data.names import char_bag, word_bag
from mmea_jax.data.options import SyntheticOptions
from mmea_jax.data.simulate import calibrated_noise, noisy_images
from mmea_jax.data.streams import stream
from mmea_jax.data.synthetic_views import (
    own_names,
    spelt_words,
    view_attributes,
    view_present,
    view_triples,
)
from mmea_jax.data.synthetic_world import World, make_world
from mmea_jax.errors import InputError

_LEAST = {"entities": 4, "relations": 1, "attributes": 1, "types": 1, "visual_width": 1, "seed": 0}
_SHARES = ("relation_renamed", "attribute_renamed", "name_noise", "letter_noise")
_SHARES_BELOW_ONE = ("dangling", "triple_dropout", "triple_noise", "attribute_dropout", "ambiguity")
_SHARES_PER_SIDE = ("visual_missing", "attribute_missing")


def generate(options: SyntheticOptions) -> KnowledgeGraphs:
    """Generates the data set ``synthetic``; the same options give the same arrays.

    Entities ``0 … n-1`` are KG 1's and ``n … 2n-1`` KG 2's, with ``n = options.entities``, in an order
    that tells nothing; ids equal indexes. Each knob draws from streams of its own.

    Args:
      options: the knobs.

    Returns:
      Graphs with the modalities relation, attribute, visual, name and char.

    Raises:
      InputError: a knob is out of its range.
    """
    check(options)
    n = options.entities
    dangling = round(options.dangling * n)
    size = n + dangling
    # Of the world's triples, a view holds those between its own entities: a share of (n / size)².
    world = make_world(options, size, round(options.triples_per_entity * size**2 / n))
    members = _members(options, dangling)
    places = [_places(size, own, side * n) for side, own in enumerate(members)]
    links = np.stack([places[0], places[1]], axis=1)
    links = links[(links >= 0).all(axis=1)]
    order = stream(options.seed, "synthetic/links").permutation(len(links))
    links = links[order].astype(np.int32)

    relation_names, triples = _relations(options, world, places)
    words = [spelt[e] for spelt, own in zip(spelt_words(options, world), members, strict=True) for e in own]
    return KnowledgeGraphs(
        name="synthetic",
        entity_ids=np.arange(2 * n, dtype=np.int64),
        entity_names=(*unique_names(words[:n]), *unique_names(words[n:])),
        words=tuple(" ".join(own) for own in words),
        side=np.repeat(np.array([0, 1], np.int8), n),
        triples=triples,
        relation_names=relation_names,
        links=links,
        modalities={
            "relation": _relation_bag(triples, 2 * n, relation_names),
            "attribute": _attribute_bag(options, world, places),
            "visual": _visual(options, world, np.concatenate(members), links),
            "name": word_bag(words),
            "char": char_bag(words),
        },
    )


def check(options: SyntheticOptions) -> None:
    """Refuses knobs outside their ranges.

    Raises:
      InputError: naming the knob and its range.
    """
    for knob, least in _LEAST.items():
        value = getattr(options, knob)
        _require(knob, value, isinstance(value, int | np.integer) and value >= least, f"at least {least}")
    for knob in _SHARES:
        value = getattr(options, knob)
        _require(knob, value, 0 <= value <= 1, "a share in [0, 1]")
    for knob in _SHARES_BELOW_ONE:
        value = getattr(options, knob)
        _require(knob, value, 0 <= value < 1, "a share in [0, 1)")
    for knob in _SHARES_PER_SIDE:
        value = getattr(options, knob)
        fits = len(value) == 2 and all(0 <= share <= 1 for share in value) and min(value) < 1
        _require(knob, value, fits, "two shares in [0, 1], one a side, and one of them below 1")
    value = options.triples_per_entity
    _require("triples_per_entity", value, 0 < value <= 1000, "a mean in (0, 1000]")
    value = options.visual_noise
    _require("visual_noise", value, value is None or 0 <= value < np.inf, "a noise ≥ 0, or None")
    linked = options.entities - round(options.dangling * options.entities)
    _require("dangling", options.dangling, linked >= 2, "a share that leaves two linked entities")
    _refuse_size(options)


def _refuse_size(options: SyntheticOptions) -> None:
    """Estimated from above: numbers of the images, a handful of copies each; triples; names as strings."""
    entity = 50 * options.visual_width + 300 * options.triples_per_entity + 3000
    words = 400 * (options.relations + options.attributes)
    laws = 8 * options.types * (options.attributes + options.relations + options.visual_width)
    refuse_size(
        2 * options.entities * entity + words + 3 * laws,
        f"{options.entities:,} generated entities a graph",
        "lower --config.data.synthetic.entities, or widths and counts beside it",
    )


def _require(knob: str, value: object, fits: bool, expected: str) -> None:
    if not fits:
        raise InputError(
            f"data.synthetic.{knob}={value}", expected=expected, mend=f"set --config.data.synthetic.{knob}"
        )


def _members(options: SyntheticOptions, dangling: int) -> list[np.ndarray]:
    """For each side, int64[n]: the world's entities that it has, in its order of them."""
    shared = options.entities - dangling
    members = []
    for side in (0, 1):
        own = shared + side * dangling + np.arange(dangling)
        rng = stream(options.seed, f"synthetic/order/{side}")
        members.append(rng.permutation(np.concatenate([np.arange(shared), own])))
    return members


def _places(size: int, members: np.ndarray, first: int) -> np.ndarray:
    """int64[W]: the entity that each of the world's entities is in a graph, or -1."""
    places = np.full(size, -1)
    places[members] = first + np.arange(len(members))
    return places


def _relations(
    options: SyntheticOptions, world: World, places: list[np.ndarray]
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of both sides' relations (KG 1's first), and int32[T, 3] sorted distinct triples of both."""
    names = own_names(options, "relation", options.relations, options.relation_renamed)
    both = [view_triples(options, world, place, side) for side, place in enumerate(places)]
    both[1][:, 1] += options.relations
    return (*names[0], *names[1]), np.unique(np.concatenate(both), axis=0).astype(np.int32)


def _relation_bag(triples: np.ndarray, num_entities: int, names: tuple[str, ...]) -> Bag:
    """Relations that both sides name alike share a column."""
    common, code = np.unique(names, return_inverse=True)
    renumbered = triples.copy()
    renumbered[:, 1] = code[triples[:, 1]]
    return relation_bag(renumbered, num_entities, common.tolist())


def _attribute_bag(options: SyntheticOptions, world: World, places: list[np.ndarray]) -> Bag:
    """Attributes that both sides name alike share a column."""
    names = own_names(options, "attribute", options.attributes, options.attribute_renamed)
    common, code = np.unique(np.concatenate(names), return_inverse=True)
    both = [view_attributes(options, world, place, side) for side, place in enumerate(places)]
    both[1][:, 1] += options.attributes
    rows, columns = np.concatenate(both).T
    return attribute_bag(rows, code[columns], 2 * options.entities, common.tolist())


def _visual(options: SyntheticOptions, world: World, world_entity: np.ndarray, links: np.ndarray) -> Dense:
    latent = world.images[world_entity]
    noise = stream(options.seed, "synthetic/images/noise").standard_normal(latent.shape, np.float32)
    present = np.concatenate(
        [view_present(options, options.visual_missing[side], "visual", side) for side in (0, 1)]
    )
    strength = options.visual_noise
    if strength is None:
        strength = calibrated_noise(latent, noise, links[present[links].all(axis=1)])
    return noisy_images(latent, noise, present, strength)


def unique_names(words: list[list[str]]) -> list[str]:
    """Capitalised names of one side's entities; a namesake gets a number, as in an encyclopaedia."""
    seen: Counter[str] = Counter()
    names = []
    for own in words:
        name = "_".join(word.capitalize() for word in own)
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}_({seen[name]})")
    return names

"""The latent world behind a generated data set: what is true, before two graphs each see a part of it."""

import dataclasses

import numpy as np

from mmea_jax.data.options import SyntheticOptions
from mmea_jax.data.streams import stream

CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
LETTERS = 8  # longest word, in letters; shorter ones are padded by NUL
_WORDS = 3  # most words of a name
_TAIL = 1.5  # exponent of the Pareto law of degrees; below 2 it has hubs
_CAP = 100.0  # largest expected degree, in units of the smallest
_TYPE_SHARE = 0.3  # share of an image's variance that entities of one type have in common
_COPY_NOISE = 0.05  # how far the image of an ambiguous entity is from the one that it repeats
_TYPICAL = 12.0  # how much likelier a type's typical attributes are
_TYPICAL_SHARE = 0.25  # share of attributes that are typical of a type
_MEAN_ATTRIBUTES = 6.0  # attributes drawn for an entity, of which repeats are dropped


@dataclasses.dataclass(frozen=True)
class World:
    """``W`` entities, and all that is true of them.

    Attributes:
      triples: int64[·, 3], head, relation, tail; distinct.
      relation_law: float64[relations], how frequent each relation is; sums to 1.
      attributes: int64[·, 2], entity and attribute; distinct.
      names: uint8[·, LETTERS], the words of all names, as ASCII codes.
      name_offsets: int64[W+1]; entity ``i`` has the words ``offsets[i]:offsets[i+1]`` of ``names``.
      images: float32[W, f], the visual latent; components of variance 1.
    """

    triples: np.ndarray
    relation_law: np.ndarray
    attributes: np.ndarray
    names: np.ndarray
    name_offsets: np.ndarray
    images: np.ndarray


def make_world(options: SyntheticOptions, size: int, num_triples: int) -> World:
    """Draws a world of ``size`` entities and at most ``num_triples`` triples (repeats are dropped)."""
    types = _types(options, size)
    law = _zipf(options.relations, 0.7)
    names, name_offsets = _names(options, size)
    return World(
        triples=_triples(options, types, law, num_triples),
        relation_law=law,
        attributes=_attributes(options, types),
        names=names,
        name_offsets=name_offsets,
        images=_images(options, types),
    )


def draw_from(law: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """int64: one draw from the discrete ``law`` for each uniform number."""
    return np.minimum(np.searchsorted(np.cumsum(law), uniform, side="right"), len(law) - 1)


def _types(options: SyntheticOptions, size: int) -> np.ndarray:
    """int64[W]: the type of each entity; the first types are the most frequent."""
    return draw_from(_zipf(options.types, 0.5), stream(options.seed, "synthetic/types").random(size))


def _triples(options: SyntheticOptions, types: np.ndarray, law: np.ndarray, count: int) -> np.ndarray:
    """Triples that keep their relation's signature, their ends drawn by heavy-tailed degree."""
    domain, range_ = _signatures(options, types)
    degree = np.minimum(stream(options.seed, "synthetic/degrees").pareto(_TAIL, len(types)) + 1, _CAP)
    rng = stream(options.seed, "synthetic/triples")
    # A third more than asked for: hubs make some draws coincide.
    uniform = rng.random((count + count // 3, 3))
    relation = draw_from(law, uniform[:, 0])
    by_type = _TypeSampler(types, degree, options.types)
    head = by_type.draw(domain[relation], uniform[:, 1])
    tail = by_type.draw(range_[relation], uniform[:, 2])
    drawn = np.stack([head, relation, tail], axis=1)[head != tail]
    _, first = np.unique(drawn, axis=0, return_index=True)
    return drawn[np.sort(first)[:count]]


def _signatures(options: SyntheticOptions, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64[relations] twice: the type of heads and that of tails; only types that occur."""
    rng = stream(options.seed, "synthetic/signatures")
    # The types of entities drawn at random: large types get more relations. But each type heads one.
    heads = np.concatenate([rng.permutation(np.unique(types)), rng.choice(types, options.relations)])
    return heads[: options.relations], rng.choice(types, options.relations)


class _TypeSampler:
    """Draws entities of given types in proportion to their weights."""

    def __init__(self, types: np.ndarray, weights: np.ndarray, num_types: int):
        self.order = np.argsort(types, kind="stable")
        self.cumulative = np.cumsum(weights[self.order])
        self.last = np.cumsum(np.bincount(types, minlength=num_types)) - 1

    def draw(self, types: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """One entity for each of ``types``, all of which occur."""
        bounds = np.concatenate([[0.0], self.cumulative])
        firsts = np.concatenate([[0], self.last[:-1] + 1])
        low, high = bounds[firsts[types]], bounds[self.last[types] + 1]
        found = np.searchsorted(self.cumulative, low + uniform * (high - low), side="right")
        return self.order[np.clip(found, firsts[types], self.last[types])]


def _attributes(options: SyntheticOptions, types: np.ndarray) -> np.ndarray:
    """Entity-attribute pairs: some attributes are common to all, others typical of a type."""
    shape = (options.types, options.attributes)
    typical = stream(options.seed, "synthetic/typical").random(shape) < _TYPICAL_SHARE
    law = _zipf(options.attributes, 0.9) * np.where(typical, _TYPICAL, 1.0)
    cumulative = np.cumsum(law / law.sum(axis=1, keepdims=True), axis=1)
    rng = stream(options.seed, "synthetic/attributes")
    owner = np.repeat(np.arange(len(types)), 1 + rng.poisson(_MEAN_ATTRIBUTES - 1, len(types)))
    # Laid end to end, the types' cumulative laws run from t to t + 1 each, and one search serves all.
    ladder = (cumulative + np.arange(options.types)[:, None]).ravel()
    step = np.searchsorted(ladder, types[owner] + rng.random(len(owner)), side="right")
    step = np.minimum(step, len(ladder) - 1)
    return np.unique(np.stack([owner, step % options.attributes], axis=1), axis=0)


def _names(options: SyntheticOptions, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Words of consonants and vowels in turn, from a lexicon in which some are frequent."""
    rng = stream(options.seed, "synthetic/lexicon")
    shape = (size, LETTERS // 2)
    lexicon = np.empty((size, LETTERS), np.uint8)
    lexicon[:, ::2] = rng.choice(_codes(CONSONANTS), shape)
    lexicon[:, 1::2] = rng.choice(_codes(VOWELS), shape)
    length = rng.integers(4, LETTERS + 1, size)
    lexicon[np.arange(LETTERS) >= length[:, None]] = 0
    rng = stream(options.seed, "synthetic/names")
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, _WORDS + 1, size))])
    return lexicon[draw_from(_zipf(size, 0.5), rng.random(offsets[-1]))], offsets


def _images(options: SyntheticOptions, types: np.ndarray) -> np.ndarray:
    """A share that the type determines, a share of the entity's own; some nearly repeat another's."""
    rng = stream(options.seed, "synthetic/images")
    of_type = rng.standard_normal((options.types, options.visual_width), np.float32)
    own = rng.standard_normal((len(types), options.visual_width), np.float32)
    images = np.sqrt(_TYPE_SHARE) * of_type[types] + np.sqrt(1 - _TYPE_SHARE) * own
    order = stream(options.seed, "synthetic/ambiguity").permutation(len(types))
    # At least one original is left to repeat.
    copies, originals = np.split(order, [min(round(options.ambiguity * len(types)), len(types) - 1)])
    sources = originals[np.arange(len(copies)) % len(originals)]
    images[copies] = images[sources] + _COPY_NOISE * own[copies]
    return images.astype(np.float32)


def _codes(letters: str) -> np.ndarray:
    return np.frombuffer(letters.encode("ascii"), np.uint8)


def _zipf(size: int, exponent: float) -> np.ndarray:
    """float64[size]: a power law of the rank; sums to 1."""
    law = np.arange(1, size + 1) ** -exponent
    return law / law.sum()

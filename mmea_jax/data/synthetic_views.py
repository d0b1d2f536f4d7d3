"""What one knowledge graph sees of the latent world: a part of it, in words of its own, and some errors."""

import itertools

import numpy as np

from mmea_jax.data.options import SyntheticOptions
from mmea_jax.data.simulate import random_share
from mmea_jax.data.streams import stream
from mmea_jax.data.synthetic_world import CONSONANTS, VOWELS, World, draw_from


def view_triples(options: SyntheticOptions, world: World, place: np.ndarray, side: int) -> np.ndarray:
    """int64[·, 3]: the triples of one side; relations are the world's.

    Args:
      options: the knobs.
      world: what is true.
      place: int64[W], the entity of this side that a world's entity is, -1 where there is none.
      side: 0 or 1.
    """
    rng = stream(options.seed, f"synthetic/triples/{side}")
    seen = rng.random(len(world.triples)) >= options.triple_dropout
    triples = world.triples[seen]
    head, tail = place[triples[:, 0]], place[triples[:, 2]]
    inside = (head >= 0) & (tail >= 0)
    kept = np.stack([head, triples[:, 1], tail], axis=1)[inside]
    return np.concatenate([kept, _wrong_triples(options, world, place, side, len(kept))])


def _wrong_triples(
    options: SyntheticOptions, world: World, place: np.ndarray, side: int, num_right: int
) -> np.ndarray:
    """int64[·, 3]: triples between random entities, regardless of the relations' signatures."""
    count = round(num_right * options.triple_noise / (1 - options.triple_noise))
    uniform = stream(options.seed, f"synthetic/wrong/{side}").random((count, 3))
    members = place[place >= 0]
    head = members[(uniform[:, 0] * len(members)).astype(int)]
    tail = members[(uniform[:, 2] * len(members)).astype(int)]
    wrong = np.stack([head, draw_from(world.relation_law, uniform[:, 1]), tail], axis=1)
    return wrong[head != tail]


def view_attributes(options: SyntheticOptions, world: World, place: np.ndarray, side: int) -> np.ndarray:
    """int64[·, 2]: entity of this side and attribute of the world, after dropout and missing entities."""
    rng = stream(options.seed, f"synthetic/attributes/{side}")
    seen = rng.random(len(world.attributes)) >= options.attribute_dropout
    entity, attribute = world.attributes[seen].T
    described = view_present(options, options.attribute_missing[side], "attribute", side)
    here = place[entity] >= 0
    entity, attribute = place[entity[here]], attribute[here]
    first = side * options.entities
    keep = described[entity - first]
    return np.stack([entity[keep], attribute[keep]], axis=1)


def view_present(options: SyntheticOptions, missing: float, modality: str, side: int) -> np.ndarray:
    """bool[entities]: which entities of one side have a modality; exactly the share asked for."""
    rng = stream(options.seed, f"synthetic/missing/{modality}/{side}")
    return random_share(rng, options.entities, 1 - missing)


def own_names(options: SyntheticOptions, kind: str, count: int, renamed: float) -> list[list[str]]:
    """For each side, the names of ``count`` relations or attributes; a share of them the side's own.

    The own names are numbered in an order of the side's own, so that no number gives away its counterpart.
    """
    is_own = random_share(stream(options.seed, f"synthetic/renamed/{kind}"), count, renamed)
    sides = []
    for side in (0, 1):
        number = stream(options.seed, f"synthetic/renamed/{kind}/{side}").permutation(count)
        own = [f"kg{side + 1}_{kind}_{n}" for n in number]
        common = [f"{kind}_{n}" for n in range(count)]
        sides.append([o if is_o else c for o, c, is_o in zip(own, common, is_own, strict=True)])
    return sides


def spelt_words(options: SyntheticOptions, world: World) -> list[list[list[str]]]:
    """For each side, the words of every world entity's name; KG 2 spells some of them otherwise."""
    uniform = stream(options.seed, "synthetic/respelling").random((len(world.names), 2))
    rng = stream(options.seed, "synthetic/letters")
    letters = world.names
    altered = (
        (rng.random(letters.shape) < options.letter_noise)
        & (uniform[:, :1] < options.name_noise)
        & (letters > 0)
    )
    step = rng.random(letters.shape)
    return [
        _words(letters, world.name_offsets),
        _words(np.where(altered, _other_letter(letters, step), letters), world.name_offsets),
    ]


def _other_letter(letters: np.ndarray, step: np.ndarray) -> np.ndarray:
    """uint8: another consonant for a consonant, another vowel for a vowel."""
    other = np.zeros_like(letters)
    for alphabet in (CONSONANTS, VOWELS):
        codes = np.frombuffer(alphabet.encode("ascii"), np.uint8)
        position = np.zeros(256, int)
        position[codes] = np.arange(len(codes))
        moved = codes[(position[letters] + 1 + (step * (len(codes) - 1)).astype(int)) % len(codes)]
        other = np.where(np.isin(letters, codes), moved, other)
    return other


def _words(letters: np.ndarray, offsets: np.ndarray) -> list[list[str]]:
    flat = np.ascontiguousarray(letters).view(f"S{letters.shape[1]}").ravel().astype(str).tolist()
    return [flat[start:stop] for start, stop in itertools.pairwise(offsets)]

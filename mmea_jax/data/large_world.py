"""Generated graphs of millions of entities as memory-mapped arrays: plainer than ``synthetic``, and fast.

Two views of one latent world, drawn by whole arrays and without any text: entities are numbered, and their
names are made when somebody asks. What it does not have, names, attributes and ambiguous images among it, the
generated data set ``synthetic`` has (`data/synthetic.py`).
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from mmea_jax.data.knowledge_graphs import Bag, Dense, KnowledgeGraphs
from mmea_jax.data.streams import stream
from mmea_jax.errors import InputError

_FACTS = "world.json"
_ARRAYS = ("triples", "links", "offsets", "columns", "values", "features", "with_image")
# Exponent of the Pareto law of degrees, and its largest value in units of the smallest.
_TAIL, _CAP = 1.5, 1000.0


@dataclasses.dataclass(frozen=True)
class LargeOptions:
    """Knobs of a large world."""

    entities: int = 200_000  # of each graph; all of them have a counterpart
    triples_per_entity: float = 5.0  # of each graph, before what the other view lacks is dropped
    relations: int = 200
    dropout: float = 0.25  # share of the world's triples that one graph lacks
    width: int = 32  # of the image features
    noise: float = 1.0  # of an image, where what is true has components of variance 1
    missing: float = 0.5  # share of entities without an image
    seed: int = 0


class Numbered(Sequence):
    """Names ``prefix0``, ``prefix1``, …, of which none is kept.

    Args:
      prefix: what the number follows.
      count: how many.
      every: what all of them are instead, where given.
    """

    def __init__(self, prefix: str, count: int, every: str | None = None):
        self._prefix, self._count, self._every = prefix, count, every

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return f"{self._prefix}{index % self._count}" if self._every is None else self._every


def generate_large(folder: Path, options: LargeOptions) -> None:
    """Writes a world to ``folder``, one ``.npy`` file an array; the same options give the same arrays.

    Entities ``0 … n-1`` are KG 1's and ``n … 2n-1`` KG 2's, in an order that tells nothing.

    Raises:
      InputError: a knob is out of its range, or the folder holds another world.
    """
    _check(options)
    facts = dataclasses.asdict(options)
    if (folder / _FACTS).exists():
        if json.loads((folder / _FACTS).read_text()) == facts:
            return
        raise InputError(
            "a world with other knobs",
            expected="an empty folder, or one with the same world",
            mend="choose another folder",
            file=folder,
        )
    folder.mkdir(parents=True, exist_ok=True)
    n = options.entities
    place = stream(options.seed, "large/order").permutation(n) + n
    world = _world(options)
    triples = np.concatenate([_view(options, world, place, side) for side in (0, 1)])
    links = np.stack([np.arange(n), place], axis=1).astype(np.int32)
    np.save(folder / "triples.npy", triples)
    np.save(folder / "links.npy", stream(options.seed, "large/links").permutation(links))
    counts = _relation_counts(triples, 2 * n, 2 * options.relations)
    np.save(folder / "offsets.npy", counts.indptr.astype(np.int64))
    np.save(folder / "columns.npy", counts.indices.astype(np.int32))
    np.save(folder / "values.npy", counts.data.astype(np.float32))
    _write_images(folder, options, place)
    # Last, so that a folder with it is whole.
    (folder / _FACTS).write_text(json.dumps(facts) + "\n")


def open_large(folder: Path) -> KnowledgeGraphs:
    """The world of ``folder``, with the modalities relation and visual, its arrays mapped and not read.

    Raises:
      InputError: there is none.
    """
    if not (folder / _FACTS).exists():
        raise InputError(
            "no world", expected=f"a folder with {_FACTS}", mend="generate one first", file=folder
        )
    options = LargeOptions(**json.loads((folder / _FACTS).read_text()))
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    n, relations = options.entities, 2 * options.relations
    return KnowledgeGraphs(
        name="large",
        entity_ids=np.arange(2 * n),
        entity_names=Numbered("e", 2 * n),
        words=Numbered("", 2 * n, every=""),
        side=np.repeat(np.array([0, 1], np.int8), n),
        triples=arrays["triples"],
        relation_names=tuple(f"r{k}" for k in range(relations)),
        links=arrays["links"],
        modalities={
            "relation": Bag(
                arrays["offsets"],
                arrays["columns"],
                arrays["values"],
                tuple(f"r{k}" for k in range(relations)),
                np.diff(arrays["offsets"]) > 0,
            ),
            "visual": Dense(arrays["features"], arrays["with_image"]),
        },
    )


def _check(options: LargeOptions) -> None:
    for knob, fits, expected in (
        ("entities", 2 <= options.entities <= 1 << 29, "2 to 2^29"),
        ("relations", options.relations >= 1, "at least 1"),
        ("triples_per_entity", 0 < options.triples_per_entity <= 1000, "a mean in (0, 1000]"),
        ("width", options.width >= 1, "at least 1"),
        ("dropout", 0 <= options.dropout < 1, "a share in [0, 1)"),
        ("missing", 0 <= options.missing < 1, "a share in [0, 1)"),
        ("noise", options.noise >= 0, "at least 0"),
    ):
        if not fits:
            raise InputError(
                f"{knob} = {getattr(options, knob)}", expected=expected, mend=f"set another {knob}"
            )


def _world(options: LargeOptions) -> np.ndarray:
    """int32[T, 3]: what is true, heads and tails by heavy-tailed degree, relations by Zipf's law."""
    n, count = options.entities, round(options.triples_per_entity * options.entities)
    weight = np.minimum(stream(options.seed, "large/degrees").pareto(_TAIL, n) + 1, _CAP)
    rng = stream(options.seed, "large/triples")
    cumulative = np.cumsum(weight)
    heads, tails = (np.searchsorted(cumulative, rng.random(count) * cumulative[-1]) for _ in range(2))
    law = np.cumsum(1 / np.arange(1, options.relations + 1) ** 0.7)
    relations = np.searchsorted(law, rng.random(count) * law[-1])
    triples = np.stack([heads, relations, tails], axis=1).astype(np.int32)
    return np.minimum(triples, np.array([n, options.relations, n], np.int32) - 1)


def _view(options: LargeOptions, world: np.ndarray, place: np.ndarray, side: int) -> np.ndarray:
    """int32[·, 3]: what one graph has of the world, in its own entities and relations; sorted, distinct."""
    kept = stream(options.seed, f"large/dropout/{side}").random(len(world)) >= options.dropout
    own = world[kept & (world[:, 0] != world[:, 2])].astype(np.int64)
    if side:
        own[:, 0], own[:, 2] = place[own[:, 0]], place[own[:, 2]]
        own[:, 1] += options.relations
    n, relations = 2 * options.entities, 2 * options.relations
    # One number a triple: below 2^63 for any world that fits a disk.
    keys = np.unique((own[:, 0] * relations + own[:, 1]) * n + own[:, 2])
    rest, tails = np.divmod(keys, n)
    heads, kinds = np.divmod(rest, relations)
    return np.stack([heads, kinds, tails], axis=1).astype(np.int32)


def _relation_counts(triples: np.ndarray, entities: int, relations: int) -> sparse.csr_array:
    """How often each entity takes part in a triple of each relation."""
    rows = np.concatenate([triples[:, 0], triples[:, 2]])
    columns = np.concatenate([triples[:, 1], triples[:, 1]])
    ones = np.ones(len(rows), np.float32)
    counts = sparse.coo_array((ones, (rows, columns)), shape=(entities, relations)).tocsr()
    counts.sort_indices()
    return counts


def _write_images(folder: Path, options: LargeOptions, place: np.ndarray, block: int = 1 << 18) -> None:
    """Noisy views of one latent vector an entity, of unit length, written block by block."""
    n = options.entities
    features = np.lib.format.open_memmap(
        folder / "features.npy", "w+", dtype=np.float32, shape=(2 * n, options.width)
    )
    present = stream(options.seed, "large/images").random(2 * n) >= options.missing
    rng = stream(options.seed, "large/latent")
    for start in range(0, n, block):
        latent = rng.standard_normal((min(block, n - start), options.width), np.float32)
        for rows in (np.arange(start, start + len(latent)), place[start : start + len(latent)]):
            seen = latent + options.noise * rng.standard_normal(latent.shape, np.float32)
            seen /= np.linalg.norm(seen, axis=1, keepdims=True)
            features[rows] = np.where(present[rows, None], seen, 0.0)
    features.flush()
    np.save(folder / "with_image.npy", present)

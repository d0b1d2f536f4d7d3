"""From the data layer's NumPy records to the pytree that models read."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import numpy as np

from mmea_jax.data import Bag, KnowledgeGraphs
from mmea_jax.data.structure import edges
from mmea_jax.nn.bags import SparseRows, capacity_for
from mmea_jax.nn.graph import make_graph
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.triples import make_triples
from mmea_jax.vocabulary import MODALITIES, STRUCTURE

# Neighbour rows gathered at once: cache-sized on CPU, whole buckets elsewhere.
_SLOTS_AT_ONCE = {"cpu": 1024}
_SLOTS_ELSEWHERE = 1 << 20


def modalities_of(kgs: KnowledgeGraphs) -> tuple[str, ...]:
    """Structure and the modalities that at least one entity has, in canonical order."""
    having = {m for m, rows in kgs.modalities.items() if rows.present.any()}
    return tuple(m for m in MODALITIES if m == STRUCTURE or m in having)


def make_inputs(kgs: KnowledgeGraphs) -> Inputs:
    """The arrays of ``kgs`` on the host; bags may not be read before ``with_capacity``."""
    names = modalities_of(kgs)[1:]
    bags = {m: _rows(kgs.modalities[m]) for m in names if isinstance(kgs.modalities[m], Bag)}
    dense = {m: kgs.modalities[m].features for m in names if m not in bags}
    slots = _SLOTS_AT_ONCE.get(jax.default_backend(), _SLOTS_ELSEWHERE)
    return Inputs(
        graph=make_graph(*edges(kgs), kgs.num_entities, slots),
        bags=bags,
        dense=dense,
        present={m: kgs.modalities[m].present for m in names},
        triples=make_triples(kgs.triples, kgs.num_entities, len(kgs.relation_names)),
    )


def _rows(bag: Bag) -> SparseRows:
    return SparseRows(
        offsets=bag.offsets.astype(np.int32),
        columns=bag.columns,
        values=bag.values,
        width=bag.width,
        capacity=0,
    )


def with_capacity(inputs: Inputs, rows: int, among: np.ndarray | None = None, parts: int = 1) -> Inputs:
    """Inputs whose bags can be read for any ``rows`` distinct entities out of ``among`` (default: all).

    Each of ``parts`` devices reads an equal share of the rows.
    """

    def largest(bag: SparseRows, share: int) -> int:
        return capacity_for(np.asarray(bag.offsets), -(-rows // share), among)

    return _with(inputs, largest, parts)


def with_capacity_for(inputs: Inputs, blocks: Sequence[np.ndarray], parts: int = 1) -> Inputs:
    """Inputs whose bags can be read for each of ``blocks`` (entities int[·]; negative ones are padding)."""

    def largest(bag: SparseRows, share: int) -> int:
        counts = np.diff(np.asarray(bag.offsets))
        pieces = [piece for block in blocks for piece in _shares(block, share)]
        need = max(int(counts[piece[piece >= 0]].sum()) for piece in pieces)
        # A power of two, so that another set of blocks seldom compiles anew.
        return 1 << max(0, need - 1).bit_length()

    return _with(inputs, largest, parts)


def _shares(block: np.ndarray, parts: int) -> list[np.ndarray]:
    """What each of ``parts`` devices gets of a block; the last ones less, or nothing."""
    size = -(-len(block) // parts)
    return [block[first : first + size] for first in range(0, len(block), size)]


def _with(inputs: Inputs, capacity: Callable[[SparseRows, int], int], parts: int) -> Inputs:
    """``capacity`` tells the non-zeros of one of so many equal shares of the rows that are read."""

    def read(bag: SparseRows) -> SparseRows:
        own = capacity(bag, parts) if parts > 1 else 0
        return dataclasses.replace(bag, capacity=capacity(bag, 1), part_capacity=own)

    return dataclasses.replace(inputs, bags={m: read(bag) for m, bag in inputs.bags.items()})

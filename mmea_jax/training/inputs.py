"""From the data layer's NumPy records to the pytree that models read."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from mmea_jax.data import Bag, KnowledgeGraphs
from mmea_jax.data.structure import edges
from mmea_jax.nn.bags import SparseRows, capacity_for
from mmea_jax.nn.graph import make_graph
from mmea_jax.nn.inputs import Inputs
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
    )


def _rows(bag: Bag) -> SparseRows:
    return SparseRows(
        offsets=bag.offsets.astype(np.int32),
        columns=bag.columns,
        values=bag.values,
        width=bag.width,
        capacity=0,
    )


def with_capacity(inputs: Inputs, rows: int, among: np.ndarray | None = None) -> Inputs:
    """Inputs whose bags can be read for any ``rows`` distinct entities out of ``among`` (default: all)."""
    return _with(inputs, lambda bag: capacity_for(np.asarray(bag.offsets), rows, among))


def with_capacity_for(inputs: Inputs, blocks: Sequence[np.ndarray]) -> Inputs:
    """Inputs whose bags can be read for each of ``blocks`` (entities int[·]; negative ones are padding)."""

    def largest(bag: SparseRows) -> int:
        counts = np.diff(np.asarray(bag.offsets))
        need = max(int(counts[block[block >= 0]].sum()) for block in blocks)
        # A power of two, so that another set of blocks seldom compiles anew.
        return 1 << max(0, need - 1).bit_length()

    return _with(inputs, largest)


def _with(inputs: Inputs, capacity) -> Inputs:
    bags = {m: dataclasses.replace(bag, capacity=capacity(bag)) for m, bag in inputs.bags.items()}
    return dataclasses.replace(inputs, bags=bags)

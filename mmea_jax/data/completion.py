"""The record of one multi-modal knowledge graph that is to be completed, as NumPy arrays."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from mmea_jax.data.knowledge_graphs import Dense
from mmea_jax.vocabulary import Modality


@dataclasses.dataclass(frozen=True)
class CompletionGraph:
    """One graph and its triples by use. Every triple array has the columns head, relation, tail.

    Attributes:
      name: the data set, such as ``MKGC/DB15K``.
      entity_names: N names (URIs); an entity's index is the id that the files give it.
      relation_names: R names, likewise.
      train: int32[T, 3], distinct, in the files' order, without those that validate.
      valid: int32[·, 3], distinct; chooses the epoch. None of them is in ``train`` or ``test``.
      test: int32[·, 3], distinct, in the file's order.
      known: int32[·, 3], the triples of all files, distinct and sorted; the filter of the test ranks.
      modalities: ``visual`` and ``text``, as far as there are any.
      validation: where ``valid`` comes from, for reports.
      split: which triples test, for reports.
      simulated: modalities whose features were drawn, not measured; reports say so.
      notes: what the load found worth a line (overlaps of the files, duplicates dropped).
    """

    name: str
    entity_names: tuple[str, ...]
    relation_names: tuple[str, ...]
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    known: np.ndarray
    modalities: Mapping[Modality, Dense] = dataclasses.field(default_factory=dict)
    validation: str = ""
    split: str = "as published"
    simulated: tuple[Modality, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def num_entities(self) -> int:
        return len(self.entity_names)

    @property
    def num_relations(self) -> int:
        return len(self.relation_names)

    @property
    def side(self) -> np.ndarray:
        """int8[N]: zeros, for there is one graph; what works on two of them asks for it."""
        return np.zeros(self.num_entities, np.int8)

    def tested(self) -> np.ndarray:
        """bool[N]: the entities that a test triple names."""
        tested = np.zeros(self.num_entities, bool)
        tested[self.test[:, [0, 2]]] = True
        return tested

    def seen(self) -> np.ndarray:
        """bool[N]: the entities that a training triple names."""
        seen = np.zeros(self.num_entities, bool)
        seen[self.train[:, [0, 2]]] = True
        return seen


def distinct(triples: np.ndarray) -> np.ndarray:
    """bool[n]: the triples int[n, 3] that no earlier row equals."""
    order = np.lexsort(triples.T)  # stable: equal rows keep their order
    first = np.ones(len(triples), bool)
    first[order[1:]] = (triples[order[1:]] != triples[order[:-1]]).any(axis=1)
    return first


def contained(triples: np.ndarray, others: np.ndarray) -> np.ndarray:
    """bool[n]: the triples int[n, 3] that are among ``others`` int[m, 3]."""
    both = np.concatenate([others, triples])
    _, code = np.unique(both, axis=0, return_inverse=True)
    code = code.reshape(-1)
    return np.isin(code[len(others) :], code[: len(others)])

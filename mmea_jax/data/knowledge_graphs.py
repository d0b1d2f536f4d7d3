"""The records that the data layer hands on: two knowledge graphs as NumPy arrays."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy import sparse

from mmea_jax.vocabulary import Modality


@dataclasses.dataclass(frozen=True)
class Bag:
    """A sparse modality in compressed rows: entity ``i`` owns ``offsets[i]:offsets[i+1]``.

    Attributes:
      offsets: int64[N+1], non-decreasing.
      columns: int32[nnz], each in ``[0, width)``, ascending within a row.
      values: float32[nnz].
      vocabulary: the ``width`` words that the columns stand for.
      present: bool[N]; an absent entity owns no entry.
    """

    offsets: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    vocabulary: tuple[str, ...]
    present: np.ndarray

    @property
    def width(self) -> int:
        return len(self.vocabulary)

    def matrix(self) -> sparse.csr_array:
        """The same bag as a scipy CSR matrix, float32[N, width]."""
        shape = (len(self.present), self.width)
        return sparse.csr_array((self.values, self.columns, self.offsets), shape=shape)


@dataclasses.dataclass(frozen=True)
class Dense:
    """A modality of pre-computed vectors.

    Attributes:
      features: float32[N, f], rows of length 1; a row of an absent entity is zero and never read.
      present: bool[N].
    """

    features: np.ndarray
    present: np.ndarray

    @property
    def width(self) -> int:
        return self.features.shape[1]


@dataclasses.dataclass(frozen=True)
class KnowledgeGraphs:
    """Two graphs over one index space; index order is ascending order of the files' ids.

    Attributes:
      name: the data set, such as ``DBP15K/zh_en``.
      entity_ids: int64[N], ids as the files have them, ascending.
      entity_names: N names (URIs).
      words: N strings, the lower-cased words of each (translated) name joined by spaces, empty where
        there is none. They measure what names give away, also where no modality is made of them.
      side: int8[N], 0 for KG 1 and 1 for KG 2.
      triples: int32[T, 3], columns head, relation, tail; sorted, without duplicates.
      relation_names: R names; relations of the two sides are disjoint.
      links: int32[L, 2], gold links: entity of KG 1, its counterpart in KG 2.
      modalities: every modality but structure; one that the data lacks has no entry.
      simulated: modalities whose features were drawn, not measured; reports say so.
      notes: what the load found worth a line (duplicates dropped, entities without triples).
      labels: N names for people, as the data write them, empty where there is none; of graphs of the user's
        own alone, empty for all others.
    """

    name: str
    entity_ids: np.ndarray
    entity_names: tuple[str, ...]
    words: tuple[str, ...]
    side: np.ndarray
    triples: np.ndarray
    relation_names: tuple[str, ...]
    links: np.ndarray
    modalities: Mapping[Modality, Bag | Dense]
    simulated: tuple[Modality, ...] = ()
    notes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def num_entities(self) -> int:
        return len(self.side)

    def entities(self, side: int) -> np.ndarray:
        """int32[·]: the entities of KG 1 (``side`` 0) or KG 2 (1), ascending."""
        return np.flatnonzero(self.side == side).astype(np.int32)


@dataclasses.dataclass(frozen=True)
class Split:
    """Links divided by use. Columns as in ``KnowledgeGraphs.links``.

    Attributes:
      name: the folder under ``splits/`` or a description of the draw (ratio and seed).
      train: int32[·, 2], the seed links.
      valid: int32[·, 2], selects the epoch and fits the temperature; may be empty.
      test: int32[·, 2].
      sha256: of the three arrays, in the order train, valid, test.
    """

    name: str
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    sha256: str

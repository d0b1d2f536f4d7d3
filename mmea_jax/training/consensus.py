"""Embeddings that know how well their neighbours match."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from mmea_jax.data import KnowledgeGraphs
from mmea_jax.matching import consensus
from mmea_jax.models.embeddings import Embeddings, Support
from mmea_jax.training.embedder import Embedder
from mmea_jax.training.options import MatchingOptions
from mmea_jax.training.scores import make_scorer, similarities


class ConsensusEmbedder:
    """An embedder that adds the support of the neighbours (`matching.consensus`).

    The support is found among all entities, so it costs what comparing both graphs whole costs, once
    for every set of parameters.

    Args:
      embedder: of the model.
      kgs: the graphs.
      seeds: int[L, 2], the links that count as certain: those that training sees.
      options: how entities are compared.
    """

    def __init__(self, embedder: Embedder, kgs: KnowledgeGraphs, seeds: np.ndarray, options: MatchingOptions):
        self._embed, self._options = embedder, options
        self._num_entities = kgs.num_entities
        self._sides = tuple(kgs.entities(side) for side in (0, 1))
        self._graphs = tuple(consensus.neighbours(kgs.triples, own, kgs.num_entities) for own in self._sides)
        self._seeds = np.stack([np.searchsorted(own, seeds[:, k]) for k, own in enumerate(self._sides)], 1)
        self._known = None

    def __call__(self, params, *entity_sets: np.ndarray, flags: Mapping | None = None) -> list[Embeddings]:
        """Embeddings of each of the sets of entities int[·], with their support."""
        found = self._all(params, flags or {})
        return [_rows(found, own) for own in entity_sets]

    def forget(self) -> None:
        """Frees what is kept for the parameters that were asked for last."""
        self._known = None

    def _all(self, params, flags: Mapping) -> Embeddings:
        """All entities; kept for the parameters that were asked for last."""
        known, flags = self._known, (dict(flags), self._embed.weights)
        if known is None or known[0] is not params or known[1] != flags:
            # Two at a time would need the memory twice.
            self.forget()
            (found,) = self._embed(params, np.arange(self._num_entities), flags=flags[0])
            self._known = params, flags, found.replace(support=self._support(found))
        return self._known[2]

    def _support(self, found: Embeddings) -> Support:
        """Support of all entities; those of KG 2 have none, as it is asked for from the other side."""
        options, (left, right) = self._options, self._sides
        of_left = consensus.support(
            make_scorer(_rows(found, left), _rows(found, right), options.score),
            self._graphs,
            self._seeds,
            rounds=options.consensus,
            scale=similarities(options.score, len(found.modalities)),
            csls_k=options.csls_k,
        )
        shape = self._num_entities, of_left.columns.shape[1]
        columns, values = np.full(shape, -1, np.int32), np.zeros(shape, np.float32)
        # Entities, not places among those of KG 2, so that candidates can be chosen afterwards.
        columns[left] = np.where(of_left.columns < 0, -1, right[of_left.columns])
        values[left] = of_left.values
        return Support(jnp.arange(shape[0]), jnp.asarray(columns), jnp.asarray(values))


def _rows(found: Embeddings, at: np.ndarray) -> Embeddings:
    return jax.tree.map(lambda x: x[at], found)

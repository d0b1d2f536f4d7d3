"""What a trained completion model is worth: ranks on triples, by kind, and a train-free floor."""

import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmea_jax.data.completion import CompletionGraph, contained
from mmea_jax.data.completion_load import names_seen
from mmea_jax.matching.completion import (
    ENDS,
    Ranker,
    by_category,
    completion_metrics,
    relation_categories,
)
from mmea_jax.matching.slices import by_modalities
from mmea_jax.models.adamf_mat import AdamfMat, Tables, score_all
from mmea_jax.nn.completion_inputs import CompletionInputs
from mmea_jax.nn.known_triples import make_known
from mmea_jax.nn.negatives import bernoulli_head_probability

# Largest table of counts, entities by relations, that the floor is computed from.
_FLOOR_CELLS = 1 << 27


def make_completion_inputs(graph: CompletionGraph) -> CompletionInputs:
    """The arrays of ``graph`` that a model reads."""
    return CompletionInputs(
        features={m: rows.features for m, rows in graph.modalities.items()},
        present={m: rows.present for m, rows in graph.modalities.items()},
        known=make_known(graph.train, graph.num_entities),
        head_probability=bernoulli_head_probability(graph.train, graph.num_relations),
    )


class Evaluator:
    """Scores and ranks by a model's parameters; keeps nothing of the training.

    Args:
      model: the module.
      inputs: its arrays.
      graph: whose triples are ranked.
    """

    def __init__(self, model: AdamfMat, inputs: CompletionInputs, graph: CompletionGraph):
        self._inputs, self._graph = jax.tree.map(jnp.asarray, inputs), graph
        self._tables = jax.jit(lambda params, inputs: model.apply(params, inputs, method="tables"))
        self.score = partial(score_all, model.rule, model.reciprocal, model.num_relations)
        self._rankers: dict[str, Ranker] = {}
        self.seconds = 0.0

    def tables(self, params: dict) -> Tables:
        """Vectors of all entities and relations."""
        return self._tables(params, self._inputs)

    def ranks(self, params: dict, part: str) -> dict[str, np.ndarray]:
        """Ranks of ``valid`` or ``test`` triples at both ends.

        Validation is filtered by training and validation triples, so that no test triple enters the choice
        of an epoch; test by the triples of all files, as is usual.
        """
        started = time.perf_counter()
        ranks = self._ranker(part)(self.tables(params))
        self.seconds += time.perf_counter() - started
        return ranks

    def valid_mrr(self, params: dict) -> float:
        """Filtered MRR of both ends on the validation triples."""
        return completion_metrics(self.ranks(params, "valid"))["both"]["mrr"]

    def attention(self, params: dict) -> np.ndarray:
        """float32[N, M]: the weight of each modality."""
        return np.asarray(self.tables(params).attention)

    def _ranker(self, part: str) -> Ranker:
        if part not in self._rankers:
            graph = self._graph
            triples = getattr(graph, part)
            known = graph.known if part == "test" else np.concatenate([graph.train, graph.valid])
            self._rankers[part] = Ranker(self.score, triples, known, graph.num_entities)
        return self._rankers[part]


def measure(graph: CompletionGraph, ranks: dict[str, np.ndarray]) -> dict[str, Any]:
    """Metrics of ``results.json`` from the ranks of the test triples.

    ``filtered`` is of the test triples as published; ``filtered_seen`` leaves out those that name an entity
    which no training triple names.
    """
    seen = names_seen(graph)
    test = {"filtered": completion_metrics(ranks)}
    if seen.any():
        test["filtered_seen"] = completion_metrics({end: ranks[end][seen] for end in ENDS})
    categories = relation_categories(graph.train, graph.num_relations)
    both = np.concatenate([ranks["head"], ranks["tail"]])
    heads, tails = np.tile(graph.test[:, 0], 2), np.tile(graph.test[:, 2], 2)
    present = {m: rows.present for m, rows in graph.modalities.items()}
    return {
        "test": test,
        "by_category": by_category(ranks, graph.test[:, 1], categories),
        "by_modalities": by_modalities(
            both,
            {m: own[heads] for m, own in present.items()},
            {m: own[tails] for m, own in present.items()},
        ),
    }


def frequency_floor(graph: CompletionGraph) -> float | None:
    """MRR of answering with what training triples of the same relation have most often at that end.

    None where a table of all entities by relation would be too large.
    """
    if graph.num_relations * graph.num_entities > _FLOOR_CELLS:
        return None
    counts = {}
    for end, column in (("head", 0), ("tail", 2)):
        cells = graph.train[:, 1].astype(np.int64) * graph.num_entities + graph.train[:, column]
        rows, amount = np.unique(cells, return_counts=True)
        counts[end] = np.zeros(graph.num_relations * graph.num_entities, np.float32)
        counts[end][rows] = amount
    tables = {end: jnp.asarray(c.reshape(graph.num_relations, -1)) for end, c in counts.items()}

    def score(tables, end, given, relation):
        return tables[end][relation]

    ranks = Ranker(score, graph.test, graph.known, graph.num_entities)(tables)
    return completion_metrics(ranks)["both"]["mrr"]


def overlap_counts(graph: CompletionGraph) -> dict[str, int]:
    """How many test triples are training triples too, and how many name an unseen entity."""
    return {
        "test_in_train": int(contained(graph.test, graph.train).sum()),
        "test_unseen": int((~names_seen(graph)).sum()),
    }

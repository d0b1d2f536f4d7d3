"""A graph whose entities are embedded: look up, and answer questions about missing ends."""

from collections.abc import Sequence
from functools import partial

import jax.numpy as jnp
import numpy as np

from mmea_jax.data.completion import CompletionGraph
from mmea_jax.models.adamf_mat import Tables, score_all
from mmea_jax.nn.scorers import make_scorer
from mmea_jax.training.aligned import row_numbers
from mmea_jax.training.completion.answers import Answerer, parse_query
from mmea_jax.training.exporting import Embedded

_PARTS = ("train", "valid", "test", "known")
_TABLES = ("entities", "relations", "attention")


def embedded_graph(tables: Tables, graph: CompletionGraph, facts: dict) -> Embedded:
    """A completion model's ``tables`` as ``CompletedGraph`` takes them.

    Args:
      tables: of all entities and relations.
      graph: names and triples.
      facts: ``scorer``, ``dim``, ``margin`` and ``reciprocal``.
    """
    arrays = {name: np.asarray(getattr(tables, name)) for name in _TABLES}
    arrays |= {f"triples.{part}": getattr(graph, part) for part in _PARTS}
    texts = {"entities": graph.entity_names, "relations": graph.relation_names}
    return Embedded(arrays, texts, facts | {"task": "completion", "dataset": graph.name})


class CompletedGraph:
    """What a completion method learnt of a graph.

    Attributes:
      entities: N names, by row.
      relations: R names.
    """

    def __init__(self, embedded: Embedded):
        arrays, facts = embedded.arrays, embedded.facts
        self.entities, self.relations = embedded.texts["entities"], embedded.texts["relations"]
        self._tables = Tables(*(jnp.asarray(arrays[name]) for name in _TABLES))
        parts = {part: arrays[f"triples.{part}"] for part in _PARTS}
        self._graph = CompletionGraph(facts["dataset"], self.entities, self.relations, **parts)
        rule = make_scorer(facts["scorer"], facts["dim"], facts["margin"])
        self._score = partial(score_all, rule, facts["reciprocal"], len(self.relations))
        self._rows = {name: row for row, name in enumerate(self.entities)}
        self._answerer: Answerer | None = None

    def embed(self, entities: Sequence[str | int] | None = None) -> np.ndarray:
        """Joint vectors float32[K, D] of the entities asked for by name or row, or of all.

        Raises:
          InputError: no such entity.
        """
        return np.asarray(self._tables.entities)[row_numbers(entities, self.entities, self._rows)]

    def answer(self, query: str, count: int = 10) -> list[tuple[str, float, float]]:
        """The likeliest answers to ``head,relation,?`` or ``?,relation,tail`` that are not known already.

        Returns:
          ``(entity, score, probability)``, best first; see ``Answerer``.

        Raises:
          InputError: no such form, entity or relation.
        """
        if self._answerer is None:
            self._answerer = Answerer(self._score, self._tables, self._graph)
        found = self._answerer.top(parse_query(query, self._graph), count)
        return [(self.entities[a.entity], a.score, a.probability) for a in found]

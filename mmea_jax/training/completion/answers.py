"""Answers to questions about missing ends, with calibrated probabilities, and new triples worth a look."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize, special

from mmea_jax.data.completion import CompletionGraph
from mmea_jax.errors import InputError, closest
from mmea_jax.matching.completion import ENDS, Score
from mmea_jax.models.adamf_mat import Tables

_BLOCK = 64
# Triples that a temperature is fitted on, scores that are held for it, and the range it is searched in.
_FITTED, _FITTED_SCORES, _TEMPERATURES = 256, 1 << 24, (1e-2, 1e2)
_FORM = "head,relation,? or ?,relation,tail, with names or numbers of the entity and relation files"


@dataclasses.dataclass(frozen=True)
class Query:
    """A question about one end of a triple.

    Attributes:
      end: the end that is asked for.
      given: the entity at the other end.
      relation: its number.
    """

    end: str
    given: int
    relation: int


@dataclasses.dataclass(frozen=True)
class Answer:
    """An entity that is no known answer, its score and its probability among all such entities."""

    entity: int
    score: float
    probability: float


class Answerer:
    """Answers questions by a trained model.

    A probability is a softmax over the entities that are not excluded as known answers, at a temperature that
    makes validation triples likeliest: the chance that this entity is the missing answer, if one is missing.

    Args:
      score: scores of all entities.
      tables: what it reads.
      graph: names, known triples, and triples to fit the temperature on.
    """

    def __init__(self, score: Score, tables: Tables, graph: CompletionGraph):
        self._graph, self._tables = graph, tables
        self._rows = jax.jit(score, static_argnums=1)
        self._known = {end: _answers(graph.known, end) for end in ENDS}
        # Test triples have no part in the temperature.
        fitting = graph.valid if len(graph.valid) else graph.train
        seen = np.concatenate([graph.train, graph.valid])
        self._seen = {end: _answers(seen, end) for end in ENDS}
        self.fitted_on = "valid" if len(graph.valid) else "train"
        self.temperature = self._fit(fitting, self._seen)

    def top(self, query: Query, count: int) -> list[Answer]:
        """The ``count`` likeliest answers besides those of training and validation triples, best first.

        Answers of test triples are among them, for the model has not seen those.
        """
        return self._top([query], count, self._seen)[0]

    def new_triples(self, min_probability: float) -> list[tuple[tuple[int, int, int], Answer]]:
        """The best answer in no file to every question that known triples ask, where it is probable enough.

        Returns:
          ``((head, relation, tail), answer)``, most probable first, each triple once.
        """
        found: dict[tuple[int, int, int], Answer] = {}
        for end, column in (("head", 2), ("tail", 0)):
            asked = np.unique(self._graph.known[:, [column, 1]], axis=0)
            queries = [Query(end, given, relation) for given, relation in asked.tolist()]
            for query, answers in zip(queries, self._top(queries, 1, self._known), strict=True):
                for answer in answers:
                    triple = as_triple(query, answer.entity)
                    before = found.get(triple)
                    better = before is None or answer.probability > before.probability
                    if answer.probability >= min_probability and better:
                        found[triple] = answer
        return sorted(found.items(), key=lambda item: (-item[1].probability, item[0]))

    def _top(
        self, queries: list[Query], count: int, excluded: dict[str, dict[tuple[int, int], list[int]]]
    ) -> list[list[Answer]]:
        """Best answers to queries that all ask for the same end; fewer where few entities are left."""
        known = excluded[queries[0].end]
        found = []
        for start in range(0, len(queries), _BLOCK):
            own = queries[start : start + _BLOCK]
            scores = self._scores(own)
            for row, query in zip(scores, own, strict=True):
                row[known.get((query.given, query.relation), [])] = -np.inf
                best = np.argsort(-row, kind="stable")[:count]
                best = best[np.isfinite(row[best])].tolist()
                # Without any entity left there is nothing to normalise.
                probability = special.softmax(row / self.temperature) if best else row
                found.append([Answer(e, float(row[e]), float(probability[e])) for e in best])
        return found

    def _scores(self, queries: list[Query]) -> np.ndarray:
        """float64[n, N], n at most a block."""
        padded = [*queries, *[queries[0]] * (_BLOCK - len(queries))]
        given, relation = (jnp.asarray([getattr(q, f) for q in padded]) for f in ("given", "relation"))
        rows = self._rows(self._tables, queries[0].end, given, relation)
        return np.asarray(rows, np.float64)[: len(queries)]

    def _fit(self, triples: np.ndarray, known: dict[str, dict]) -> float:
        rows = []
        most = max(1, min(_FITTED, _FITTED_SCORES // self._graph.num_entities))
        few = np.unique(np.linspace(0, len(triples) - 1, most).astype(int))
        for end in ENDS:
            given, answer = (2, 0) if end == "head" else (0, 2)
            for start in range(0, len(few), _BLOCK):
                own = triples[few[start : start + _BLOCK]]
                queries = [Query(end, int(t[given]), int(t[1])) for t in own]
                scores = self._scores(queries)
                for row, query, gold in zip(scores, queries, own[:, answer].tolist(), strict=True):
                    others = [e for e in known[end][query.given, query.relation] if e != gold]
                    row[others] = -np.inf
                    rows.append(row - row[gold])
        rows = np.stack(rows)

        def loss(log_temperature: float) -> float:
            return float(np.mean(special.logsumexp(rows / np.exp(log_temperature), axis=1)))

        bounds = np.log(_TEMPERATURES)
        return float(np.exp(optimize.minimize_scalar(loss, bounds=bounds, method="bounded").x))


def parse_query(text: str, graph: CompletionGraph) -> Query:
    """A query from ``head,relation,?`` or ``?,relation,tail``.

    Names may hold commas: whatever splits the text into a declared entity and a declared relation counts.
    Numbers are ids where no name is meant.

    Raises:
      InputError: no such form, or a name that is not declared; the error names the closest.
    """
    entities = {name: i for i, name in enumerate(graph.entity_names)}
    relations = {name: i for i, name in enumerate(graph.relation_names)}
    text = text.strip()
    if text.startswith("?,") == text.endswith(",?"):
        raise InputError(f"the query {text!r}", expected=_FORM, mend="correct --query")
    end, rest = ("head", text[2:]) if text.startswith("?,") else ("tail", text[:-2])
    parts = rest.split(",")
    splits = [(",".join(parts[:k]).strip(), ",".join(parts[k:]).strip()) for k in range(1, len(parts))]
    splits = [pair[::-1] if end == "head" else pair for pair in splits]
    for entity, relation in splits:
        own = _number(entity, entities), _number(relation, relations)
        if None not in own:
            return Query(end, *own)
    if not splits:
        raise InputError(f"the query {text!r}", expected=_FORM, mend="correct --query")
    entity, relation = splits[0] if end == "head" else splits[-1]
    known = _number(entity, entities) is not None
    kind, name, names = ("relation", relation, relations) if known else ("entity", entity, entities)
    raise InputError(
        f"the {kind} {name!r} in the query{closest(name, names)}",
        expected=f"a {kind} that {kind}2id.txt declares",
        mend="correct --query",
    )


def as_triple(query: Query, answer: int) -> tuple[int, int, int]:
    """The triple that an answer makes of a query."""
    if query.end == "head":
        return answer, query.relation, query.given
    return query.given, query.relation, answer


def answer_lines(graph: CompletionGraph, query: Query, answers: list[Answer]) -> list[str]:
    """A query and its answers, for a terminal."""
    given, relation = graph.entity_names[query.given], graph.relation_names[query.relation]
    title = f"?, {relation}, {given}" if query.end == "head" else f"{given}, {relation}, ?"
    lines = [title, f"{'probability':>12} {'score':>10}  entity"]
    return lines + [f"{a.probability:12.4f} {a.score:10.3f}  {graph.entity_names[a.entity]}" for a in answers]


def table_text(graph: CompletionGraph, found: list[tuple[tuple[int, int, int], Answer]]) -> str:
    """``predictions.tsv``: a header, then head, relation, tail, score and probability."""
    lines = ["head\trelation\ttail\tscore\tprobability"]
    for (head, relation, tail), answer in found:
        names = (graph.entity_names[head], graph.relation_names[relation], graph.entity_names[tail])
        lines.append("\t".join([*names, f"{answer.score:.6g}", f"{answer.probability:.6f}"]))
    return "\n".join(lines) + "\n"


def _answers(triples: np.ndarray, end: str) -> dict[tuple[int, int], list[int]]:
    """Known answers by question (given entity, relation)."""
    given, answer = (2, 0) if end == "head" else (0, 2)
    found: dict[tuple[int, int], list[int]] = {}
    for row in triples.tolist():
        found.setdefault((row[given], row[1]), []).append(row[answer])
    return found


def _number(name: str, known: dict[str, Any]) -> int | None:
    if name in known:
        return known[name]
    if f"<{name}>" in known:
        return known[f"<{name}>"]
    return int(name) if name.isascii() and name.isdigit() and int(name) < len(known) else None

"""Why two entities are taken for the same: each modality's part of the score, neighbours and values."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from mmea_jax.data import KnowledgeGraphs
from mmea_jax.data.own.values import is_value_word
from mmea_jax.models.embeddings import Embeddings
from mmea_jax.training.scores import side_weights
from mmea_jax.vocabulary import ATTRIBUTE

# Of each kind, as many as a reader takes in.
_SHOWN = 5
JOINT, NEIGHBOURS = "joint", "neighbours"


def score_parts(
    left: Embeddings, right: Embeddings, rows: np.ndarray, columns: np.ndarray, how: str
) -> dict[str, np.ndarray]:
    """The summands of ``training.scores.make_scorer`` for the pairs ``(rows[k], columns[k])``.

    Args:
      left: of ``n`` entities.
      right: of ``m``.
      rows: int[p].
      columns: int[p].
      how: any score but ``kl``.

    Returns:
      float32[p] by name: ``joint``, every modality that the score counts, and ``neighbours`` where the
      embeddings carry a support. Their sum is the similarity before CSLS.
    """

    def product(a, b) -> np.ndarray:
        return np.einsum("pd,pd->p", np.asarray(a)[rows], np.asarray(b)[columns])

    parts = {JOINT: product(left.joint, right.joint)}
    if how != "joint":
        (one, of_left), (two, of_right) = (side_weights(e, how) for e in (left, right))
        parts[JOINT] *= one * two
        both = np.asarray(of_left)[rows] * np.asarray(of_right)[columns]
        modal = zip(left.ordered().items(), right.ordered().values(), strict=True)
        parts |= {m: both[:, k] * product(a, b) for k, ((m, a), b) in enumerate(modal)}
    if left.support is not None:
        asked, columns = np.asarray(right.support.entities)[columns], np.asarray(left.support.columns)[rows]
        parts[NEIGHBOURS] = np.where(
            columns == asked[:, None], np.asarray(left.support.values)[rows], 0.0
        ).sum(1)
    return parts


class Explainer:
    """Looks up what two entities share.

    Args:
      kgs: the graphs.
      partner: entity of KG 1 to that of KG 2, of all pairs that count as the same.
    """

    def __init__(self, kgs: KnowledgeGraphs, partner: Mapping[int, int]):
        self._kgs, self._partner = kgs, partner
        self._relations: dict[int, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for head, relation, tail in kgs.triples.tolist():
            name = kgs.relation_names[relation]
            self._relations[head][tail].add(name)
            self._relations[tail][head].add(f"^{name}")
        bag = kgs.modalities.get(ATTRIBUTE)
        self._bag = bag
        words = bag.vocabulary if bag is not None else ()
        self._is_value = np.array([is_value_word(word) for word in words], bool)

    def neighbours(self, one: int, two: int) -> tuple[int, str]:
        """How many neighbours of the two are matched with each other, and some with the relations to them.

        ``^`` marks a relation that points to the entity asked about.
        """
        near, far = self._relations.get(one, {}), self._relations.get(two, {})
        shared = [a for a in sorted(near) if self._partner.get(a) in far]
        names = self._kgs.entity_names
        shown = [
            f"{names[a]} = {names[self._partner[a]]} ({_short(near[a])} / {_short(far[self._partner[a]])})"
            for a in shared[:_SHOWN]
        ]
        return len(shared), "; ".join(shown)

    def values(self, one: int, two: int) -> str:
        """Values that both have, those that fewest entities share first."""
        if self._bag is None:
            return ""
        bag, weight = self._bag, {}
        own = [slice(bag.offsets[entity], bag.offsets[entity + 1]) for entity in (one, two)]
        common, at, _ = np.intersect1d(*(bag.columns[part] for part in own), return_indices=True)
        weight = dict(zip(common.tolist(), bag.values[own[0]][at].tolist(), strict=True))
        found = sorted((c for c in weight if self._is_value[c]), key=lambda c: (-weight[c], c))
        return "; ".join(bag.vocabulary[c] for c in found[:_SHOWN])


def _short(relations: set[str]) -> str:
    return ", ".join(sorted(_local(relation) for relation in relations))


def _local(relation: str) -> str:
    name = relation.rstrip("/#").rpartition("#")[2].rpartition("/")[2] or relation
    return f"^{name}" if relation.startswith("^") and not name.startswith("^") else name


def evidence_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """TSV; numbers to four digits, line breaks and tabs within a field become spaces."""
    lines = ["\t".join(header)]
    for row in rows:
        fields = [f"{x:.4g}" if isinstance(x, float) else " ".join(str(x).split()) for x in row]
        lines.append("\t".join(fields))
    return "\n".join(lines) + "\n"

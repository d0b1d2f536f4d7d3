"""Two graphs whose entities are embedded: look up, compare, align."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from mmea_jax.errors import InputError, closest
from mmea_jax.matching import alignment_table
from mmea_jax.models.embeddings import Embeddings, Support
from mmea_jax.nn.beta import Beta
from mmea_jax.training.exporting import Embedded
from mmea_jax.training.scores import make_scorer

_MODAL = "modal."


def embedded_pair(embeddings: Embeddings, names: Sequence[str], arrays: dict, facts: dict) -> Embedded:
    """An alignment model's ``embeddings`` of all ``N`` entities as ``AlignedGraphs`` takes them.

    Args:
      embeddings: in the order of the entities.
      names: N names.
      arrays: ``side`` int8[N], ``ids`` int64[N] and ``seeds`` int32[L, 2].
      facts: ``score`` and the ``weights`` it takes, ``temperature`` and ``threshold``.
    """
    arrays = arrays | {"joint": embeddings.joint, "confidence": embeddings.confidence}
    arrays |= {_MODAL + m: value for m, value in embeddings.modal.items()}
    if embeddings.support is not None:
        support = embeddings.support
        arrays |= {"support.columns": support.columns, "support.values": support.values}
    if embeddings.distribution is not None:
        arrays |= {"alpha": embeddings.distribution.alpha, "beta": embeddings.distribution.beta}
    facts = facts | {"task": "alignment", "modalities": list(embeddings.modalities)}
    return Embedded({k: np.asarray(v) for k, v in arrays.items()}, {"entities": tuple(names)}, facts)


class AlignedGraphs:
    """What an alignment method learnt of two graphs.

    Entities are given by name or by row. A name that both graphs use means that of KG 1; rows are unique.

    Attributes:
      entities: N names, by row.
      side: int8[N], 0 for KG 1 and 1 for KG 2.
      modalities: by which entities are embedded.
    """

    def __init__(self, embedded: Embedded):
        self._arrays, self._facts = embedded.arrays, embedded.facts
        self.entities: tuple[str, ...] = embedded.texts["entities"]
        self.side: np.ndarray = self._arrays["side"]
        self.modalities: tuple[str, ...] = tuple(self._facts["modalities"])
        # Of names that repeat the first counts.
        self._rows = {name: row for row, name in reversed(list(enumerate(self.entities)))}
        self._partner = dict(self._arrays["seeds"].tolist())

    def embed(self, entities: Sequence[str | int] | None = None, modality: str | None = None) -> np.ndarray:
        """Rows of length 1, float32[K, D], for the entities asked for, or for all.

        Args:
          entities: names or rows.
          modality: whose embedding; None for the joint one.

        Raises:
          InputError: no such entity or modality.
        """
        if modality is not None and modality not in self.modalities:
            raise InputError(
                f"the modality {modality!r}{closest(modality, self.modalities)}",
                expected=f"one of {', '.join(self.modalities)}",
                mend="name another",
            )
        array = self._arrays["joint" if modality is None else _MODAL + modality]
        return array[self._numbers(entities)]

    def align(self, entities: Sequence[str | int] | None = None) -> list[alignment_table.Row]:
        """The counterparts in KG 2 of the entities of KG 1 asked for, or of all, in their order.

        Candidates are the entities of KG 2 that are in no seed link; a seed's counterpart is the given one.

        Returns:
          Rows as in ``alignment.tsv``: best candidate, score, margin, probability, status, runner-up.

        Raises:
          InputError: no such entity, or one of KG 2.
        """
        rows = np.flatnonzero(self.side == 0) if entities is None else self._numbers(entities)
        foreign = rows[self.side[rows] != 0]
        if len(foreign):
            raise InputError(
                f"{self.entities[foreign[0]]!r} of KG 2",
                expected="entities of KG 1",
                mend="align the others, or train with the graphs exchanged",
            )
        is_open = np.array([row not in self._partner for row in rows.tolist()], bool)
        found = iter(self._predicted(rows[is_open]))
        names = self.entities
        return [
            next(found)
            if row not in self._partner
            else alignment_table.seed_rows([(names[row], names[self._partner[row]])])[0]
            for row in rows.tolist()
        ]

    def _predicted(self, rows: np.ndarray) -> list[alignment_table.Row]:
        candidates = np.setdiff1d(np.flatnonzero(self.side == 1), self._arrays["seeds"][:, 1])
        if not len(rows) or not len(candidates):
            return [alignment_table.Row(self.entities[r], "", None, None, 0.0, "no_match", "") for r in rows]
        scorer = make_scorer(self._of(rows), self._of(candidates), self._facts["score"])
        names = [[self.entities[i] for i in own] for own in (rows, candidates)]
        return alignment_table.predict(
            scorer, *names, temperature=self._facts["temperature"], threshold=self._facts["threshold"]
        )

    def _of(self, rows: np.ndarray) -> Embeddings:
        taken = {name: jnp.asarray(value[rows]) for name, value in self._arrays.items() if name != "seeds"}
        return Embeddings(
            modal={m: taken[_MODAL + m] for m in self.modalities},
            joint=taken["joint"],
            confidence=taken["confidence"],
            distribution=Beta(taken["alpha"], taken["beta"]) if "alpha" in taken else None,
            support=Support(jnp.asarray(rows), taken["support.columns"], taken["support.values"])
            if "support.columns" in taken
            else None,
            weights=tuple(self._facts.get("weights", ())),
            modalities=self.modalities,
        )

    def _numbers(self, entities: Sequence[str | int] | None) -> np.ndarray:
        return row_numbers(entities, self.entities, self._rows)


def row_numbers(
    entities: Sequence[str | int] | None, names: Sequence[str], rows: dict[str, int]
) -> np.ndarray:
    """int64[K]: the rows of entities given by name or row; all for None.

    Raises:
      InputError: no such entity; the error names the closest.
    """
    if entities is None:
        return np.arange(len(names))
    found = []
    for entity in entities:
        row = rows.get(entity) if isinstance(entity, str) else int(entity)
        if row is None or not 0 <= row < len(names):
            hint = closest(entity, rows) if isinstance(entity, str) else ""
            raise InputError(
                f"the entity {entity!r}{hint}",
                expected=f"a name, or a row below {len(names)}",
                mend="see the attribute 'entities'",
            )
        found.append(row)
    return np.array(found, np.int64)

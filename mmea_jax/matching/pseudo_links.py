"""Links that a model accepts for its own training: pairs that stay mutual nearest for long enough.

No gold label enters the choice. Entities are indexes of one space of ``N``, so
every array keeps its shape through all rounds. The state is arrays only and can
be checkpointed as it is.
"""

from typing import NamedTuple

import numpy as np


class PseudoLinks(NamedTuple):
    """What the rounds have left behind, by entity of KG 1 (entries of KG 2 stay −1 and 0).

    Attributes:
      candidate: int32[N], the partner proposed in the last round, −1 for none.
      rounds: int32[N], consecutive rounds in which that same pair was proposed.
      accepted: int32[N], the accepted partner, −1 for none; never revoked.
    """

    candidate: np.ndarray
    rounds: np.ndarray
    accepted: np.ndarray


def initial(num_entities: int) -> PseudoLinks:
    """No candidate, nothing accepted."""
    none = np.full(num_entities, -1, np.int32)
    return PseudoLinks(none, np.zeros(num_entities, np.int32), none)


def update(state: PseudoLinks, pairs: np.ndarray, patience: int = 10) -> PseudoLinks:
    """One round: counts on pairs that were proposed again, restarts the others, accepts the patient.

    Args:
      state: after the round before.
      pairs: int[P, 2], this round's mutual nearest neighbours (entity of KG 1, entity of KG 2), each
        entity at most once. Pairs that touch an accepted entity are passed over.
      patience: consecutive rounds, this one included, that make a candidate a link.

    Raises:
      ValueError: for ``patience`` below 1 or an entity in two pairs.
    """
    if patience < 1:
        raise ValueError(f"patience is at least 1 round, not {patience}")
    if any(len(np.unique(side)) < len(pairs) for side in np.asarray(pairs).T):
        raise ValueError("an entity is in two pairs; mutual nearest neighbours are one to one")
    fresh = ~closed_entities(state)[pairs].any(axis=1)
    left, right = pairs[fresh].T
    again = state.candidate[left] == right
    candidate, rounds, accepted = (
        np.full_like(state.candidate, -1),
        np.zeros_like(state.rounds),
        state.accepted,
    )
    candidate[left] = right
    rounds[left] = np.where(again, state.rounds[left], 0) + 1
    patient = rounds >= patience
    return PseudoLinks(
        np.where(patient, -1, candidate),
        np.where(patient, 0, rounds),
        np.where(patient, candidate, accepted),
    )


def accepted_links(state: PseudoLinks) -> np.ndarray:
    """int32[A, 2]: the accepted pairs, ascending by the entity of KG 1."""
    left = np.flatnonzero(state.accepted >= 0)
    return np.stack([left, state.accepted[left]], 1).astype(np.int32)


def closed_entities(state: PseudoLinks) -> np.ndarray:
    """bool[N]: entities of an accepted pair, of either side. Close them, and the seeds, in the scorer."""
    closed = state.accepted >= 0
    closed[state.accepted[closed]] = True
    return closed


def precision(accepted: np.ndarray, gold_links: np.ndarray) -> float:
    """Share of int[A, 2] accepted pairs among int[L, 2] gold links; NaN for none. For analysis only."""
    if len(accepted) == 0:
        return float("nan")
    gold = dict(np.asarray(gold_links).tolist())
    return float(np.mean([gold.get(left) == right for left, right in np.asarray(accepted).tolist()]))

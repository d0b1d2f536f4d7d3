"""What the data gives away: Hits@1 of direct similarity, without any training (KG 1 → KG 2).

In every function link ``q`` joins ``left[q]`` and ``right[q]``, and the
candidates are all of ``right``, the test entities of the other side. A hit is a
realistic rank of 1: gold beats every other candidate, and a tie is no hit.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

_BLOCK_ROWS = 256
# Scores nearer than this are ties: equal features may differ by rounding, as sums run in another order.
_TIE = 1e-6


def _unit_rows(features: np.ndarray | sparse.sparray) -> np.ndarray | sparse.csr_array:
    if sparse.issparse(features):
        features = sparse.csr_array(features).astype(np.float32)
        norm = np.sqrt(features.multiply(features).sum(axis=1))
        inverse = np.divide(1, norm, out=np.zeros_like(norm), where=norm > 0)
        return sparse.csr_array(sparse.diags_array(inverse) @ features)
    features = np.asarray(features, np.float32)
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    return np.divide(features, norm, out=np.zeros_like(features), where=norm > 0)


def cosine_floor(features: np.ndarray | sparse.sparray, left: np.ndarray, right: np.ndarray) -> float:
    """Hits@1 of the cosine of features; an entity without any is equally far from all, so no hit.

    Args:
      features: float[N, f], dense or sparse; a zero row is an absent entity.
      left: int[Q], entities of KG 1.
      right: int[Q], their counterparts.

    Raises:
      ValueError: without a link.
    """
    if len(left) == 0:
        raise ValueError("no link to measure a floor on")
    queries, candidates = _unit_rows(features[left]), _unit_rows(features[right])
    hits = 0
    for start in range(0, len(left), _BLOCK_ROWS):
        block = queries[start : start + _BLOCK_ROWS]
        if sparse.issparse(block):
            block = block.toarray()
        # Candidates first: sparse times dense never forms a nearly full sparse product.
        scores = candidates @ np.ascontiguousarray(block.T)
        here = np.arange(block.shape[0])
        gold = scores[start + here, here]
        hits += int(((scores >= gold - _TIE).sum(axis=0) == 1).sum())
    return hits / len(left)


def equality_floor(left: Sequence[str | None], right: Sequence[str | None]) -> float:
    """Hits@1 of "equal or not" of Q keys on either side, such as names; None and "" equal nothing.

    Raises:
      ValueError: without a link, or for sides of unequal length.
    """
    if len(left) == 0:
        raise ValueError("no link to measure a floor on")
    holders: dict[str | None, int] = {}
    for key in right:
        holders[key] = holders.get(key, 0) + 1
    hit = [bool(one) and one == two and holders[two] == 1 for one, two in zip(left, right, strict=True)]
    # A lone candidate ranks first whatever its score.
    return 1.0 if len(hit) == 1 else sum(hit) / len(hit)


def seed_neighbour_floor(
    edges: tuple[np.ndarray, np.ndarray],
    train_links: np.ndarray,
    num_entities: int,
    left: np.ndarray,
    right: np.ndarray,
) -> float:
    """Hits@1 of structure alone: cosine of the sets of seed links in two entities' neighbourhoods.

    Args:
      edges: receivers and senders, int[E] each; an edge counts in both directions.
      train_links: int[L, 2], the seeds.
      num_entities: ``N``.
      left: int[Q], entities of KG 1.
      right: int[Q], their counterparts.

    Raises:
      ValueError: without a test link.
    """
    seeds = len(train_links)
    seed_of = sparse.csr_array(
        (np.ones(2 * seeds, np.float32), (np.ravel(train_links, order="F"), np.tile(np.arange(seeds), 2))),
        shape=(num_entities, seeds),
    )
    one, two = np.concatenate(edges), np.concatenate(edges[::-1])
    adjacent = sparse.csr_array((np.ones(len(one), np.float32), (one, two)), shape=(num_entities,) * 2)
    neighbours = sparse.csr_array(adjacent @ seed_of)
    neighbours.data[:] = 1
    return cosine_floor(neighbours, left, right)

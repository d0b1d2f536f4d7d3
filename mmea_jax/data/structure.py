"""The undirected graph that both KGs' triples make."""

import numpy as np

from mmea_jax.data.knowledge_graphs import KnowledgeGraphs


def edges(kgs: KnowledgeGraphs) -> tuple[np.ndarray, np.ndarray]:
    """Every triple's pair in both directions and one self-loop an entity.

    Duplicates are merged; a triple from an entity to itself adds nothing to its self-loop.

    Returns:
      ``(receivers, senders)``, int32[E] each, sorted by receiver, then sender.
    """
    n = kgs.num_entities
    heads, tails = kgs.triples[:, 0].astype(np.int64), kgs.triples[:, 2].astype(np.int64)
    loops = np.arange(n, dtype=np.int64)
    receivers = np.concatenate([heads, tails, loops])
    senders = np.concatenate([tails, heads, loops])
    cells = np.unique(receivers * n + senders)
    receivers, senders = np.divmod(cells, n)
    return receivers.astype(np.int32), senders.astype(np.int32)


def degrees(kgs: KnowledgeGraphs) -> np.ndarray:
    """int32[N]: how many other entities each one shares a triple with."""
    receivers, _ = edges(kgs)
    return (np.bincount(receivers, minlength=kgs.num_entities) - 1).astype(np.int32)

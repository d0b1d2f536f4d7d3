"""What a load reports: counts, coverage, and what was found on the way."""

import numpy as np

from mmea_jax.data.knowledge_graphs import KnowledgeGraphs, Split


def describe(kgs: KnowledgeGraphs, split: Split) -> list[str]:
    """Lines for the log: counts a side, the split, entities without triples, modality coverage, notes."""
    sides = [kgs.side == k for k in (0, 1)]
    triples = [int(own[kgs.triples[:, 0]].sum()) for own in sides]
    linked = np.zeros(kgs.num_entities, bool)
    linked[kgs.triples[:, [0, 2]]] = True
    alone = [int((own & ~linked).sum()) for own in sides]
    return [
        f"{kgs.name}: {_both([int(own.sum()) for own in sides])} entities, {_both(triples)} triples, "
        f"{len(kgs.relation_names):,} relations, {len(kgs.links):,} gold links",
        f"entities without triples: {_both(alone)}",
        f"split {split.name}: {len(split.train):,} train, {len(split.valid):,} valid, "
        f"{len(split.test):,} test links, sha256 {split.sha256[:12]}",
        *(_coverage(kgs, modality) for modality in kgs.modalities),
        *kgs.notes,
    ]


def _coverage(kgs: KnowledgeGraphs, modality: str) -> str:
    rows = kgs.modalities[modality]
    shares = [rows.present[kgs.side == k].mean() for k in (0, 1)]
    both = rows.present[kgs.links].all(axis=1).mean() if len(kgs.links) else 0.0
    drawn = ", SIMULATED (drawn, not measured)" if modality in kgs.simulated else ""
    return (
        f"{modality}: width {rows.width:,}, present for {rows.present.mean():.1%} of the entities "
        f"(KG 1 {shares[0]:.1%}, KG 2 {shares[1]:.1%}), for both ends of {both:.1%} of the links{drawn}"
    )


def _both(counts: list[int]) -> str:
    return f"{sum(counts):,} ({counts[0]:,} + {counts[1]:,})"

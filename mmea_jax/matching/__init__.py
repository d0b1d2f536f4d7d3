"""From embeddings to answers, in blocks of rows: ranks, assignments, pseudo-links and probabilities."""

from mmea_jax.matching import alignment_table, calibration, pseudo_links
from mmea_jax.matching.assignment import (
    Assignment,
    MutualNearest,
    accuracy,
    greedy_assignment,
    link_quality,
    mutual_nearest,
    sinkhorn_assignment,
)
from mmea_jax.matching.csls import csls_scorer, neighbourhoods
from mmea_jax.matching.floors import cosine_floor, equality_floor, seed_neighbour_floor
from mmea_jax.matching.held_scores import held
from mmea_jax.matching.ranks import evaluate, gold_ranks, metrics
from mmea_jax.matching.similarity import Scorer, concatenate_weighted, inner_product, topk, unit_rows
from mmea_jax.matching.slices import by_degree, by_modalities

__all__ = [
    "Assignment",
    "MutualNearest",
    "Scorer",
    "accuracy",
    "alignment_table",
    "by_degree",
    "by_modalities",
    "calibration",
    "concatenate_weighted",
    "cosine_floor",
    "csls_scorer",
    "equality_floor",
    "evaluate",
    "gold_ranks",
    "greedy_assignment",
    "held",
    "inner_product",
    "link_quality",
    "metrics",
    "mutual_nearest",
    "neighbourhoods",
    "pseudo_links",
    "seed_neighbour_floor",
    "sinkhorn_assignment",
    "topk",
    "unit_rows",
]

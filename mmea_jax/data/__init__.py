"""From files, or from a seed, to the arrays of two knowledge graphs. NumPy only."""

from mmea_jax.data.describe import describe
from mmea_jax.data.knowledge_graphs import Bag, Dense, KnowledgeGraphs, Split
from mmea_jax.data.load import load
from mmea_jax.data.options import DataOptions, SyntheticOptions

__all__ = [
    "Bag",
    "DataOptions",
    "Dense",
    "KnowledgeGraphs",
    "Split",
    "SyntheticOptions",
    "describe",
    "load",
]

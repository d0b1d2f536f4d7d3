"""From files, or from a seed, to the arrays of two knowledge graphs. NumPy only."""

from mmea_jax.data.knowledge_graphs import Bag, Dense, KnowledgeGraphs, Split
from mmea_jax.data.load import load
from mmea_jax.data.options import DataOptions, SyntheticOptions
from mmea_jax.data.summary import describe

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

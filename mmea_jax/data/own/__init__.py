"""Graphs of the user's own: from RDF files, tables or the published layout to two graphs and their links."""

from mmea_jax.data.own.options import MIN_SEEDS, MIN_VALID, OWN, OwnOptions

__all__ = ["MIN_SEEDS", "MIN_VALID", "OWN", "OwnOptions"]

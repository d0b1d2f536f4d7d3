"""Flax building blocks that methods are assembled from."""

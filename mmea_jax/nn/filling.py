"""What stands in for a missing row of pre-computed features (docs/methods/umaea.md)."""

import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.normalise import unit


def filled_rows(inputs: Inputs, fills: tuple[str, ...], entities: Array, seed: int = 0) -> dict[str, Array]:
    """Features float32[K, f] of ``entities`` int32[K] by dense modality of ``fills``, absent ones drawn."""
    return {
        m: drawn_rows(inputs.dense[m], inputs.present[m], entities, seed) for m in fills if m in inputs.dense
    }


def with_filled(has: Array, entities: Array, modalities: tuple[str, ...], fills: tuple[str, ...]) -> Array:
    """bool[K, M], ``has`` or filled; nothing is filled of padding, which is negative in int32[K]."""
    return has | (jnp.array([m in fills for m in modalities]) & (entities >= 0)[:, None])


def drawn_rows(features: Array, present: Array, entities: Array, seed: int = 0) -> Array:
    """Rows of ``entities``; a missing one is drawn from N(mean, std) of the known rows, per dimension.

    The draw depends on the seed and the entity alone, so that an entity keeps its row, and is scaled to unit
    length like a known one.

    Args:
      features: float32[N, f], unit rows; those of absent entities are zero.
      present: bool[N].
      entities: int32[K].
      seed: of the draw.

    Returns:
      float32[K, f].
    """
    known = jnp.maximum(jnp.sum(present), 1)
    features = jnp.where(present[:, None], features, 0.0)
    mean = jnp.sum(features, axis=0) / known
    variance = jnp.sum(features**2, axis=0) / known - mean**2
    std = jnp.sqrt(jnp.maximum(variance, 0.0))
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), entities)
    noise = jax.vmap(lambda key: jax.random.normal(key, mean.shape))(keys)
    return jnp.where(present[entities][:, None], features[entities], unit(mean + std * noise))

"""What stands in for missing rows of pre-computed features (docs/methods/umaea.md, adamf_mat.md)."""

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


def filled_table(features: Array, present: Array, seed: int = 0) -> Array:
    """float32[N, f]: absent rows drawn at random, with each component's mean and spread among the others.

    One draw for good: these are features, not noise of a step.

    Args:
      features: float32[N, f].
      present: bool[N].
      seed: of the draw.
    """
    count = jnp.maximum(jnp.sum(present), 1)
    mean = jnp.sum(features * present[:, None], axis=0) / count
    spread = jnp.sqrt(jnp.sum((features - mean) ** 2 * present[:, None], axis=0) / count)
    drawn = mean + spread * jax.random.normal(jax.random.key(seed), features.shape)
    return jnp.where(present[:, None], features, drawn)

"""Loss terms that alignment methods share: one a modality, on the pairs of which both entities have it.

Everywhere ``B`` pairs are ``2B`` rows, those of side 1 first, and a *shared* pair of a modality is a real
pair (no padding) of which both entities have it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from mmea_jax.losses.contrastive import icl
from mmea_jax.losses.contrastive_views import SMALLEST_TEMPERATURE, icl_of_views
from mmea_jax.losses.weighing import kendall
from mmea_jax.nn.filling import with_filled
from mmea_jax.nn.inputs import Inputs
from mmea_jax.nn.normalise import unit
from mmea_jax.partition import parts


class Pairs(NamedTuple):
    """A batch of aligned pairs as models read it.

    Attributes:
      entities: int32[2B], side 1 and then side 2; −1 is padding.
      present: bool[2B, M], which modalities each has; none for padding.
      real: bool[B], false for padding.
      shared: bool[B, M], which modalities both entities of a pair have.
    """

    entities: Array
    present: Array
    real: Array
    shared: Array


def read_pairs(
    inputs: Inputs, modalities: tuple[str, ...], pairs: Array, fills: tuple[str, ...] = ()
) -> Pairs:
    """The batch ``pairs`` int32[B, 2] (rows of −1 are padding); everybody has the modalities ``fills``."""
    entities = pairs.T.reshape(-1)
    present = inputs.presence(modalities, entities) & (entities >= 0)[:, None]
    present = with_filled(present, entities, modalities, fills)
    one, two = jnp.split(present, 2)
    return Pairs(entities, present, pairs[:, 0] >= 0, one & two)


def joint_contrast(joint: Array, pairs: Pairs, temperature: Array | float) -> Array:
    """ICL of joint vectors float32[2B, D] over the real pairs."""
    return icl(*jnp.split(joint, 2), temperature, valid=pairs.real)


def contrasts(
    vectors: Sequence[Array],
    pairs: Pairs,
    temperature: float,
    weights: Array | None = None,
    mixes: Sequence[Array] = (),
) -> tuple[Array, Array]:
    """ICL of every modality over its shared pairs, float32[M], and of joint vectors over the real ones, [J].

    On one device they are computed together, which costs a joint vector no product of its own.

    Args:
      vectors: ``M`` arrays of unit rows float32[2B, d].
      pairs: the batch.
      temperature: τ, no parameter.
      weights: float32[B, M] of the pairs in each modality; 1 by default.
      mixes: ``J`` arrays float32[2B, M], weights of the modalities in a joint vector, which is their weighed
        concatenation scaled to length 1.
    """
    mixes = [_of_length_one(mix, vectors) for mix in mixes]
    if parts() > 1 or temperature < SMALLEST_TEMPERATURE:
        joint = [jnp.concatenate([mix[:, k, None] * z for k, z in enumerate(vectors)], 1) for mix in mixes]
        apart = [joint_contrast(z, pairs, temperature) for z in joint]
        return modal_contrasts(vectors, pairs, temperature, weights), jnp.array(apart)
    shared, count = pairs.shared.T, len(mixes)
    real = jnp.broadcast_to(pairs.real, (count, len(pairs.real)))
    weights = jnp.ones(pairs.shared.shape, vectors[0].dtype) if weights is None else weights
    losses = icl_of_views(
        jnp.stack(vectors),
        jnp.stack([mix.T for mix in mixes]) if mixes else jnp.zeros((0, len(vectors), len(vectors[0]))),
        temperature,
        jnp.concatenate([weights.T, jnp.ones((count, len(pairs.real)), weights.dtype)]),
        jnp.concatenate([shared, real]),
    )
    return losses[: len(vectors)], losses[len(vectors) :]


def _of_length_one(mix: Array, vectors: Sequence[Array]) -> Array:
    """``mix`` float32[2B, M] scaled, so that the vectors that it weighs have length 1 side by side."""
    # A vector has length 1 or, where there is none, 0; neither changes with a step.
    lengths = jnp.stack([jnp.linalg.norm(jax.lax.stop_gradient(z), axis=1) for z in vectors], axis=1)
    return unit(mix * lengths)


def modal_contrasts(
    vectors: Sequence[Array], pairs: Pairs, temperatures: Array | float, weights: Array | None = None
) -> Array:
    """ICL of every modality over its shared pairs, float32[M]; 0 for one that no pair shares.

    Args:
      vectors: ``M`` arrays of unit rows float32[2B, ·].
      pairs: the batch.
      temperatures: τ, one for all or float32[M].
      weights: float32[B, M] of the pairs in each modality; 1 by default.
    """
    temperatures = jnp.broadcast_to(jnp.asarray(temperatures), len(vectors))
    if len({z.shape for z in vectors}) == 1:
        # One compiled loss for all, which is M times faster to compile; one after the other, so that the
        # B × B similarities of one modality are in memory at a time.
        weights = jnp.ones(pairs.shared.shape, vectors[0].dtype) if weights is None else weights
        views = (jnp.stack(vectors), temperatures, weights.T, pairs.shared.T)
        return jax.lax.map(lambda view: icl(*jnp.split(view[0], 2), *view[1:]), views)
    return jnp.stack(
        [
            icl(
                *jnp.split(z, 2),
                temperatures[k],
                None if weights is None else weights[:, k],
                pairs.shared[:, k],
            )
            for k, z in enumerate(vectors)
        ]
    )


def smaller_confidence(confidence: Array) -> Array:
    """float32[B, M] of float32[2B, M]: a pair is as sure of a modality as the less sure of its entities."""
    return jnp.minimum(*jnp.split(confidence, 2))


def kendall_of_shared(losses: Array, log_variances: Array, pairs: Pairs) -> Array:
    """Kendall weighing of the modalities' losses float32[M], of those that some pair of the batch shares.

    Without this a modality that no pair shares, whose loss is 0, would let its weight drift without bound.
    """
    used = jnp.any(pairs.shared, axis=0)
    return kendall(jnp.where(used, losses, 0.0), jnp.where(used, log_variances, 0.0))


def named(losses: Array, modalities: tuple[str, ...], prefix: str = "") -> dict[str, Array]:
    """``{prefix + modality: loss}``, for the logs."""
    return {f"{prefix}{m}": losses[k] for k, m in enumerate(modalities)}

"""Optimal-transport alignment of a modality's vectors with the joint ones (docs/methods/mimea.md)."""

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from ott.geometry import geometry
from ott.solvers import linear

from mmea_jax.partition import by_rows


@struct.dataclass
class Transport:
    """Result of one entropic transport problem.

    Attributes:
      loss: ``⟨T*, C⟩``, differentiable through ``C`` alone.
      converged: whether Sinkhorn met its threshold; a problem without any mass counts as converged.
      iterations: int32, Sinkhorn iterations used.
    """

    loss: Array
    converged: Array
    iterations: Array


def transport_loss(
    x: Array,
    y: Array,
    present: Array,
    relative_epsilon: float = 0.05,
    threshold: float = 1e-3,
    max_iterations: int = 100,
) -> Transport:
    """Transports the set ``{x_i}`` onto ``{y_j}`` at cost ``1 − cos`` and returns what it costs.

    Both sets have uniform marginals over the ``present`` entities. The gradient goes through the cost by
    the envelope theorem: the plan is a constant. A plan that did not converge contributes nothing.

    Args:
      x: float32[K, d], unit rows of a modality.
      y: float32[K, d], unit rows of the joint embedding.
      present: bool[K], which entities have the modality.
      relative_epsilon: entropic regularisation as a share of the mean cost.
      threshold: Sinkhorn stops when the L1 error of the marginals falls below it.
      max_iterations: at most this many Sinkhorn iterations.
    """
    cost = by_rows(1.0 - x @ y.T)
    count = jnp.sum(present)
    marginal = present / jnp.maximum(count, 1)
    plan, converged, iterations = _plan(
        jax.lax.stop_gradient(cost), marginal, relative_epsilon, threshold, max_iterations
    )
    usable = converged & (count > 0)
    loss = jnp.sum(jnp.where(usable, plan, 0.0) * cost)
    return Transport(loss, converged | (count == 0), iterations)


def _plan(cost: Array, marginal: Array, relative_epsilon: float, threshold: float, max_iterations: int):
    """The entropic plan float32[K, K] of constant ``cost``."""
    mean_cost = marginal @ cost @ marginal
    # A floor, for sets that coincide (mean cost 0) or are empty.
    geom = geometry.Geometry(cost_matrix=cost, epsilon=jnp.maximum(relative_epsilon * mean_cost, 1e-4))
    # ott counts the error every ``inner_iterations``; the maximum must be a multiple of it.
    out = linear.solve(
        geom, a=marginal, b=marginal, lse_mode=True, threshold=threshold, max_iterations=max_iterations
    )
    plan = jnp.where((marginal[:, None] > 0) & (marginal[None, :] > 0), out.matrix, 0.0)
    return jax.lax.stop_gradient(plan), out.converged, out.n_iters

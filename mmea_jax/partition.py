"""Rows split over devices: what layers below training need to know of it, which is next to nothing.

Training makes a mesh with the one axis ``data`` and sets it for the time of a run (`training/sharding.py`).
Where none is set, as on one device, everything here returns what it is given.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax import Array
from jax.sharding import AxisType, PartitionSpec

AXIS = "data"


def parts() -> int:
    """Devices that rows may be split over; 1 without a mesh, and for code that runs once for each part."""
    mesh = jax.sharding.get_abstract_mesh()
    kinds = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    return mesh.shape[AXIS] if kinds.get(AXIS) == AxisType.Auto else 1


def by_rows(x: Array, axis: int = 0) -> Array:
    """``x``, of which each device computes and holds an equal share along ``axis``.

    Their number need not be a multiple of the devices'. The values are the same wherever they lie: this is
    advice to the compiler, which adds what communication is needed.
    """
    if parts() == 1:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec(*[None] * axis, AXIS))


def everywhere(x: Array) -> Array:
    """``x``, whole on every device, so that every process can read it."""
    return x if parts() == 1 else jax.lax.with_sharding_constraint(x, PartitionSpec())


def whole(function: Callable) -> Callable:
    """``function``, whose arguments and results are whole on every device, whatever it does between.

    Left to itself the compiler may want an argument or leave a result in shares that are not even, which JAX
    does not take.
    """

    @functools.wraps(function)
    def wrapped(*arguments, **options):
        placed = [_whole_arrays(argument) for argument in arguments]
        return _whole_arrays(function(*placed, **options))

    return wrapped


def _whole_arrays(tree: Any) -> Any:
    return jax.tree.map(lambda x: everywhere(x) if isinstance(x, Array) else x, tree)


def padded(rows: int) -> int:
    """``rows`` rounded up to a multiple of the parts."""
    return -(-rows // parts()) * parts()

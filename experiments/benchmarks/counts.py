"""Operations and bytes of a training step by part, counted from the shapes in its program.

Products count 2 operations for each multiplied pair, anything else one for each number that it gives. Bytes
are those that products, gathers, scatters and reductions read and write, each once; what lies between them is
taken to be fused away, and arrays below a size to stay in a cache. A gather reads no more than its table,
however often it is repeated. So both are floors for what any machine has to do, not what one did.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

# Substrings of the scope that an operation is in, first match; all other ones of the model are its losses.
_SCOPES = (
    ("structure", "attention"),
    ("bag_encoders", "bags"),
    ("dense_encoders", "dense features"),
    ("fuse", "fusion"),
    ("imagination", "imagination"),
    ("encode", "encoders, other"),
)
_LOSSES, _REST = "losses", "optimizer and other"
_MOVING = ("gather", "scatter", "reduce", "sort", "cumsum", "concatenate", "dynamic_slice", "argmax", "top_k")
_FREE = (
    "broadcast_in_dim",
    "reshape",
    "squeeze",
    "transpose",
    "convert_element_type",
    "stop_gradient",
    "copy",
)


def part_of(scope: str, model: str) -> str:
    """Which part of a step an operation belongs to.

    Args:
      scope: its name stack, such as ``jvp(Eva.loss)/encode.structure``.
      model: name of the model's class.
    """
    for words, part in _SCOPES:
        if words in scope:
            return part
    return _LOSSES if model and model in scope else _REST


def count(
    function: Callable, *arguments: Any, model: str = "", cached: int = 0
) -> dict[str, tuple[float, float]]:
    """Operations and bytes by part of ``function(*arguments)``, which is traced and not run.

    Args:
      function: a step.
      arguments: its arguments.
      model: name of the model's class.
      cached: arrays of fewer bytes are not counted as moved.
    """
    found = defaultdict(lambda: np.zeros(2))
    for equation, times, scope in _equations(jax.make_jaxpr(function)(*arguments).jaxpr, 1, ""):
        found[part_of(scope, model)] += np.array(_cost(equation, times, cached))
    return {part: tuple(map(float, cost)) for part, cost in found.items() if cost.any()}


def _equations(jaxpr: Any, times: int, scope: str) -> Iterator[tuple[Any, int, str]]:
    """Every primitive operation, how often it runs, and the scope it is in."""
    for equation in jaxpr.eqns:
        inner = f"{scope}/{equation.source_info.name_stack}"
        bodies = list(_bodies(equation))
        if not bodies:
            yield equation, times, inner
        runs = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        # Of a conditional's branches the longest counts; a loop of unknown length counts once.
        if equation.primitive.name == "cond":
            bodies = [max(bodies, key=lambda body: len(body.eqns))]
        for body in bodies:
            yield from _equations(body, times * runs, inner)


def _bodies(equation: Any) -> Iterator[Any]:
    # Rules for derivatives hold functions, not programs; only what runs is looked at.
    for value in equation.params.values():
        for item in value if isinstance(value, list | tuple) else (value,):
            item = getattr(item, "jaxpr", item)
            if hasattr(item, "eqns"):
                yield item


def _cost(equation: Any, times: int, cached: int) -> tuple[float, float]:
    name = equation.primitive.name
    outputs = times * sum(_size(x) for x in equation.outvars)
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return 2.0 * outputs * math.prod(shape[k] for k in contracted), _moved(equation, times, cached)
    if name.startswith(_MOVING):
        return float(outputs), _moved(equation, times, cached)
    return (0.0, 0.0) if name in _FREE else (float(outputs), 0.0)


def _moved(equation: Any, times: int, cached: int) -> float:
    read, written = ([_bytes(x) for x in side] for side in (equation.invars, equation.outvars))
    once = 0
    if equation.primitive.name.startswith(("gather", "dynamic_slice")):
        # Of what is gathered from, only the rows that are asked for are read.
        table, *read = read
        once = min(times * sum(written), table) if table >= cached else 0
    return float(once + times * sum(x for x in read + written if x >= cached))


def _size(x: Any) -> int:
    return math.prod(getattr(x.aval, "shape", ()))


def _bytes(x: Any) -> int:
    try:
        return _size(x) * np.dtype(x.aval.dtype).itemsize
    except TypeError:
        # A random key.
        return _size(x) * 8

"""What the machine could do at best: its rate of matrix products and its bandwidth of copies."""

import os
import platform
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

from mmea_jax.training.system import device_info, versions

_SIZE = 4096
_COPIED = 1 << 26  # float32, 256 MiB


def best_of(run: Callable[[], object], times: int = 5) -> float:
    """Seconds of the fastest of so many calls, after one that does not count."""
    jax.block_until_ready(run())
    found = []
    for _ in range(times):
        started = time.perf_counter()
        jax.block_until_ready(run())
        found.append(time.perf_counter() - started)
    return min(found)


def matrix_rate(size: int = _SIZE) -> float:
    """Operations a second of a float32 product of two square matrices, an addition and a product each one."""
    x = jnp.ones((size, size))
    multiply = jax.jit(lambda a, b: jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST))
    return 2 * size**3 / best_of(lambda: multiply(x, x))


def copy_bandwidth(count: int = _COPIED) -> float:
    """Bytes read and written a second by ``x + 1``."""
    x = jnp.ones(count)
    step = jax.jit(lambda x: x + 1)
    return 2 * 4 * count / best_of(lambda: step(x))


def description() -> dict:
    """Machine, load and versions, for a table's header."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": [round(x, 1) for x in os.getloadavg()],
        "devices": device_info(),
        "versions": versions(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()

"""What a CPU that stands for several devices needs besides."""

import os
import re
from collections.abc import MutableMapping

_COUNT = re.compile(r"--xla_force_host_platform_device_count=(\d+)")
# Collective operations of one program that may be under way at once, with room to spare.
_AT_ONCE = 4


def give_threads(environment: MutableMapping[str, str] = os.environ) -> None:
    """Lets virtual devices wait for one another without end to a run; before JAX makes its devices.

    They share one pool of threads, as many as devices or cores. Independent collective operations of a step
    run at once, each holding a thread until all devices have come to it: if all threads wait, for different
    operations, none ever comes, and XLA aborts the process after a minute. Programs that are queued behind
    each other wait likewise. What the environment has of its own stays.

    Args:
      environment: that names the number of virtual devices in ``XLA_FLAGS``; nothing happens for one.
    """
    found = _COUNT.findall(environment.get("XLA_FLAGS", ""))
    count = int(found[-1]) if found else 1
    if count < 2:
        return
    environment.setdefault("NPROC", str(_AT_ONCE * count))
    if "JAX_CPU_ENABLE_ASYNC_DISPATCH" not in environment:
        # Imported here, so that a misspelt flag is answered at once.
        import jax

        jax.config.update("jax_cpu_enable_async_dispatch", False)

"""Several processes of one run: how they find each other, and what they must agree on."""

import logging
import os
from collections.abc import Mapping

from mmea_jax.errors import InputError
from mmea_jax.training.interrupts import Signals

log = logging.getLogger("mmea_jax")

# Variables that hold the number of processes, as schedulers start them.
_COUNTS = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE")
# Without the step's own variables a process was started by sbatch itself, not by srun.
_SLURM_STEP = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_PROCID", "SLURM_LOCALID")
# Hosts of a TPU slice, separated by commas.
_TPU_HOSTS = ("TPU_PROCESS_ADDRESSES", "TPU_WORKER_HOSTNAMES")


def named_processes(environment: Mapping[str, str]) -> int:
    """How many processes of one run the environment names; 1 where it names none."""
    counts = [1]
    for name in _COUNTS:
        if name.startswith("SLURM") and not all(part in environment for part in _SLURM_STEP):
            continue
        counts.append(int(environment.get(name, "1")))
    counts += [len(environment.get(name, "").split(",")) for name in _TPU_HOSTS]
    return max(counts)


def join(coordinator: str | None, count: int | None, index: int | None, shares_folder: bool = True) -> None:
    """Connects this process with the others of its run; does nothing where there are none.

    It has to come before anything that asks JAX for devices.

    Args:
      coordinator: ``host:port`` of process 0, or ``None`` to find it out from SLURM, Open MPI or a TPU pod.
      count: number of processes, with ``coordinator``.
      index: of this one.
      shares_folder: whether all processes have been given one work directory.

    Raises:
      InputError: only some of the three are given, they contradict each other, or there is no common folder.
    """
    given = (coordinator, count, index)
    explicit = None not in given
    if not explicit and given != (None, None, None):
        raise InputError(
            f"--coordinator {coordinator}, --processes {count}, --process {index}",
            expected="all three of them or none",
            mend="add what is missing",
        )
    if explicit and not 0 <= index < count:
        raise InputError(
            f"--process {index} of --processes {count}",
            expected=f"0 to {count - 1}",
            mend="correct it",
        )
    count = count if explicit else named_processes(os.environ)
    if count == 1:
        return
    if not shares_folder:
        raise InputError(
            f"{count} processes without a common work directory",
            expected="the same --workdir for all of them, and no --fresh",
            mend="name it with --workdir, on a disk that all of them see",
        )
    # Imported here, so that a misspelt flag is answered at once.
    import jax

    jax.distributed.initialize(coordinator, count if explicit else None, index)
    if jax.process_index():
        log.setLevel(logging.WARNING)


def refuse_several(what: str) -> None:
    """Refuses what runs in one process only.

    Raises:
      InputError: there are several.
    """
    import jax

    if jax.process_count() > 1:
        raise InputError(
            f"{what} in {jax.process_count()} processes",
            expected="one process",
            mend="start it once",
        )


def agree(signals: Signals) -> bool:
    """Whether any process was asked to stop, in which case all stop; every process has to ask."""
    import jax

    if jax.process_count() > 1:
        import numpy as np
        from jax.experimental import multihost_utils

        signals.requested = bool(multihost_utils.process_allgather(np.array(signals.requested)).any())
    return signals.requested

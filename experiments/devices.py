"""Cells of a study side by side, one process a device."""

import os
import queue
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from experiments.sweep import Cell, run_cells


def run_on_devices(
    cells: Sequence[Cell],
    out_csv: Path,
    workroot: Path,
    devices: Sequence[str] = (),
    call: Callable[..., int] = subprocess.call,
) -> list[dict]:
    """``run_cells`` with as many runs at a time as there are devices; one after the other without any.

    Args:
      cells: of the study.
      out_csv: one row for each finished cell.
      workroot: folder of the work directories.
      devices: values of ``CUDA_VISIBLE_DEVICES``, one for each process at a time.
      call: runs a command (``env=`` may follow) and returns its exit code.
    """
    if not devices:
        return run_cells(cells, out_csv, workroot, call)
    free: queue.Queue[str] = queue.Queue()
    for device in devices:
        free.put(device)

    def run(cell: Cell) -> None:
        device = free.get()
        try:
            own = os.environ | {"CUDA_VISIBLE_DEVICES": device}
            # Its row goes to a file that nobody reads: the rows are collected in order below.
            with tempfile.TemporaryDirectory() as scratch:
                run_cells([cell], Path(scratch) / "row.csv", workroot, lambda command: call(command, env=own))
        finally:
            free.put(device)

    with ThreadPoolExecutor(len(devices)) as pool:
        list(pool.map(run, cells))
    # What failed above is reported, not tried once more.
    return run_cells(cells, out_csv, workroot, lambda command: 1)

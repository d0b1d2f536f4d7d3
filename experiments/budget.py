"""Equal training time for every method: a short probe tells how many passes fit."""

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from experiments.sweep import Cell, method_of, run_cells
from mmea_jax.training.completion.methods import METHODS as COMPLETION

# Passes of a probe, a stage; the first one of a run is slower than the others.
_PROBE_EPOCHS = 3


def configured_epochs(config: str) -> dict[str, int]:
    """Passes of every stage as the configuration file has them, in order; completion has one.

    Args:
      config: as for ``--config`` of ``mmea_jax.main``.
    """
    name, _, mode = config.partition(":")
    path = Path(name)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.get_config(mode)
    if found.get("task") == "completion":
        return {found.method: found.train.epochs}
    return {name: stage.epochs for name, stage in found.stages.items()}


def epochs_within(
    minutes: float, configured: Mapping[str, int], seconds: Mapping[str, float]
) -> dict[str, int]:
    """Passes of every stage that together take about ``minutes``, in the configured proportion; 1 at least.

    Args:
      minutes: of optimizer steps, compilation and validation not counted.
      configured: stage to passes.
      seconds: stage to seconds of one pass.
    """
    scale = 60 * minutes / sum(configured[name] * seconds[name] for name in configured)
    return {name: max(1, round(scale * epochs)) for name, epochs in configured.items()}


def budget_flags(
    cell: Cell, minutes: float, workroot: Path, call: Callable[[list[str]], int]
) -> tuple[str, ...]:
    """Flags that make the cell's training take about ``minutes``; its probe is run once and kept.

    Args:
      cell: the run to be fitted.
      minutes: see ``epochs_within``.
      workroot: folder of the study's probes.
      call: runs a command and returns its exit code.

    Raises:
      RuntimeError: the probe failed.
    """
    short = (
        f"--config.train.max_epochs={_PROBE_EPOCHS}",
        f"--config.train.evaluate_every={_PROBE_EPOCHS}",
    )
    completes = method_of(cell.config) in COMPLETION
    if not completes:
        short += ("--config.matching.assignment=False",)
    probe = Cell(cell.labels, cell.config, (*cell.overrides, *short))
    if not run_cells([probe], workroot / "probe.csv", workroot, call):
        raise RuntimeError(f"the probe of {', '.join(map(str, cell.labels.values()))} failed; see its output")
    stages = json.loads((probe.folder(workroot) / "results.json").read_text())["stages"]
    seconds = {stage["name"]: stage["seconds"] / stage["epochs"] for stage in stages}
    # A stage that the data have no use for is in no results.
    configured = {name: n for name, n in configured_epochs(cell.config).items() if name in seconds}
    planned = epochs_within(minutes, configured, seconds)
    if completes:
        return tuple(f"--config.train.epochs={epochs}" for epochs in planned.values())
    return tuple(f"--config.stages.{name}.epochs={epochs}" for name, epochs in planned.items())

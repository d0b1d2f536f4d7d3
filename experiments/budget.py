"""Equal training time for every method: a short probe tells how many passes fit."""

import dataclasses
import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from experiments.probe import PASSES
from experiments.sweep import Cell, method_of
from mmea_jax.training.completion.methods import METHODS as COMPLETION

# Passes of a probe, a stage: the first one of a run is slower than the others, whose fastest counts.
_PROBE_EPOCHS = 4


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
    seconds = _probed(cell, workroot, call)
    # A stage that the data have no use for is not among them.
    configured = {name: n for name, n in configured_epochs(cell.config).items() if name in seconds}
    planned = epochs_within(minutes, configured, seconds)
    if method_of(cell.config) in COMPLETION:
        return tuple(f"--config.train.epochs={epochs}" for epochs in planned.values())
    return tuple(f"--config.stages.{name}.epochs={epochs}" for name, epochs in planned.items())


def _probed(cell: Cell, workroot: Path, call: Callable[[list[str]], int]) -> dict[str, float]:
    """Stage to seconds of a pass; what is in the folder stays unless it is of another command."""
    # Nothing is to be chosen, but the last pass of a stage is validated anyway.
    short = (f"--config.train.max_epochs={_PROBE_EPOCHS}", f"--config.train.evaluate_every={_PROBE_EPOCHS}")
    folder, asked = cell.folder(workroot), [cell.config, *cell.overrides, *short]
    note, found = folder / "command.json", folder / PASSES
    if not (found.exists() and note.exists() and json.loads(note.read_text()) == asked):
        found.unlink(missing_ok=True)
        command = dataclasses.replace(cell, overrides=(*cell.overrides, *short)).command(folder)
        named = ", ".join(map(str, cell.labels.values()))
        print(f"probe: {named}", flush=True)
        code = call(["experiments.probe" if part == "mmea_jax.main" else part for part in command])
        if code or not found.exists():
            raise RuntimeError(f"the probe of {named} failed; see its output")
        note.write_text(json.dumps(asked))
    return json.loads(found.read_text())

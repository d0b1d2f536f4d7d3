"""From a configuration to a run and its printed summary; what ``main`` and notebooks call."""

from pathlib import Path

import jax
from ml_collections import ConfigDict

from mmea_jax.data.cache import default_folder
from mmea_jax.data.paths import check_name
from mmea_jax.errors import InputError
from mmea_jax.report.page import try_report
from mmea_jax.report.table import results_table
from mmea_jax.training import processes, system
from mmea_jax.training.completion.launch import launch_completion
from mmea_jax.training.interrupts import Signals
from mmea_jax.training.own.run import run_class
from mmea_jax.training.settings import read_settings
from mmea_jax.training.writers import RunFolder

MODES = ("train", "eval", "align", "export")


def launch(
    config: ConfigDict, mode: str, workdir: Path, query: str | None = None, signals: Signals | None = None
) -> dict | Path | list[str]:
    """Does what ``mode`` says, one of ``MODES`` or what completion offers, and prints what came of it.

    Args:
      config: as a file in configs/ gives it.
      mode: what to do.
      workdir: folder of the run.
      query: a question, for the completion mode ``predict``.
      signals: stop training at the end of a pass.

    Returns:
      ``results.json``, or the path of what ``align`` or ``export`` wrote; for completion see
      ``launch_completion``.

    Raises:
      InputError: bad data, configuration or work directory.
    """
    check_name("data.dataset", config.data.dataset)
    finished = RunFolder(workdir).finished(config.to_dict()) if mode == "train" else None
    if finished is not None:
        _say(results_table(finished, workdir))
        return finished
    system.use_compilation_cache(default_folder() / "compiled")
    if config.get("task") == "completion":
        processes.refuse_several("a completion method")
        return launch_completion(config, mode, workdir, query, signals)
    if mode not in MODES:
        raise InputError(
            f"--mode {mode} with an alignment method",
            expected=f"one of {', '.join(MODES)}",
            mend="correct --mode, or choose the configuration of a completion method",
        )
    settings = read_settings(config)
    run = run_class(settings)(settings, config.to_dict(), workdir)
    if mode == "align":
        path = run.align()
        _say(f"alignment: {path}")
        return path
    if mode == "export":
        processes.refuse_several("--mode export")
        path = run.export()
        _say(f"export: {path}")
        return path
    results = run.train(signals) if mode == "train" else run.evaluate()
    _say(results_table(results, workdir))
    if jax.process_index() == 0:
        try_report(workdir)
    return results


def _say(text: str) -> None:
    """Prints, in one of the processes of a run."""
    if jax.process_index() == 0:
        print(text)

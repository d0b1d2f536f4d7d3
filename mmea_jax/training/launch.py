"""From a configuration to a run and its printed summary; what ``main`` and notebooks call."""

from pathlib import Path

from ml_collections import ConfigDict

from mmea_jax.data.cache import default_folder
from mmea_jax.errors import InputError
from mmea_jax.report.table import results_table
from mmea_jax.training import system
from mmea_jax.training.completion.launch import launch_completion
from mmea_jax.training.run import Run
from mmea_jax.training.settings import read_settings

MODES = ("train", "eval", "align")


def launch(config: ConfigDict, mode: str, workdir: Path, query: str | None = None) -> dict | Path | list[str]:
    """Runs ``train``, ``eval`` or ``align`` (or what completion offers) and prints what came of it.

    Args:
      config: as a file in configs/ gives it.
      mode: what to do.
      workdir: folder of the run.
      query: a question, for the completion mode ``predict``.

    Returns:
      The results of spec/data.md 6, or for ``align`` the path of the alignment; for completion see
      ``launch_completion``.

    Raises:
      InputError: bad data, configuration or work directory.
    """
    system.use_compilation_cache(default_folder() / "compiled")
    if config.get("task") == "completion":
        return launch_completion(config, mode, workdir, query)
    if mode not in MODES:
        raise InputError(
            f"--mode {mode} with an alignment method",
            expected=f"one of {', '.join(MODES)}",
            mend="correct --mode, or choose the configuration of a completion method",
        )
    settings = read_settings(config)
    run = Run(settings, config.to_dict(), workdir)
    if mode == "align":
        path = run.align()
        print(f"alignment: {path}")
        return path
    results = run.train() if mode == "train" else run.evaluate()
    print(results_table(results, workdir))
    return results

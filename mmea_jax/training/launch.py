"""From a configuration to a run and its printed summary; what ``main`` and notebooks call."""

from pathlib import Path

from ml_collections import ConfigDict

from mmea_jax.data.cache import default_folder
from mmea_jax.report.table import results_table
from mmea_jax.training import system
from mmea_jax.training.run import Run
from mmea_jax.training.settings import read_settings


def launch(config: ConfigDict, mode: str, workdir: Path) -> dict | Path:
    """Runs ``train``, ``eval`` or ``align`` and prints what came of it.

    Args:
      config: as a file in configs/ gives it.
      mode: what to do.
      workdir: folder of the run.

    Returns:
      The results of spec/data.md 6, or for ``align`` the path of the alignment.

    Raises:
      InputError: bad data, configuration or work directory.
    """
    settings = read_settings(config)
    system.use_compilation_cache(default_folder() / "compiled")
    run = Run(settings, config.to_dict(), workdir)
    if mode == "align":
        path = run.align()
        print(f"alignment: {path}")
        return path
    results = run.train() if mode == "train" else run.evaluate()
    print(results_table(results, workdir))
    return results

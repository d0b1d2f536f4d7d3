"""From a completion configuration to a run and what it prints."""

from pathlib import Path

from ml_collections import ConfigDict

from mmea_jax.errors import InputError
from mmea_jax.report.page import try_report
from mmea_jax.report.table import results_table
from mmea_jax.training.completion.run import CompletionRun
from mmea_jax.training.completion.settings import read_completion_settings
from mmea_jax.training.interrupts import Signals

MODES = ("train", "eval", "predict", "complete", "export")


def launch_completion(
    config: ConfigDict, mode: str, workdir: Path, query: str | None = None, signals: Signals | None = None
) -> dict | list[str] | Path:
    """Runs one of ``MODES`` and prints what came of it.

    Args:
      config: as a file in configs/ gives it.
      mode: what to do.
      workdir: folder of the run.
      query: for ``predict``, such as ``head,relation,?``.
      signals: stop training at the end of a pass.

    Returns:
      ``results.json``; for ``predict`` the lines of the answer, for ``complete`` the path of
      the new triples.

    Raises:
      InputError: bad data, configuration, work directory, mode or query.
    """
    if mode not in MODES:
        raise InputError(
            f"--mode {mode} with a completion method",
            expected=f"one of {', '.join(MODES)}",
            mend="correct --mode, or choose the configuration of an alignment method",
        )
    if mode == "predict" and not query:
        raise InputError(
            "--mode predict without --query",
            expected='a question such as --query "head,relation,?"',
            mend="add --query",
        )
    settings = read_completion_settings(config)
    run = CompletionRun(settings, config.to_dict(), workdir)
    if mode == "predict":
        lines = run.predict(query)
        print("\n".join(lines))
        return lines
    if mode == "complete":
        path = run.complete()
        print(f"new triples: {path}")
        return path
    if mode == "export":
        path = run.export()
        print(f"export: {path}")
        return path
    results = run.train(signals) if mode == "train" else run.evaluate()
    print(results_table(results, workdir))
    try_report(workdir)
    return results

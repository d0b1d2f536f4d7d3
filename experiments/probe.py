"""How long a pass of every stage takes: trains a few, and neither evaluates nor keeps anything.

    python -m experiments.probe --config configs/umaea.py --workdir runs/probe --config.train.max_epochs=4

writes ``passes.json``: a stage's name → seconds of its fastest pass, the first left out where there are more.
Flags are those of ``mmea_jax.main``.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags
from ml_collections import ConfigDict

import mmea_jax.main  # noqa: F401  for its flags
from mmea_jax.data.cache import default_folder
from mmea_jax.errors import InputError
from mmea_jax.training import system
from mmea_jax.training.completion.run import CompletionRun
from mmea_jax.training.completion.settings import read_completion_settings
from mmea_jax.training.own.run import run_class
from mmea_jax.training.settings import read_settings

PASSES = "passes.json"


def seconds_of_passes(config: ConfigDict) -> dict[str, float]:
    """Stage to seconds of its fastest pass, compilation and validation not counted.

    A pass that something else on the machine slowed down does not count, if only one other was not.

    Raises:
      InputError: the configuration does not fit the data.
    """
    completes = config.get("task") == "completion"
    with tempfile.TemporaryDirectory() as folder:
        if completes:
            run = CompletionRun(read_completion_settings(config), config.to_dict(), Path(folder))
        else:
            settings = read_settings(config)
            run = run_class(settings)(settings, config.to_dict(), Path(folder))
        with run.sharding.active():
            trainer = run._trainer()
            progress = trainer.initial()
            for _ in trainer.run(progress):
                pass
    if completes:
        return {config.method: fastest(progress.epoch_seconds)}
    return {record.name: fastest(record.epoch_seconds) for record in progress.records}


def fastest(seconds: Sequence[float]) -> float:
    """The least, the first left out where there are more."""
    return min(seconds[1:] or seconds)


def main(_: Sequence[str]) -> int:
    """Entry point, after the flags are parsed."""
    asked = flags.FLAGS
    system.use_compilation_cache(default_folder() / "compiled")
    try:
        found = seconds_of_passes(asked.config)
    except InputError as error:
        print(f"probe: {error}", file=sys.stderr)
        return 2
    folder = Path(asked.workdir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PASSES).write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(main)

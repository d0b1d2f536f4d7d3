"""What checkpoints cost: their share of training time, and how long the loop waits for each.

    python -m experiments.benchmarks.checkpoints --config configs/mimea.py [--passes 30]
    python -m experiments.benchmarks.checkpoints --config configs/mimea.py:DBP15K/zh_en --folder /some/disk

Trains for so many passes of every stage, as a run does and with the configuration's own interval, in a folder
that is deleted afterwards. The share is of passes, validation and rounds of iterative learning together,
without compilation. The first checkpoint, which also opens the folder, is reported apart, as is a copy of the
arrays to the host, which no checkpoint can do without.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from experiments.benchmarks.machine import description
from mmea_jax.data.cache import default_folder
from mmea_jax.training.checkpoints import Checkpoints
from mmea_jax.training.completion.run import CompletionRun
from mmea_jax.training.completion.settings import read_completion_settings
from mmea_jax.training.memory import tree_bytes
from mmea_jax.training.run import Run
from mmea_jax.training.settings import read_settings
from mmea_jax.training.system import use_compilation_cache
from mmea_jax.training.task_run import TaskRun

_CONFIG = config_flags.DEFINE_config_file("config", None, "As for mmea_jax.main.", lock_config=True)
_PASSES = flags.DEFINE_integer("passes", 30, "Passes of every stage.", lower_bound=1)
_FOLDER = flags.DEFINE_string("folder", None, "Where to write; default: the system's temporary folder.")


class Cost(NamedTuple):
    """Seconds, counts and bytes of one training.

    Attributes:
      passes: over the data.
      training: seconds of all passes, without compilation.
      saves: seconds that the loop waited for each checkpoint, in order.
      copies: seconds that a copy of the same arrays to the host took.
      left_out: checkpoints that came while the one before was being written.
      size: bytes of a checkpoint's arrays.
      last: seconds that the end of the run waited for the last write.
    """

    passes: int
    training: float
    saves: list[float]
    copies: list[float]
    left_out: int
    size: int
    last: float

    @property
    def share(self) -> float:
        """Of the training time, without the first checkpoint."""
        return sum(self.saves[1:]) / self.training


def measure(run: TaskRun, folder: Path) -> Cost:
    """Trains ``run`` as ``TaskRun.train`` does, checkpoints in ``folder``, and times it."""
    trainer, every = run._trainer(), run.settings.train.evaluate_every
    progress = trainer.initial()
    trainer.compile(progress)
    compiled = trainer.compile_seconds
    passes, training, saves, copies, left_out, size = 0, 0.0, [], [], 0, 0
    with Checkpoints(folder) as checkpoints:
        events, started = trainer.run(progress), time.perf_counter()
        for event in events:
            training += time.perf_counter() - started
            passes += 1
            if event.epoch % every == 0 or event.epoch == event.epochs:
                started = time.perf_counter()
                step, arrays, plain = run._checkpoint(progress)
                _copied(arrays)
                copies.append(time.perf_counter() - started)
                size = max(size, tree_bytes(arrays))
                if checkpoints.busy:
                    left_out += 1
                else:
                    started = time.perf_counter()
                    checkpoints.save(step, arrays, {"progress": plain})
                    saves.append(time.perf_counter() - started)
            started = time.perf_counter()
        checkpoints.wait()
        last = time.perf_counter() - started
    training -= trainer.compile_seconds - compiled
    return Cost(passes, training, saves, copies, left_out, size, last)


def _copied(arrays) -> None:
    """What no checkpoint can do without: the next step takes the arrays' memory for its own."""
    # On a CPU the arrays are the host's already, and device_get gives no more than views of them.
    jax.block_until_ready(
        jax.tree.map(jnp.copy, arrays) if jax.default_backend() == "cpu" else jax.device_get(arrays)
    )


def report(cost: Cost, every: int) -> str:
    """The figures as lines of text."""
    later = cost.saves[1:] or cost.saves
    return "\n".join(
        (
            f"passes              {cost.passes}, {cost.training / cost.passes:.3f} s each with validation",
            f"checkpoints         {len(cost.saves)} of {cost.size / 2**20:.1f} MiB, one every {every} passes",
            f"left out            {cost.left_out}, as the one before was still being written",
            f"the loop waited     {statistics.median(later):.3f} s (median), {max(later):.3f} s (longest), "
            f"{cost.saves[0]:.3f} s for the first",
            f"a copy to the host  {statistics.median(cost.copies):.3f} s (median)",
            f"share of training   {cost.share:.2%} without the first, "
            f"{sum(cost.saves) / cost.training:.2%} with it",
            f"at the end          {cost.last:.3f} s for the last write",
            f"machine             {description()}",
        )
    )


def run_of(config: ConfigDict, folder: Path) -> TaskRun:
    """The run of a configuration of either task."""
    if config.get("task") == "completion":
        return CompletionRun(read_completion_settings(config), config.to_dict(), folder)
    return Run(read_settings(config), config.to_dict(), folder)


def main(argv: list[str]) -> None:
    """Entry point."""
    if _CONFIG.value is None or len(argv) > 1:
        sys.exit(__doc__)
    logging.set_verbosity(logging.WARNING)
    use_compilation_cache(default_folder() / "compiled")
    config = _CONFIG.value
    config.train.max_epochs = _PASSES.value
    with tempfile.TemporaryDirectory(dir=_FOLDER.value) as folder:
        run = run_of(config, Path(folder) / "run")
        cost = measure(run, Path(folder) / "checkpoints")
    print(report(cost, config.train.evaluate_every))


if __name__ == "__main__":
    app.run(main)

"""Small runs of the command line in processes of their own, to be killed, stopped and resumed."""

import json
import os
import shlex
import subprocess
import sys
import time
import warnings
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

REPOSITORY = Path(__file__).parents[2]
# The command line without the pictures of its report, which would take a third of such a run.
_PROGRAM = """
import sys, types
page = types.ModuleType("mmea_jax.report.page")
page.try_report = lambda folder: None
sys.modules[page.__name__] = page
from mmea_jax.main import main
main()
"""
_WORLD = {
    "data.synthetic.entities": 60,
    "data.synthetic.triples_per_entity": 3.0,
    "train.batch_size": 8,
    "train.evaluate_every": 1,
}
_ALIGNMENT = {"data.seed_ratio": 0.6, "model.width": 4, "train.max_epochs": 6, "matching.assignment": False}
# Three stages each, but for the completion method, which has one stage and two optimizers.
RUNS = {
    "iterative": (
        "eva",
        _WORLD
        | _ALIGNMENT
        | {"train.cycles": 3, "train.iterative.start": 1, "train.iterative.patience": 2}
        | {"data.visual": "none", "data.attribute": "none", "data.relation": "none"},
    ),
    "umaea": (
        "umaea",
        _WORLD
        | _ALIGNMENT
        | {"model.layers": 1, "model.inner": 4, "model.heads": 1, "stages.refinement.hold": 10.0},
    ),
    "adamf_mat": (
        "adamf_mat",
        _WORLD
        | {"data.synthetic.triples_per_entity": 8.0, "data.synthetic.visual_width": 4, "data.text_width": 4}
        | {"model.dim": 4, "model.noise": 2, "model.hidden": 4, "train.negatives": 2, "train.batch_size": 64}
        | {"train.max_epochs": 12},
    ),
}


class Subruns:
    """Runs of one kind that share compiled programs.

    Args:
      kind: key of ``RUNS``.
      cache: folder for compiled programs.
    """

    def __init__(self, kind: str, cache: Path):
        self.method, self.values = RUNS[kind]
        # The order of sets of strings decides what a program looks like, and so whether it is found.
        own = {"XDG_CACHE_HOME": str(cache), "PYTHONHASHSEED": "0", "JAX_PLATFORMS": "cpu"}
        self._environment = os.environ | own

    def start(self, workdir: Path, **popen) -> subprocess.Popen:
        """A process that trains in ``workdir``."""
        flags = [f"--config.{key}={value}" for key, value in self.values.items()]
        config = REPOSITORY / "configs" / f"{self.method}.py"
        return self.again(["--config", str(config), *flags, "--workdir", str(workdir)], **popen)

    def again(self, arguments: list[str], **popen) -> subprocess.Popen:
        """A process with these arguments."""
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *arguments],
            cwd=REPOSITORY, env=self._environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen,
        )  # fmt: skip

    def finish(self, workdir: Path) -> str:
        """Trains to the end; returns what was logged."""
        process = self.start(workdir)
        _, log = process.communicate(timeout=1200)
        assert process.returncode == 0, log
        return log


def wait_for_passes(process: subprocess.Popen, workdir: Path, passes: int) -> int:
    """Waits until so many passes are logged, or the process ends; the newest checkpoint seen, −1 for none."""
    newest = -1
    while process.poll() is None and lines(workdir) < passes:
        newest = max(newest, *checkpoints(workdir), -1)
        time.sleep(0.005)
    return newest


def wait_for_checkpoint(process: subprocess.Popen, workdir: Path, after: int) -> None:
    """Waits until a checkpoint newer than step ``after`` is complete, or the process ends."""
    while process.poll() is None and max(checkpoints(workdir), default=-1) <= after:
        time.sleep(0.005)


def checkpoints(workdir: Path) -> list[int]:
    """Steps of the complete checkpoints."""
    folder = workdir / "checkpoints" / "steps"
    return sorted(int(p.name) for p in folder.glob("*") if p.name.isdigit()) if folder.is_dir() else []


def lines(workdir: Path) -> int:
    """Whole lines of ``metrics.jsonl``."""
    file = workdir / "metrics.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def command_in(log: str) -> list[str]:
    """The arguments of the command that a stopped run says goes on."""
    (line,) = [line for line in log.splitlines() if "to go on: " in line]
    assert line.startswith("mmea_jax: interrupted")
    words = shlex.split(line.partition("to go on: ")[2])
    assert words[:3] == ["python", "-m", "mmea_jax.main"]
    return words[3:]


def outcome(workdir: Path) -> tuple[dict, list[np.ndarray]]:
    """What must not depend on interruptions: results but for times, events, and the selected parameters."""
    results = json.loads((workdir / "results.json").read_text())
    stages = [{k: v for k, v in stage.items() if k != "seconds"} for stage in results["stages"]]
    events = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    newest = max((workdir / "checkpoints" / "best").glob("*"), key=lambda path: int(path.name))
    with ocp.PyTreeCheckpointer() as reader, warnings.catch_warnings():
        # That it goes to the devices it came from is as it should be.
        warnings.simplefilter("ignore", UserWarning)
        params = reader.restore(newest / "arrays")
    kept = {key: results[key] for key in ("test", "best_epoch", "pseudo_links") if key in results}
    return kept | {"stages": stages, "events": events}, [np.asarray(x) for x in jax.tree.leaves(params)]


def assert_same(one: Path, other: Path) -> None:
    """Bit by bit."""
    (first, params), (second, others) = outcome(one), outcome(other)
    assert first == second
    assert len(params) == len(others) > 0
    for a, b in zip(params, others, strict=True):
        np.testing.assert_array_equal(a, b)

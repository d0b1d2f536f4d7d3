"""A command line that trains nothing: it writes the results that a test wants."""

import json
from pathlib import Path


def results(hits: float, stages: dict[str, int] | None = None, seconds_per_epoch: float = 2.0) -> dict:
    """What ``results.json`` must hold for a study."""
    both = {way: {"hits@1": hits, "hits@10": hits + 0.1, "mrr": hits + 0.05} for way in ("l2r", "r2l")}
    return {
        "test": {"csls": both},
        "unimodal": {"structure": {"hits@1": hits / 2}},
        "seconds": {"train": 90.0, "compile": 30.0},
        "stages": [
            {"name": name, "epochs": epochs, "seconds": epochs * seconds_per_epoch, "best_valid_mrr": hits}
            for name, epochs in (stages or {"main": 3}).items()
        ],
        "counts": {"test_links": 100},
        "parameters": 1_500_000,
        "peak_memory_bytes": 2 << 30,
    }


def completion_results(hits: float, epochs: int = 3, seconds_per_epoch: float = 2.0) -> dict:
    """The same of a completion run, whose stage has the method's name."""
    both = {"hits@1": hits, "hits@3": hits + 0.05, "hits@10": hits + 0.1, "mrr": hits + 0.03, "mr": 20.0}
    return results(hits, {"adamf_mat": epochs}, seconds_per_epoch) | {
        "task": "completion",
        "test": {"filtered": {"both": both}},
        "counts": {"test_triples": 100},
    }


class FakeRuns:
    """Stands for ``subprocess.call``; remembers every command and the device it ran on.

    Args:
      hits: command → Hits@1, or None for a run that fails.
    """

    def __init__(self, hits=lambda command: 0.5, **fields):
        self.hits, self.fields = hits, fields
        self.commands: list[list[str]] = []
        self.devices: list[str | None] = []

    def __call__(self, command, env=None):
        self.commands.append(command)
        self.devices.append((env or {}).get("CUDA_VISIBLE_DEVICES"))
        hits = self.hits(command)
        if hits is None:
            return 2
        folder = Path(command[command.index("--workdir") + 1])
        folder.mkdir(parents=True, exist_ok=True)
        if "experiments.probe" in command:
            stage = "adamf_mat" if "adamf_mat" in command[4] else "main"
            (folder / "passes.json").write_text(json.dumps({stage: self.fields["seconds_per_epoch"]}))
            return 0
        config = command[command.index("--config") + 1]
        completes = any(name in config for name in ("adamf_mat", "rotate"))
        found = completion_results(hits, **self.fields) if completes else results(hits, **self.fields)
        (folder / "results.json").write_text(json.dumps(found))
        return 0


def flag(command: list[str], name: str) -> str:
    """The value of ``--name=…`` in a command."""
    (value,) = [part.partition("=")[2] for part in command if part.startswith(f"--{name}=")]
    return value

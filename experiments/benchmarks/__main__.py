"""Time and memory of everything that takes any, as one Markdown page and plots.

    python -m experiments.benchmarks [--out experiments/results/benchmarks.md]
    python -m experiments.benchmarks --only step --methods mclea,umaea --entities 5000,15000,50000
    python -m experiments.benchmarks --configs configs/umaea.py:DBP15K/zh_en --only step,loading,start
    python -m experiments.benchmarks --only devices --split configs/umaea.py --devices 1,2,4,8
    python -m experiments.benchmarks --only scale --sizes 10000,100000,1000000 --whole 10000

``--entities`` are those of both generated graphs together. Each measurement runs in a process of its own;
what was measured is kept beside the page (``benchmarks.json``) and not measured again unless ``--fresh``. On
CPU, ``--devices`` are virtual ones that share the cores: they show that the program splits, not how fast.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from experiments.benchmarks.page import page
from experiments.benchmarks.plots import plot_scaling, plot_steps
from mmea_jax.training.completion.methods import METHODS as COMPLETION

METHODS = ("eva", "mclea", "meaformer", "mimea", "umaea", "msnea", "tmea", "adamf_mat", "rotate")
KINDS = ("step", "devices", "matching", "scale", "loading", "start")


def cells(asked: argparse.Namespace) -> Iterator[dict]:
    """What is to be measured, in order."""
    only = set(asked.only)
    settings = {name: _parsed(value) for name, _, value in (item.partition("=") for item in asked.settings)}
    given = [(config, settings) for config in asked.configs]
    if not given:
        given = [
            (f"configs/{method}.py", settings | {"data.synthetic.entities": int(entities) // 2})
            for entities in asked.entities
            for method in asked.methods
        ]
    for config, changes in given if "step" in only else ():
        changes = changes | ({} if _completes(config) else {"train.devices": 1})
        yield {"kind": "step", "config": config, "passes": asked.passes, "changes": changes}
    for config in asked.split if "devices" in only else ():
        for devices in map(int, asked.devices):
            changes = {"train.devices": devices, "data.synthetic.entities": int(asked.entities[0]) // 2}
            yield {"kind": "devices", "config": config, "passes": asked.passes, "changes": changes}
    for size in asked.matching if "matching" in only else ():
        rows, width = map(int, size.split("x"))
        yield {"kind": "matching", "rows": rows, "columns": rows, "width": width, "devices": 1}
    if "scale" in only:
        yield from ({"kind": "scale", "entities": int(n), "neighbours": 8} for n in asked.sizes)
        yield from ({"kind": "scale", "entities": int(n), "neighbours": 0} for n in asked.whole)
    for kind in ("loading", "start"):
        # Completion's graphs are read with its features, not apart.
        known = [item for item in given if kind != "loading" or not _completes(item[0])]
        for config, changes in _by_data(known) if kind in only else ():
            yield {"kind": kind, "config": config, "changes": changes}


def _completes(config: str) -> bool:
    """Whether it is the configuration of a completion method."""
    return Path(config.partition(":")[0]).stem in COMPLETION


def _by_data(given: list[tuple[str, dict]]) -> list[tuple[str, dict]]:
    """One configuration for each data set and size."""
    first = {}
    for config, changes in given:
        first.setdefault((config.partition(":")[2], json.dumps(changes, sort_keys=True)), (config, changes))
    return list(first.values())


def _parsed(value: str):
    try:
        return json.loads(value)
    except ValueError:
        return value


def measured(cell: Mapping, run: Callable[..., subprocess.CompletedProcess] = subprocess.run) -> dict | None:
    """The result of a cell, measured in a process of its own; ``None``, and a line of why, if that failed."""
    cell, environment = dict(cell), dict(os.environ)
    devices = cell.get("devices") or cell.get("changes", {}).get("train.devices", 1)
    if devices > 1 and environment.get("JAX_PLATFORMS", "cpu") == "cpu":
        flags_ = f"{environment.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
        environment["XLA_FLAGS"] = flags_.strip()
    command = [sys.executable, "-m", "experiments.benchmarks.cells", json.dumps(cell)]
    done = run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        print(f"failed: {json.dumps(cell)}: {lines[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    own = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    own.add_argument("--only", type=_list, default=list(KINDS), help=f"which of {', '.join(KINDS)}")
    own.add_argument("--methods", type=_list, default=list(METHODS), help="on the generated graphs")
    own.add_argument("--entities", type=_list, default=["4000", "10000", "30000"], help="of both graphs")
    own.add_argument(
        "--configs", type=_list, default=[], help="with data sets: configs/umaea.py:DBP15K/zh_en"
    )
    own.add_argument(
        "--settings", type=_list, default=[], help="for every configuration: data.root=DIR,seed=1"
    )
    own.add_argument(
        "--matching",
        type=_list,
        default=["10500x1200", "30000x300"],
        help="entities a side x width of vectors",
    )
    own.add_argument(
        "--devices", type=_list, default=["1", "2", "4", "8"], help="on how many of them --split is measured"
    )
    own.add_argument(
        "--split",
        type=_list,
        default=["configs/mclea.py", "configs/umaea.py"],
        help="configurations whose step is split over devices, on the smallest generated graphs",
    )
    own.add_argument(
        "--sizes",
        type=_list,
        default=["10000", "30000", "100000", "300000", "1000000"],
        help="entities of both graphs that are generated, trained on by samples and matched",
    )
    own.add_argument(
        "--whole",
        type=_list,
        default=["10000", "30000", "100000"],
        help="likewise, trained on the whole graph",
    )
    own.add_argument("--passes", type=int, default=3, help="measured passes of a step's cell")
    own.add_argument("--out", default="experiments/results/benchmarks.md", help="plot and numbers beside it")
    own.add_argument("--fresh", action="store_true", help="measures everything again")
    return own


def _list(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    asked = parser().parse_args(arguments)
    out = Path(asked.out)
    store = out.with_suffix(".json")
    known = json.loads(store.read_text()) if store.exists() and not asked.fresh else []
    command = shlex.join(["python", "-m", "experiments.benchmarks", *arguments])
    out.parent.mkdir(parents=True, exist_ok=True)
    for cell in [{"kind": "machine"}, *cells(asked)]:
        if any(row["asked"] == cell for row in known):
            continue
        print(json.dumps(cell), flush=True)
        found = measured(cell)
        if found is not None:
            known.append(found | {"kind": cell["kind"], "asked": cell, "command": command})
            store.write_text(json.dumps(known, indent=1) + "\n")
    machine = next((row for row in known if row["kind"] == "machine"), None)
    if machine is None:
        sys.exit("the machine's rates could not be measured")
    text = page(known, machine)
    for draw, of_what, path in (
        (plot_steps, "a step", out.with_suffix(".png")),
        (plot_scaling, "all, by size", out.with_name(f"{out.stem}_scale.png")),
    ):
        if draw(known, path):
            text += f"\n![seconds and memory of {of_what}]({path.name})\n"
    out.write_text(text, encoding="utf-8")
    print(out)


if __name__ == "__main__":
    main()

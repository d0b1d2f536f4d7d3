"""The measurements, each in a process of its own, so that none sees what another left.

    python -m experiments.benchmarks.cells '{"kind": "step", "config": "configs/mclea.py", "passes": 3}'

prints one line of JSON.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from absl import logging

from mmea_jax.training.virtual_devices import give_threads

# Bytes of a last-level cache: arrays that are smaller need not go to memory and back.
CACHED = 32 << 20
REPOSITORY = Path(__file__).resolve().parents[2]


def config_of(name: str, changes: Mapping[str, Any]):
    """A configuration as ``--config name --config.key=value`` gives it."""
    path, _, mode = name.partition(":")
    spec = importlib.util.spec_from_file_location(Path(path).stem, REPOSITORY / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config(mode)
    for key, value in changes.items():
        node, *rest = config, *key.split(".")
        for part in rest[:-1]:
            node = node[part]
        node[rest[-1]] = value
    return config


def step(config: str, passes: int = 3, changes: Mapping[str, Any] | None = None) -> dict:
    """Seconds of a training step of the first stage: the fastest of ``passes`` passes, after one more."""
    import jax

    from experiments.benchmarks.counts import count
    from mmea_jax.training.run import Run
    from mmea_jax.training.settings import read_settings
    from mmea_jax.training.steps import train_step
    from mmea_jax.training.trainer import Trainer

    config = config_of(config, dict(changes or {}) | {"train.max_epochs": passes + 1})
    config.train.evaluate_every = passes + 2
    if config.get("task") == "completion":
        return _completion_step(config)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(read_settings(config), config.to_dict(), Path(folder))
        with run.sharding.active():
            links, sides = run.split.train, tuple(int((run.kgs.side == k).sum()) for k in (0, 1))
            trainer = Trainer(
                run.model, run.inputs, run.stages[:1], links, run.settings.train,
                0, None, run._propose, sides, run.sharding,
            )  # fmt: skip
            progress, costs = _trained(trainer)
            record = progress.records[0]
            stage = run.stages[0]
            found = {
                "method": run.settings.method,
                "entities": run.kgs.num_entities,
                "triples": len(run.kgs.triples),
                "batch": stage.batches(len(links))[1],
                "devices": run.sharding.parts,
                "seconds": min(record.epoch_seconds[1:]) / (record.steps / record.epochs),
                "load": run.load_seconds,
            } | costs
            if run.sharding.parts == 1 and not stage.triple_batch:
                pairs = links[: found["batch"]]
                batch = trainer._inputs(len(pairs))
                optimizer = trainer.schedule.optimizer(stage)

                def one(state, inputs):
                    flags = dict(stage.flags)
                    return train_step(run.model, optimizer, flags, state, inputs, pairs, jax.random.key(0))

                found["parts"] = count(
                    one, progress.state, batch, model=type(run.model).__name__, cached=CACHED
                )
    return found


def _completion_step(config) -> dict:
    """``step`` of a completion method."""
    from mmea_jax.training.completion.run import CompletionRun
    from mmea_jax.training.completion.settings import read_completion_settings
    from mmea_jax.training.completion.trainer import CompletionTrainer

    with tempfile.TemporaryDirectory() as folder:
        run = CompletionRun(read_completion_settings(config), config.to_dict(), Path(folder))
    options, triples = run.settings.train, run.graph.train
    trainer = CompletionTrainer(run.model, run.inputs, triples, options, run.settings.seed, None)
    progress, costs = _trained(trainer)
    return {
        "method": run.settings.method,
        "entities": run.graph.num_entities,
        "triples": len(triples),
        "batch": options.capped(len(triples))[2],
        "devices": 1,
        "seconds": min(progress.epoch_seconds[1:]) / (progress.steps / progress.epoch),
        "load": run.load_seconds,
    } | costs


def _trained(trainer) -> tuple[Any, dict]:
    """What the trainer's passes left, and what they took besides the time of the steps."""
    from mmea_jax.training.system import peak_memory_bytes

    started = time.perf_counter()
    progress = trainer.initial()
    costs = {"initial": time.perf_counter() - started, "step_bytes": trainer.compile(progress)}
    for _ in trainer.run(progress):
        pass
    return progress, costs | {"compile": trainer.compile_seconds, "peak_bytes": peak_memory_bytes()}


def matching(rows: int, columns: int, width: int, csls_k: int = 3, devices: int = 0) -> dict:
    """Seconds to rank all rows and columns in both directions, with and without CSLS."""
    import numpy as np

    from mmea_jax.matching import gold_ranks
    from mmea_jax.matching.similarity import Scorer, unit_rows
    from mmea_jax.training.sharding import Sharding
    from mmea_jax.training.system import peak_memory_bytes

    sharding = Sharding(devices, rows)
    with sharding.active():
        rng = np.random.default_rng(0)
        left, right = (unit_rows(rng.standard_normal((n, width), np.float32)) for n in (rows, columns))
        gold = np.full(rows, -1)
        gold[: min(rows, columns)] = np.arange(min(rows, columns))
        scorer = Scorer(left, right)
        found = []
        for _ in range(2):
            started = time.perf_counter()
            gold_ranks(scorer, gold, csls_k)
            found.append(time.perf_counter() - started)
    return {
        "rows": rows,
        "columns": columns,
        "width": width,
        "devices": sharding.parts,
        "seconds": found[1],
        "compile": max(0.0, found[0] - found[1]),
        # Every block of scores is computed twice.
        "operations": 2 * 2.0 * rows * columns * width,
        "peak_bytes": peak_memory_bytes(),
    }


def loading(config: str, changes: Mapping[str, Any] | None = None) -> dict:
    """Seconds to read the data, first with an empty cache of parsed arrays and then with a full one."""
    from mmea_jax.data import load
    from mmea_jax.training.settings import read_settings

    with tempfile.TemporaryDirectory() as cache:
        config = config_of(config, dict(changes or {}) | {"data.cache": cache})
        found = []
        for _ in range(2):
            started = time.perf_counter()
            kgs, _ = load(read_settings(config).data)
            found.append(time.perf_counter() - started)
    return {"dataset": kgs.name, "entities": kgs.num_entities, "first": found[0], "second": found[1]}


def start(config: str, changes: Mapping[str, Any] | None = None) -> dict:
    """Seconds from the command to the first training pass, with empty caches and with those it left."""
    changes = dict(changes or {}) | {"train.max_steps": 1, "train.evaluate_every": 10**6}
    flags = [f"--config.{key}={value}" for key, value in changes.items()]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        own = os.environ | {"XDG_CACHE_HOME": str(Path(folder) / "cache"), "PYTHONHASHSEED": "0"}
        for index in range(2):
            workdir = Path(folder) / str(index)
            command = [sys.executable, "-m", "mmea_jax.main", "--config", config, "--workdir", str(workdir)]
            started = time.perf_counter()
            process = subprocess.Popen(
                [*command, *flags],
                cwd=REPOSITORY,
                env=own,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while process.poll() is None and not (workdir / "metrics.jsonl").exists():
                time.sleep(0.02)
            found.append(time.perf_counter() - started)
            # The first run goes to its end, for what it compiles last is kept then.
            if index:
                process.terminate()
            process.wait()
    return {"config": config, "first": found[0], "second": found[1]}


def scale(**asked) -> dict:
    """See ``scaling.scale``."""
    from experiments.benchmarks.scaling import scale

    return scale(**asked)


def machine() -> dict:
    """Rates and description of the machine."""
    from experiments.benchmarks import machine as measured

    rates = {"operations": measured.matrix_rate(), "bandwidth": measured.copy_bandwidth()}
    return measured.description() | rates


KINDS: dict[str, Callable[..., dict]] = {
    "machine": machine,
    "step": step,
    "devices": step,
    "matching": matching,
    "scale": scale,
    "loading": loading,
    "start": start,
}


def main(argv: list[str]) -> None:
    """Entry point."""
    if len(argv) != 2:
        sys.exit(__doc__)
    logging.set_verbosity(logging.WARNING)
    give_threads()
    cell = json.loads(argv[1])
    print(json.dumps(KINDS[cell.pop("kind")](**cell)))


if __name__ == "__main__":
    main(sys.argv)

"""Generates, trains and matches large graphs, and says what each took.

    python -m experiments.large_graphs --folder runs/large --entities 50000
    python -m experiments.large_graphs --folder /data/200k --entities 200000 --epochs 10
    python -m experiments.large_graphs --folder /data/1m --entities 1000000 --max_steps 20 --queries 10000

``--entities`` are those of each graph. MCLEA trains on sampled neighbourhoods (``train.neighbours``); then
all entities are embedded through the whole graph, and ``--queries`` of the test entities of KG 1 (0: all of
them) are matched with all entities of KG 2 by their ``--best`` nearest, exactly and block by block. Prints
one line of JSON.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmea_jax.data.large_world import LargeOptions, generate_large, open_large
from mmea_jax.data.streams import stream
from mmea_jax.matching import topk
from mmea_jax.training.embedder import Embedder
from mmea_jax.training.inputs import make_inputs, modalities_of
from mmea_jax.training.methods import make_model
from mmea_jax.training.options import TrainOptions
from mmea_jax.training.scores import make_scorer
from mmea_jax.training.sharding import Sharding
from mmea_jax.training.speed import speed
from mmea_jax.training.stages import Stage
from mmea_jax.training.system import device_info, peak_memory_bytes
from mmea_jax.training.trainer import Trainer
from mmea_jax.training.virtual_devices import give_threads


class _Clock:
    """Seconds from one mark to the next."""

    def __init__(self):
        self.found, self._last = {}, time.perf_counter()

    def mark(self, name: str) -> None:
        now = time.perf_counter()
        self.found[name], self._last = round(now - self._last, 2), now
        print(f"{name}: {self.found[name]} s, peak {peak_memory_bytes() / 2**30:.2f} GiB", file=sys.stderr)


def run(asked: argparse.Namespace) -> dict:
    """Everything; returns times, memory and Hits@k."""
    clock, folder = _Clock(), Path(asked.folder)
    generate_large(folder, LargeOptions(entities=asked.entities, triples_per_entity=asked.triples_per_entity))
    clock.mark("generate")
    kgs = open_large(folder)
    inputs = make_inputs(kgs)
    clock.mark("inputs")
    cut = round(asked.seed_ratio * len(kgs.links))
    sharding = Sharding(asked.devices, kgs.num_entities)
    with sharding.active():
        params, trained = _train(asked, kgs, inputs, sharding)
        clock.mark("train")
        model = make_model("mclea", {"width": asked.width}, modalities_of(kgs), kgs.num_entities)
        test = kgs.links[cut:]
        if asked.queries:
            rows = stream(0, "large/queries").choice(len(test), min(asked.queries, len(test)), replace=False)
            test = test[rows]
        candidates = kgs.entities(1)
        embed = Embedder(model, sharding.inputs(inputs), sharding)
        left, right = embed(params, np.asarray(test[:, 0]), candidates)
        clock.mark("embed")
        _, found = topk(make_scorer(left, right, "joint"), asked.best)
        clock.mark("match")
    hit = candidates[found] == test[:, 1:]
    hits = {f"hits@{k}": float(hit[:, :k].any(axis=1).mean()) for k in (1, asked.best)}
    counts = {"entities": kgs.num_entities, "triples": len(kgs.triples), "queries": len(test)}
    memory = {"peak_bytes": peak_memory_bytes(), "devices": device_info()}
    return counts | trained | {"seconds": clock.found} | hits | memory


def _train(asked: argparse.Namespace, kgs, inputs, sharding: Sharding) -> tuple[dict, dict]:
    """Parameters, and losses and times of the steps."""
    cut = round(asked.seed_ratio * len(kgs.links))
    options = TrainOptions(neighbours=asked.neighbours, max_steps=asked.max_steps)
    model = make_model("mclea", {"width": asked.width}, modalities_of(kgs), kgs.num_entities)
    stage = Stage("main", asked.epochs, asked.learning_rate, batch_size=asked.batch)
    sides = (asked.entities, asked.entities)
    links = np.asarray(kgs.links[:cut])
    trainer = Trainer(model, inputs, (stage,), links, options, 0, None, None, sides, sharding)
    progress = trainer.initial()
    losses = []
    for event in trainer.run(progress):
        losses.append(event.terms["loss"])
        print(f"pass {event.epoch}: loss {losses[-1]:.3f}", file=sys.stderr)
    record = progress.records[0]
    facts = {"losses": losses, "steps": record.steps}
    facts["step_seconds"] = speed(record.epoch_seconds, record.epoch_steps)["seconds_per_step"]
    return progress.best, facts | {"compile_seconds": trainer.compile_seconds}


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    own = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    own.add_argument("--folder", required=True, help="of the world; generated there unless it holds this one")
    own.add_argument("--entities", type=int, default=50_000, help="of each graph")
    own.add_argument("--triples_per_entity", type=float, default=5.0, help="of each graph")
    own.add_argument("--seed_ratio", type=float, default=0.3, help="share of the links that train")
    own.add_argument("--width", type=int, default=64, help="hidden width")
    own.add_argument("--neighbours", type=int, default=8, help="drawn of each entity, and of each of these")
    own.add_argument("--batch", type=int, default=1024, help="pairs a step")
    own.add_argument("--epochs", type=int, default=5, help="passes over the training links")
    own.add_argument("--max_steps", type=int, default=0, help="steps at most; 0: no limit")
    own.add_argument("--learning_rate", type=float, default=1e-2, help="peak")
    own.add_argument("--best", type=int, default=10, help="nearest candidates of an entity")
    own.add_argument("--queries", type=int, default=0, help="test entities that are matched; 0: all")
    own.add_argument("--devices", type=int, default=0, help="0: all")
    return own


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    give_threads()
    print(json.dumps(run(parser().parse_args(arguments))))


if __name__ == "__main__":
    main()

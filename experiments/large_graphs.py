"""Generates, trains and matches large graphs, and says what each took.

    python -m experiments.large_graphs --folder /tmp/large --entities 50000
    python -m experiments.large_graphs --folder /data/200k --entities 200000 --epochs 10
    python -m experiments.large_graphs --folder /data/1m --entities 1000000 --max_steps 20 --queries 10000

``--entities`` are those of each graph. MCLEA trains on sampled neighbourhoods (``train.neighbours``); then
all entities are embedded through the whole graph, and ``--queries`` of the test entities of KG 1 (0: all of
them) are matched with all entities of KG 2 by their ``--best`` nearest, exactly and block by block. Prints
one line of JSON.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from absl import app, flags

from mmea_jax.data.large_world import LargeOptions, generate_large, open_large
from mmea_jax.data.streams import stream
from mmea_jax.matching import topk
from mmea_jax.training.embedder import Embedder
from mmea_jax.training.inputs import make_inputs, modalities_of
from mmea_jax.training.methods import make_model
from mmea_jax.training.options import TrainOptions
from mmea_jax.training.scores import make_scorer
from mmea_jax.training.sharding import Sharding
from mmea_jax.training.stages import Stage
from mmea_jax.training.system import device_info, peak_memory_bytes
from mmea_jax.training.trainer import Trainer

_FOLDER = flags.DEFINE_string("folder", None, "Of the world; generated there unless it holds this one.")
_ENTITIES = flags.DEFINE_integer("entities", 50_000, "Of each graph.", lower_bound=10)
_TRIPLES = flags.DEFINE_float("triples_per_entity", 5.0, "Of each graph.")
_SEEDS = flags.DEFINE_float("seed_ratio", 0.3, "Share of the links that train.")
_WIDTH = flags.DEFINE_integer("width", 64, "Hidden width.")
_NEIGHBOURS = flags.DEFINE_integer("neighbours", 8, "Drawn of each entity, and of each of these.")
_BATCH = flags.DEFINE_integer("batch", 1024, "Pairs a step.")
_EPOCHS = flags.DEFINE_integer("epochs", 5, "Passes over the training links.")
_MAX_STEPS = flags.DEFINE_integer("max_steps", 0, "Steps at most; 0: no limit.")
_RATE = flags.DEFINE_float("learning_rate", 1e-2, "Peak.")
_BEST = flags.DEFINE_integer("best", 10, "Nearest candidates of an entity.")
_QUERIES = flags.DEFINE_integer("queries", 0, "Test entities that are matched; 0: all.")
_DEVICES = flags.DEFINE_integer("devices", 0, "0: all.")


class _Clock:
    """Seconds from one mark to the next."""

    def __init__(self):
        self.found, self._last = {}, time.perf_counter()

    def mark(self, name: str) -> None:
        now = time.perf_counter()
        self.found[name], self._last = round(now - self._last, 2), now
        print(f"{name}: {self.found[name]} s, peak {peak_memory_bytes() / 2**30:.2f} GiB", file=sys.stderr)


def run() -> dict:
    """Everything; returns times, memory and Hits@k."""
    clock, folder = _Clock(), Path(_FOLDER.value)
    generate_large(folder, LargeOptions(entities=_ENTITIES.value, triples_per_entity=_TRIPLES.value))
    clock.mark("generate")
    kgs = open_large(folder)
    inputs = make_inputs(kgs)
    clock.mark("inputs")
    cut = round(_SEEDS.value * len(kgs.links))
    sharding = Sharding(_DEVICES.value, kgs.num_entities)
    with sharding.active():
        params, trained = _train(kgs, inputs, sharding)
        clock.mark("train")
        model = make_model("mclea", {"width": _WIDTH.value}, modalities_of(kgs), kgs.num_entities)
        test = kgs.links[cut:]
        if _QUERIES.value:
            rows = stream(0, "large/queries").choice(len(test), min(_QUERIES.value, len(test)), replace=False)
            test = test[rows]
        candidates = kgs.entities(1)
        embed = Embedder(model, sharding.inputs(inputs), sharding)
        left, right = embed(params, np.asarray(test[:, 0]), candidates)
        clock.mark("embed")
        _, found = topk(make_scorer(left, right, "joint"), _BEST.value)
        clock.mark("match")
    hit = candidates[found] == test[:, 1:]
    hits = {f"hits@{k}": float(hit[:, :k].any(axis=1).mean()) for k in (1, _BEST.value)}
    counts = {"entities": kgs.num_entities, "triples": len(kgs.triples), "queries": len(test)}
    memory = {"peak_bytes": peak_memory_bytes(), "devices": device_info()}
    return counts | trained | {"seconds": clock.found} | hits | memory


def _train(kgs, inputs, sharding: Sharding) -> tuple[dict, dict]:
    """Parameters, and losses and times of the steps."""
    cut = round(_SEEDS.value * len(kgs.links))
    options = TrainOptions(neighbours=_NEIGHBOURS.value, max_steps=_MAX_STEPS.value)
    model = make_model("mclea", {"width": _WIDTH.value}, modalities_of(kgs), kgs.num_entities)
    stage = Stage("main", _EPOCHS.value, _RATE.value, batch_size=_BATCH.value)
    sides = (_ENTITIES.value, _ENTITIES.value)
    links = np.asarray(kgs.links[:cut])
    trainer = Trainer(model, inputs, (stage,), links, options, 0, None, None, sides, sharding)
    progress = trainer.initial()
    losses = []
    for event in trainer.run(progress):
        losses.append(event.terms["loss"])
        print(f"pass {event.epoch}: loss {losses[-1]:.3f}", file=sys.stderr)
    record = progress.records[0]
    facts = {"losses": losses, "steps": record.steps, "step_seconds": record.seconds / record.steps}
    return progress.best, facts | {"compile_seconds": trainer.compile_seconds}


def main(argv: list[str]) -> None:
    """Entry point."""
    if len(argv) > 1 or not _FOLDER.value:
        sys.exit(__doc__)
    print(json.dumps(run()))


if __name__ == "__main__":
    app.run(main)

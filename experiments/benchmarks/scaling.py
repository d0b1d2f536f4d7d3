"""Time and memory of a generated world by its size: from nothing to ranked answers."""

import tempfile
from pathlib import Path

from experiments.large_graphs import parser, run

# Pairs of a step, and steps of a pass: on large worlds part of the links suffice to time a step.
_BATCH, _STEPS = 1024, 8


def scale(entities: int, neighbours: int = 8, passes: int = 4, queries: int = 2000) -> dict:
    """What ``experiments.large_graphs`` takes for so many entities.

    Args:
      entities: of both graphs together.
      neighbours: drawn of each entity and of each of these in a training step; 0: the whole graph.
      passes: of training, of at most ``_STEPS`` steps each; the first one does not count.
      queries: test entities that are matched with all entities of the other graph.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "folder": Path(folder) / "world",
            "entities": entities // 2,
            "neighbours": neighbours,
            "seed_ratio": min(0.3, _STEPS * _BATCH / (entities // 2)),
            "batch": _BATCH,
            "epochs": passes,
            "queries": queries,
        }
        found = run(parser().parse_args([f"--{name}={value}" for name, value in options.items()]))
    # What a run says of its training is long and of no use here.
    del found["losses"], found["devices"]
    return found | {"neighbours": neighbours}

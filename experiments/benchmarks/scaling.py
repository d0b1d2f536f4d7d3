"""Time and memory of a generated world by its size: from nothing to ranked answers."""

import tempfile
from pathlib import Path

from experiments.large_graphs import parser, run


def scale(entities: int, neighbours: int = 8, steps: int = 16, queries: int = 2000) -> dict:
    """What ``experiments.large_graphs`` takes for so many entities.

    Args:
      entities: of both graphs together.
      neighbours: drawn of each entity and of each of these in a training step; 0: the whole graph.
      steps: of training.
      queries: test entities that are matched with all entities of the other graph.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "folder": Path(folder) / "world",
            "entities": entities // 2,
            "neighbours": neighbours,
            "epochs": steps,
            "max_steps": steps,
            "queries": queries,
        }
        found = run(parser().parse_args([f"--{name}={value}" for name, value in options.items()]))
    # What a run says of its training is long and of no use here.
    del found["losses"], found["devices"]
    return found | {"neighbours": neighbours}

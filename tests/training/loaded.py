"""What an export must hold, whatever it is of."""

import json
from pathlib import Path

import jax
import numpy as np
from safetensors.numpy import load_file

from mmea_jax.training.optimizer import path_of


def assert_complete(folder: Path, params, names) -> None:
    """Weights, names, configuration and card are there and agree."""
    weights = load_file(folder / "params.safetensors")
    leaves = {path_of(keys): leaf for keys, leaf in jax.tree_util.tree_leaves_with_path(params)}
    assert weights.keys() == leaves.keys()
    for path, leaf in leaves.items():
        np.testing.assert_array_equal(weights[path], leaf)
    rows = (folder / "entities.tsv").read_text().splitlines()
    assert [row.split("\t")[-1] for row in rows[1:]] == list(names)
    assert [row.split("\t")[0] for row in rows[1:]] == [str(i) for i in range(len(names))]
    config = json.loads((folder.parent / "config.json").read_text())
    assert json.loads((folder / "config.json").read_text()) == config
    card = (folder / "README.md").read_text()
    for words in ("mmea_jax.load", "## Limits", "## Results", "## Data and protocol", config["method"]):
        assert words in card
    assert not list(folder.glob("*.tmp"))

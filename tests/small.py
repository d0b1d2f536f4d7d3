"""The shipped configuration, shrunk to seconds: shared by end-to-end tests."""

import importlib.util
from pathlib import Path

from ml_collections import ConfigDict

CONFIGS = Path(__file__).parents[1] / "configs"


def load_config(name: str, mode: str = "") -> ConfigDict:
    """``configs/<name>.py`` as the command line would load it."""
    spec = importlib.util.spec_from_file_location(name, CONFIGS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(mode)


def small_config(name: str = "mimea", **overrides) -> ConfigDict:
    """The configuration on a world of 2 × 150 entities at width 16, for 4 epochs of 3 steps.

    Overrides are dotted keys with ``__`` for the dot.
    """
    config = load_config(name)
    config.data.synthetic.entities = 150
    config.data.synthetic.triples_per_entity = 6.0
    config.data.seed_ratio = 0.6
    config.model.width = 16
    config.train.batch_size = 16
    config.train.max_epochs = 4
    config.train.evaluate_every = 2
    return _changed(config, overrides)


def small_completion(name: str = "adamf_mat", **overrides) -> ConfigDict:
    """A completion configuration on a world of 100 entities at dimension 8, for 4 epochs of 3 steps."""
    config = load_config(name)
    config.data.synthetic.entities = 100
    config.data.synthetic.relations = 12
    config.data.synthetic.triples_per_entity = 12.0
    config.data.synthetic.visual_width = 8
    config.data.text_width = 16
    config.data.valid_ratio = 0.2
    config.model.dim = 8
    if name == "adamf_mat":
        config.model.noise, config.model.hidden = 4, 16
    config.train.batch_size = 128
    config.train.negatives = 4
    config.train.max_epochs = 4
    config.train.evaluate_every = 2
    return _changed(config, overrides)


def _changed(config: ConfigDict, overrides: dict) -> ConfigDict:
    for key, value in overrides.items():
        node, *path = config, *key.split("__")
        for part in path[:-1]:
            node = node[part]
        node[path[-1]] = value
    return config

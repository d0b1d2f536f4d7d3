"""Multi-modal entity alignment and knowledge graph completion in JAX/Flax."""

import importlib

__version__ = "0.1.0"


def load(workdir):
    """What a finished run, or its export, has learnt; see ``mmea_jax.training.loading.load``."""
    # By name, so that importing the package loads no JAX.
    return importlib.import_module("mmea_jax.training.loading").load(workdir)

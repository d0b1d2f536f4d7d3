"""The configuration that the user's own graphs are aligned with, if no other is named."""

from ml_collections import ConfigDict

from mmea_jax.data.own import OWN
from mmea_jax.training.defaults import base_config

# Passes over the seeds, of one step up to 2,048 of them; more seeds give more steps a pass.
_EPOCHS, LEAST_EPOCHS, _BATCH = 40, 12, 2048


def own_config(seeds: int = 0) -> ConfigDict:
    """MIMEA with the values of ``configs/mimea.py``, on every modality that the graphs offer.

    Args:
      seeds: about how many links will train; they set the number of passes.
    """
    config = base_config("mimea", OWN)
    config.model = ConfigDict(
        {
            "width": 300,  # hidden width of every modality
            "encoder": "attention",
            "layers": 2,
            "heads": 2,
            "initial": "normal",
            "entity_dropout": 0.0,
            "modality_dropout": 0.0,
            "fusion": "beta",
            "temperature": 0.05,
            "learn_temperature": True,
            "adaptive": True,
            "transport": 0.1,
            "transport_entities": 512,
        }
    )
    config.stages.main = ConfigDict(
        {
            "epochs": max(LEAST_EPOCHS, _EPOCHS // max(1, -(-seeds // _BATCH))),
            "learning_rate": 3e-3,
            "weight_decay": 1e-2,
            "warmup": 0.1,
            "clip": 1.0,
            "batch_size": _BATCH,
        }
    )
    config.data.bag_width = 4000
    config.data.name = "words"
    config.data.char = "bigrams"
    config.matching.score = "joint+modal"
    config.matching.consensus = 3
    return config

"""RotatE (Sun et al. 2019, arXiv 1902.10197), structure alone, self-adversarial loss.

    python -m mmea_jax.main --config configs/rotate.py:MKGC/DB15K --config.data.root=FOLDER

Published as a baseline of AdaMF-MAT, test MRR: DB15K .2928, MKG-W .3367.
"""

from ml_collections import ConfigDict

from mmea_jax.training.completion.defaults import completion_config

_DIMENSIONS = {"MKGC/DB15K": 250, "MKGC/MKG-W": 200, "MKGC/MKG-Y": 200}


def get_config(mode: str = "") -> ConfigDict:
    config = completion_config("rotate", mode)
    config.data.visual = config.data.text = "none"
    config.model = ConfigDict(
        {
            "dim": _DIMENSIONS.get(mode, 64),  # components
            "margin": 4.0 if mode == "MKGC/MKG-Y" else 12.0,  # γ
            "temperature": 2.0,  # T of the self-adversarial weights
        }
    )
    config.train.loss = "self_adversarial"
    config.train.epochs = 1000 if mode else 60  # passes over the training triples
    config.train.batch_size = 1024
    config.train.negatives = 128 if mode else 32  # corruptions of each triple
    config.train.optimizer = "adam"
    config.train.learning_rate = 1e-4 if mode else 3e-3
    config.train.evaluate_every = 10
    return config

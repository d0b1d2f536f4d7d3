"""ComplEx by cross-entropy over all entities: structure alone, reciprocal relations, N3, Adagrad.

    python -m mmea_jax.main --config configs/complex.py:MKGC/DB15K --config.data.root=FOLDER

Sources: Trouillon et al. 2016; training by Lacroix et al. 2018 (arXiv 1806.07297).
"""

from ml_collections import ConfigDict

from mmea_jax.training.completion.defaults import completion_config

# Dimension, weight of N3 and epochs.
_CHOSEN = {"MKGC/DB15K": (300, 0.02, 12), "MKGC/MKG-W": (200, 0.01, 24)}


def get_config(mode: str = "") -> ConfigDict:
    config = completion_config("complex", mode)
    dim, n3, epochs = _CHOSEN.get(mode, (64, 0.02, 12))
    config.data.visual = config.data.text = "none"
    config.model = ConfigDict(
        {
            "dim": dim,  # complex components
            "reciprocal": True,  # a relation vector of its own for questions about the head
            "initial": 1e-3,  # standard deviation of initial tables
            "n3": n3,  # weight of the N3 norm
            "relation_prediction": 0.0,  # weight of predicting relations, too (arXiv 2110.02834)
        }
    )
    config.train.loss = "1vsall"
    config.train.epochs = epochs  # passes over the training triples
    config.train.batch_size = 512  # triples a step; each asks two questions
    config.train.optimizer = "adagrad"
    config.train.learning_rate = 0.1
    config.train.evaluate_every = 1
    return config

"""DistMult (Yang et al. 2015), structure alone, trained as configs/complex.py is.

python -m mmea_jax.main --config configs/distmult.py:MKGC/DB15K --config.data.root=FOLDER
"""

from ml_collections import ConfigDict

from mmea_jax.training.completion.defaults import completion_config


def get_config(mode: str = "") -> ConfigDict:
    config = completion_config("distmult", mode)
    config.data.visual = config.data.text = "none"
    config.model = ConfigDict(
        {
            "dim": 400 if mode else 128,  # components
            "reciprocal": True,  # a relation vector of its own for questions about the head
            "initial": 1e-3,  # standard deviation of initial tables
            "n3": 0.02,  # weight of the N3 norm
            "relation_prediction": 0.0,  # weight of predicting relations, too (arXiv 2110.02834)
        }
    )
    config.train.loss = "1vsall"
    config.train.epochs = 12  # passes over the training triples
    config.train.batch_size = 512  # triples a step; each asks two questions
    config.train.optimizer = "adagrad"
    config.train.learning_rate = 0.1
    config.train.evaluate_every = 1
    return config

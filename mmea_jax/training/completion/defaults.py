"""The configuration that every completion method starts from."""

import os

from ml_collections import ConfigDict, config_dict

from mmea_jax.data import SyntheticOptions
from mmea_jax.data.completion_options import CompletionOptions
from mmea_jax.training.completion.options import AnswerOptions, CompletionTrainOptions
from mmea_jax.training.defaults import SYNTHETIC, fields_of
from mmea_jax.vocabulary import COMPLETION_MODALITIES


def completion_config(method: str, mode: str = "") -> ConfigDict:
    """Data, training and prediction defaults of a completion method.

    Args:
      method: key of ``METHODS`` in ``training/completion/methods.py``.
      mode: what follows the colon of ``--config``: empty for the generated data set, or a folder below the
        root, such as ``MKGC/DB15K``.
    """
    config = ConfigDict()
    config.task = "completion"
    config.method = method
    config.seed = 0  # of initialisation, batch order, negatives and noise
    skipped = ("synthetic", "features", "missing", "ambiguous", "root")
    config.data = fields_of(CompletionOptions, skipped)
    config.data.dataset = mode or SYNTHETIC
    config.data.root = os.environ.get("MMEA_DATA", "data")  # folder that holds the data sets
    features = COMPLETION_MODALITIES[1:]
    files = {m: config_dict.placeholder(str) for m in features}
    config.data.features = ConfigDict(files)  # a feature file in place of what the data set has
    config.data.missing = ConfigDict({m: 1.0 for m in features})  # share of entities that keep it
    config.data.ambiguous = ConfigDict({m: 0.0 for m in features})  # share with another's row
    config.data.synthetic = fields_of(SyntheticOptions)
    config.model = ConfigDict()
    config.train = fields_of(CompletionTrainOptions)
    config.answers = fields_of(AnswerOptions)
    return config

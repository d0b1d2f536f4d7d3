"""The configuration that every method starts from; a file in configs/ adds its model and its stages."""

import dataclasses
import os

from ml_collections import ConfigDict, config_dict

from mmea_jax.data import DataOptions, SyntheticOptions
from mmea_jax.data.locate import SYNTHETIC
from mmea_jax.data.own import OwnOptions
from mmea_jax.training.options import IterativeOptions, MatchingOptions, TrainOptions
from mmea_jax.vocabulary import MODALITIES

# Options that need more than their default to become a field of the configuration.
_BY_HAND = ("synthetic", "own", "features", "missing", "ambiguous", "cache", "root", "split")


def base_config(method: str, mode: str = "") -> ConfigDict:
    """Data, training and matching defaults of an alignment method.

    Args:
      method: key of ``models`` in ``training/methods.py``.
      mode: what follows the colon of ``--config``: empty (the generated data set), ``<dataset>`` or
        ``<dataset>/<split>``, where a published data set's name has two parts, as in ``DBP15K/zh_en``.
    """
    dataset, split = _dataset_and_split(mode)
    config = ConfigDict()
    config.method = method
    config.seed = 0  # of initialisation, batch order and noise
    config.data = fields_of(DataOptions, skip=_BY_HAND)
    config.data.dataset = dataset
    config.data.root = os.environ.get("MMEA_DATA", "data")  # folder that holds the data sets
    config.data.split = config_dict.placeholder(str)  # folder below splits/; unset: drawn by seed_ratio
    if split:
        config.data.split = split
    config.data.cache = config_dict.placeholder(str)  # folder for parsed arrays; unset: the user's cache
    files = {m: config_dict.placeholder(str) for m in MODALITIES[1:-1]}
    config.data.features = ConfigDict(files)  # a feature file in place of what the data set has
    config.data.missing = ConfigDict({m: 1.0 for m in MODALITIES[1:]})  # share of entities that keep it
    config.data.ambiguous = ConfigDict({m: 0.0 for m in MODALITIES[1:]})  # share with another's row
    config.data.synthetic = fields_of(SyntheticOptions)
    config.data.own = fields_of(OwnOptions)
    config.model = ConfigDict()
    config.stages = ConfigDict()
    config.train = fields_of(TrainOptions, skip=("iterative",))
    config.train.iterative = fields_of(IterativeOptions)
    config.matching = fields_of(MatchingOptions)
    return config


def _dataset_and_split(mode: str) -> tuple[str, str]:
    parts = mode.split("/")
    if parts == [""]:
        return SYNTHETIC, ""
    if parts[0] == SYNTHETIC:
        return SYNTHETIC, "/".join(parts[1:])
    return "/".join(parts[:2]), "/".join(parts[2:])


def fields_of(options: type, skip: tuple[str, ...] = ()) -> ConfigDict:
    """The defaults of a record of options, without the fields in ``skip``; None becomes an unset float."""
    values = ConfigDict()
    for field in dataclasses.fields(options):
        if field.name in skip:
            continue
        values[field.name] = config_dict.placeholder(float) if field.default is None else field.default
    return values

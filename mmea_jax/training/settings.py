"""Reads a configuration into checked options; below this file no configuration object is known."""

import dataclasses
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from mmea_jax.data import DataOptions, SyntheticOptions
from mmea_jax.data.own import OwnOptions
from mmea_jax.errors import InputError
from mmea_jax.training.methods import hyperparameters
from mmea_jax.training.options import (
    IterativeOptions,
    MatchingOptions,
    TrainOptions,
    check_matching,
    check_train,
)
from mmea_jax.training.records import asked_shares, field_names, named_files, read_record, refuse_unknown
from mmea_jax.training.stages import Stage


@dataclasses.dataclass(frozen=True)
class Settings:
    """A whole run: what ``config.json`` records, as typed and checked values."""

    method: str
    seed: int
    data: DataOptions
    model: dict[str, Any]
    stages: tuple[Stage, ...]
    train: TrainOptions
    matching: MatchingOptions


def read_settings(config: ConfigDict) -> Settings:
    """Checks every key and value that can be checked without the data.

    Raises:
      InputError: an unknown key, or a value outside its range.
    """
    values = config.to_dict()
    refuse_unknown(values, field_names(Settings), "")
    refuse_unknown(values["model"], hyperparameters(values["method"]), "model.")
    train = dict(values["train"])
    train["iterative"] = read_record(IterativeOptions, train["iterative"], "train.iterative.")
    train = read_record(TrainOptions, train, "train.")
    matching = read_record(MatchingOptions, values["matching"], "matching.")
    check_train(train)
    check_matching(matching)
    data = _data(values["data"])
    if train.protocol == "published":
        # The published code holds nothing out: its epoch is chosen on the test links.
        data = dataclasses.replace(data, valid_ratio=0)
    stages = tuple(_stage(name, stage) for name, stage in values["stages"].items())
    if not stages:
        raise InputError(
            "no stage", expected="at least one under config.stages", mend="add one to the config file"
        )
    return Settings(values["method"], values["seed"], data, values["model"], stages, train, matching)


def _data(values: dict) -> DataOptions:
    values = dict(values)
    values["synthetic"] = read_record(SyntheticOptions, values["synthetic"], "data.synthetic.")
    values["own"] = read_record(OwnOptions, values["own"], "data.own.")
    values |= asked_shares(values)
    values["features"] = named_files(values["features"])
    values["root"] = Path(values["root"])
    values["cache"] = Path(values["cache"]) if values["cache"] else None
    return read_record(DataOptions, values, "data.")


def _stage(name: str, values: dict) -> Stage:
    stage = read_record(Stage, {"name": name, **values}, f"stages.{name}.")
    for key, least in (("epochs", 1), ("batch_size", 1), ("triple_batch", 0)):
        if getattr(stage, key) < least:
            raise InputError(
                f"stages.{name}.{key} = {getattr(stage, key)}",
                expected=f"at least {least}",
                mend=f"change --config.stages.{name}.{key}",
            )
    return stage

"""Reads a completion configuration into checked options."""

import dataclasses
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from mmea_jax.data import SyntheticOptions
from mmea_jax.data.completion_options import CompletionOptions
from mmea_jax.training.completion.methods import check_model
from mmea_jax.training.completion.options import (
    AnswerOptions,
    CompletionTrainOptions,
    check_answers,
    check_completion_train,
)
from mmea_jax.training.records import asked_shares, field_names, named_files, read_record, refuse_unknown


@dataclasses.dataclass(frozen=True)
class CompletionSettings:
    """A whole run: what ``config.json`` records, as typed and checked values."""

    task: str
    method: str
    seed: int
    data: CompletionOptions
    model: dict[str, Any]
    train: CompletionTrainOptions
    answers: AnswerOptions


def read_completion_settings(config: ConfigDict) -> CompletionSettings:
    """Checks every key and value that can be checked without the data.

    Raises:
      InputError: an unknown key, or a value outside its range.
    """
    values = config.to_dict()
    refuse_unknown(values, field_names(CompletionSettings), "")
    train = read_record(CompletionTrainOptions, values["train"], "train.")
    check_completion_train(train)
    answers = read_record(AnswerOptions, values["answers"], "answers.")
    check_answers(answers)
    check_model(values["method"], values["model"], train)
    data = dict(values["data"])
    data["synthetic"] = read_record(SyntheticOptions, data["synthetic"], "data.synthetic.")
    data |= asked_shares(data)
    data["features"] = named_files(data["features"])
    data["root"] = Path(data["root"])
    data = read_record(CompletionOptions, data, "data.")
    if train.protocol == "published":
        # The published code holds nothing out and takes the last epoch.
        data = dataclasses.replace(data, validation="none")
    return CompletionSettings(
        values["task"], values["method"], values["seed"], data, values["model"], train, answers
    )

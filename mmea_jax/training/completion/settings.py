"""Reads a completion configuration into checked options."""

import dataclasses
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from mmea_jax.data import SyntheticOptions
from mmea_jax.data.completion_options import CompletionOptions
from mmea_jax.errors import InputError, closest
from mmea_jax.training.completion.methods import check_model
from mmea_jax.training.completion.options import (
    AnswerOptions,
    CompletionTrainOptions,
    check_answers,
    check_completion_train,
)


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
    _known(values, CompletionSettings, "")
    train = _read(CompletionTrainOptions, values["train"], "train.")
    check_completion_train(train)
    answers = _read(AnswerOptions, values["answers"], "answers.")
    check_answers(answers)
    check_model(values["method"], values["model"], train)
    data = dict(values["data"])
    data["synthetic"] = _read(SyntheticOptions, data["synthetic"], "data.synthetic.")
    # 1 keeps every row and 0 repeats none: as if not asked for, also for a modality that is switched off.
    data["missing"] = {m: share for m, share in data["missing"].items() if share != 1}
    data["ambiguous"] = {m: share for m, share in data["ambiguous"].items() if share != 0}
    data["root"] = Path(data["root"])
    data = _read(CompletionOptions, data, "data.")
    if train.protocol == "published":
        # The published code holds nothing out and takes the last epoch.
        data = dataclasses.replace(data, validation="none")
    return CompletionSettings(
        values["task"], values["method"], values["seed"], data, values["model"], train, answers
    )


def _read(record: type, values: dict, prefix: str):
    _known(values, record, prefix)
    return record(**values)


def _known(values: dict, record: type, prefix: str) -> None:
    known = [f.name for f in dataclasses.fields(record)]
    for key in values:
        if key not in known:
            raise InputError(
                f"the key {prefix}{key}{closest(key, known)}",
                expected=f"one of {', '.join(known)}",
                mend=f"correct or drop --config.{prefix}{key}",
            )

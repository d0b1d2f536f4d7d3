"""The registry of completion methods: from a name and its hyperparameters to a module."""

from collections.abc import Mapping
from typing import Any

from mmea_jax.errors import InputError, closest
from mmea_jax.models.adamf_mat import AdamfMat
from mmea_jax.nn.scorers import make_scorer
from mmea_jax.training.completion.options import CompletionTrainOptions
from mmea_jax.training.records import check_method, field_names, refuse_unknown

_STRUCTURE_ONLY = {"modal": "none", "adversarial": 0.0}
# What a method's name settles; a configuration may not say otherwise.
METHODS: dict[str, dict[str, Any]] = {
    "adamf_mat": {},
    **{name: {"scorer": name} | _STRUCTURE_ONLY for name in ("rotate", "transe", "distmult", "complex")},
}
_CHOICES = {"modal": ("adaptive", "mean", "none"), "absent": ("masked", "random")}
# Scores that are one product of matrices, for a softmax over all entities at every step.
_BILINEAR = ("distmult", "complex")
_FROM_DATA = ("modalities", "num_entities", "num_relations", "parent", "name")


def hyperparameters(method: str) -> tuple[str, ...]:
    """Names of what a configuration may set under ``model``.

    Raises:
      InputError: no such method; the error names the closest.
    """
    check_method(method, METHODS)
    return field_names(AdamfMat, without=_FROM_DATA)


def check_model(method: str, values: Mapping[str, Any], train: CompletionTrainOptions) -> None:
    """Refuses hyperparameters that are unknown, out of range, or against the method or the loss.

    Raises:
      InputError: naming the key, the value and what is allowed.
    """
    refuse_unknown(values, hyperparameters(method), "model.", f"a hyperparameter of {method}:")
    for key, value in METHODS[method].items():
        if values.get(key, value) != value:
            raise InputError(
                f"model.{key} = {values[key]!r} for the method {method}",
                expected=repr(value),
                mend=f"drop --config.model.{key}, or use --config configs/adamf_mat.py",
            )
    for key, allowed in _CHOICES.items():
        if values.get(key, allowed[0]) not in allowed:
            raise InputError(
                f"model.{key} = {values[key]!r}{closest(values[key], allowed)}",
                expected=f"one of {', '.join(allowed)}",
                mend=f"change --config.model.{key}",
            )
    for key in ("dim", "noise", "hidden"):
        if values.get(key, 1) < 1:
            raise InputError(
                f"model.{key} = {values[key]}", expected="at least 1", mend=f"change --config.model.{key}"
            )
    for key in ("n3", "relation_prediction", "adversarial", "initial"):
        if values.get(key, 0) < 0:
            raise InputError(
                f"model.{key} = {values[key]}", expected="at least 0", mend=f"change --config.model.{key}"
            )
    scorer = values.get("scorer", METHODS[method].get("scorer", AdamfMat.scorer))
    make_scorer(scorer, 1, 1.0)
    if values.get("relation_prediction", 0) > 0 and train.loss != "1vsall":
        raise InputError(
            f"model.relation_prediction = {values['relation_prediction']} with train.loss = {train.loss!r}",
            expected="0, for it is a part of the loss '1vsall' alone",
            mend="drop --config.model.relation_prediction, or use --config.train.loss=1vsall",
        )
    if train.loss == "1vsall" and scorer not in _BILINEAR:
        raise InputError(
            f"train.loss = '1vsall' with the scorer {scorer!r}",
            expected=f"one of the scorers {', '.join(_BILINEAR)}, whose scores are one matrix product",
            mend="change --config.model.scorer, or --config.train.loss=self_adversarial",
        )


def make_model(
    method: str,
    values: Mapping[str, Any],
    modalities: tuple[str, ...],
    num_entities: int,
    num_relations: int,
) -> AdamfMat:
    """The module of ``method``; hyperparameters that are left out keep the module's defaults.

    Args:
      method: key of ``METHODS``.
      values: hyperparameters, checked.
      modalities: what the data offer, structure first.
      num_entities: ``N``.
      num_relations: ``R``.
    """
    settled = {**values, **METHODS[method]}
    return AdamfMat(modalities=modalities, num_entities=num_entities, num_relations=num_relations, **settled)

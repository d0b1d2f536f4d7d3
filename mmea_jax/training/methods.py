"""The registry of methods: from a name and its hyperparameters to a module."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn

from mmea_jax.errors import InputError, closest
from mmea_jax.models.eva import Eva
from mmea_jax.models.mclea import Mclea
from mmea_jax.models.meaformer import Meaformer
from mmea_jax.models.mimea import Mimea
from mmea_jax.models.umaea import Umaea

METHODS: dict[str, type[nn.Module]] = {
    "eva": Eva,
    "mclea": Mclea,
    "meaformer": Meaformer,
    "mimea": Mimea,
    "umaea": Umaea,
}

# Fields that the data decide, not the configuration.
_FROM_DATA = ("modalities", "num_entities", "parent", "name")


def hyperparameters(method: str) -> tuple[str, ...]:
    """Names of what a configuration may set under ``model``.

    Raises:
      InputError: no such method; the error names the closest.
    """
    if method not in METHODS:
        raise InputError(
            f"the method {method!r}{closest(method, METHODS)}",
            expected=f"one of {', '.join(METHODS)}",
            mend="change --config.method",
        )
    return tuple(f.name for f in dataclasses.fields(METHODS[method]) if f.name not in _FROM_DATA)


def make_model(
    method: str, values: Mapping[str, Any], modalities: tuple[str, ...], num_entities: int
) -> nn.Module:
    """The module of ``method``.

    Args:
      method: key of ``METHODS``.
      values: hyperparameters; those left out keep the module's defaults.
      modalities: what the data offer, in canonical order.
      num_entities: ``N``.

    Raises:
      InputError: an unknown method or hyperparameter.
    """
    known = hyperparameters(method)
    for key in values:
        if key not in known:
            raise InputError(
                f"the key model.{key}{closest(key, known)}",
                expected=f"a hyperparameter of {method}: {', '.join(known)}",
                mend=f"correct or drop --config.model.{key}",
            )
    return METHODS[method](modalities=modalities, num_entities=num_entities, **values)

"""The registry of methods: from a name and its hyperparameters to a module."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn

from mmea_jax.models.eva import Eva
from mmea_jax.models.mclea import Mclea
from mmea_jax.models.meaformer import Meaformer
from mmea_jax.models.mimea import Mimea
from mmea_jax.models.msnea import Msnea
from mmea_jax.models.tmea import Tmea
from mmea_jax.models.umaea import Umaea
from mmea_jax.training.records import check_method, field_names, refuse_unknown

METHODS: dict[str, type[nn.Module]] = {
    "eva": Eva,
    "mclea": Mclea,
    "meaformer": Meaformer,
    "mimea": Mimea,
    "msnea": Msnea,
    "tmea": Tmea,
    "umaea": Umaea,
}

# Fields that the data decide, not the configuration.
_FROM_DATA = ("modalities", "num_entities", "parent", "name")


def hyperparameters(method: str) -> tuple[str, ...]:
    """Names of what a configuration may set under ``model``.

    Raises:
      InputError: no such method; the error names the closest.
    """
    check_method(method, METHODS)
    return field_names(METHODS[method], without=_FROM_DATA)


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
    refuse_unknown(values, hyperparameters(method), "model.", f"a hyperparameter of {method}:")
    return METHODS[method](modalities=modalities, num_entities=num_entities, **values)

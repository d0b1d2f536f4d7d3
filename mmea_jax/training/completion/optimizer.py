"""The two optimizers of a completion run: one for the model, one for the generators of fake modalities."""

from typing import Any

import optax

from mmea_jax.training.completion.options import CompletionTrainOptions

# Parameters of generators have this in front of their names.
_GENERATORS = "generate_"
# Vectors of entities and relations; all else of the model is the fusion's.
_TABLES = ("entities", "relations")
# Adagrad's sum of squares starts here. What keeps its root from 0 must lie below the squares of the first
# gradients, which are about 1e-8 for small initial tables: 1e-10 would hold them back for several epochs.
_ADAGRAD_START, _ADAGRAD_EPS = 0.0, 1e-30


def make_optimizers(
    options: CompletionTrainOptions,
) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    """The model's optimizer, and the generators'."""
    tables, fusion = (_optimizer(options, rate) for rate in (1.0, options.fusion_rate))
    by_name = optax.partition({"tables": tables, "fusion": fusion}, _labels)
    return by_name, optax.adam(options.generator_rate)


def parted(params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The variables of the model and those of the generators; ``joined`` puts them together again."""
    inner = params["params"]
    generators = {name: value for name, value in inner.items() if name.startswith(_GENERATORS)}
    return {name: value for name, value in inner.items() if name not in generators}, generators


def joined(model: dict[str, Any], generators: dict[str, Any]) -> dict[str, Any]:
    """Variables as a module takes them."""
    return {"params": {**model, **generators}}


def initial_states(options: CompletionTrainOptions, params: dict[str, Any]) -> dict[str, Any]:
    """States of both optimizers for ``params``."""
    states = [o.init(own) for o, own in zip(make_optimizers(options), parted(params), strict=True)]
    return {"model": states[0], "generators": states[1]}


def _optimizer(options: CompletionTrainOptions, factor: float) -> optax.GradientTransformation:
    rate = factor * options.learning_rate
    if options.optimizer == "adagrad":
        return optax.adagrad(rate, _ADAGRAD_START, _ADAGRAD_EPS)
    return optax.adam(rate)


def _labels(params: dict[str, Any]) -> dict[str, str]:
    return {name: "tables" if name in _TABLES else "fusion" for name in params}

"""The model card of an export: what was trained, on what, how well, and what it is not for."""

import json
from collections.abc import Mapping
from typing import Any

from mmea_jax.report.table import results_table
from mmea_jax.training.writers import plain_values

_TITLES = {"alignment": "entity alignment", "completion": "knowledge graph completion"}
_LIMITS = {
    "alignment": "The embeddings are of the entities of these two graphs and of no others: an entity that "
    "is added needs a new training. Scores are comparable within this export alone. Probabilities are "
    "calibrated on held-out links and say how likely the best candidate is right if links are drawn as those "
    "were.",
    "completion": "The embeddings are of the entities of this graph and of no others. A high score says that "
    "a triple looks like those of the training set, not that it is true; what the training triples are "
    "biased to, the answers are.",
}


def model_card(
    config: Mapping[str, Any], results: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> str:
    """Markdown.

    Args:
      config: of the run.
      results: as ``results.json`` has them; what is missing is left out.
      shapes: of the arrays in ``embeddings.safetensors``.
    """
    task = results.get("task", config.get("task", "alignment"))
    method, data = config["method"], results.get("dataset", config["data"]["dataset"])
    protocol, counts = results.get("protocol", {}), results.get("counts", {})
    simulated = ", ".join(protocol.get("simulated") or [])
    warning = f" **Features of {simulated} were simulated (drawn, not measured).**" if simulated else ""
    version = f" {results['versions']['mmea_jax']}" if "versions" in results else ""
    sections = [
        f"# {method} on {data}: {_TITLES[task]}",
        f"Trained with mmea_jax{version}.{warning}",
        "## Files\n\n" + _files(shapes),
        '## Use\n\n    import mmea_jax\n\n    model = mmea_jax.load("FOLDER")\n'
        + (
            '    model.embed(["name of an entity"])   # float32[1, D]\n'
            "    model.align()                        # counterparts of all entities of KG 1\n"
            if task == "alignment"
            else '    model.embed(["name of an entity"])     # float32[1, D]\n'
            '    model.answer("head,relation,?", 10)    # likeliest answers\n'
        ),
        "## Data and protocol\n\n" + _table({**_flat(counts), **_flat(protocol), "seed": config.get("seed")}),
        "## Results\n\n" + (_fenced(results_table(results)) if "test" in results else "Not evaluated."),
        "## Limits\n\n" + _LIMITS[task],
        "## Configuration\n\n" + _fenced(json.dumps(plain_values(config), indent=2, sort_keys=True)),
    ]
    return "\n\n".join(sections) + "\n"


def _files(shapes: Mapping[str, tuple[int, ...]]) -> str:
    arrays = "\n".join(f"  * `{name}` {list(shape)}" for name, shape in shapes.items())
    return (
        "* `embeddings.safetensors`: arrays, with names as UTF-8 bytes and where each begins and ends\n"
        f"{arrays}\n"
        "* `entities.tsv`: which row is whose\n"
        "* `params.safetensors`: the model's parameters by path\n"
        "* `config.json`: the configuration"
    )


def _table(values: Mapping[str, Any]) -> str:
    rows = [f"| {key} | {value} |" for key, value in values.items() if value not in (None, {}, [], "")]
    return "\n".join(["| | |", "|---|---|", *rows])


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    nested = (dict, list)
    shown = {k: json.dumps(v, ensure_ascii=False) if isinstance(v, nested) else v for k, v in values.items()}
    return {key.replace("_", " "): value for key, value in shown.items()}


def _fenced(text: str) -> str:
    return f"```\n{text}\n```"

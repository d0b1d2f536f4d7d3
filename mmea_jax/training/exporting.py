"""Trained embeddings and weights as plain files that other programs read: ``<workdir>/export``."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from mmea_jax.data.bounds import refuse_size
from mmea_jax.data.strings import pack, unpack
from mmea_jax.errors import InputError
from mmea_jax.training.model_card import model_card
from mmea_jax.training.optimizer import path_of
from mmea_jax.training.writers import CONFIG, disk_errors, plain_values, refuse_differences

EXPORT = "export"
EMBEDDINGS, PARAMS, ENTITIES, CARD = (
    "embeddings.safetensors",
    "params.safetensors",
    "entities.tsv",
    "README.md",
)
_VERSION = "mmea_jax 1"
_TEXT, _ENDS = ".text", ".ends"


@dataclasses.dataclass(frozen=True)
class Embedded:
    """What a trained model says of its entities, without the model.

    Attributes:
      arrays: by name; rows of what belongs to entities are in the order of ``texts["entities"]``.
      texts: lists of names.
      facts: plain values: the task, and what it takes to compare embeddings.
    """

    arrays: Mapping[str, np.ndarray]
    texts: Mapping[str, tuple[str, ...]]
    facts: Mapping[str, Any]


def write_export(
    workdir: Path, embedded: Embedded, params: Any, results: Mapping[str, Any], config: Mapping[str, Any]
) -> Path:
    """Writes ``embeddings.safetensors``, ``params.safetensors``, ``entities.tsv``, the configuration and a
    model card; returns their folder. Each file is replaced at once.

    Args:
      workdir: of the run.
      embedded: of all entities.
      params: the model's variables.
      results: as ``results.json`` has them.
      config: as ``config.json`` has it.

    Raises:
      InputError: the disk refuses.
    """
    folder = workdir / EXPORT
    arrays = {name: np.ascontiguousarray(value) for name, value in embedded.arrays.items()}
    for name, strings in embedded.texts.items():
        arrays[name + _TEXT], arrays[name + _ENDS] = pack(strings)
    notes = {"format": _VERSION, "facts": json.dumps(embedded.facts)}
    leaves = jax.tree_util.tree_leaves_with_path(params)
    weights = {path_of(keys): np.ascontiguousarray(leaf) for keys, leaf in leaves}
    files = {
        CONFIG: json.dumps(plain_values(config), indent=2, sort_keys=True).encode() + b"\n",
        ENTITIES: _entity_table(embedded).encode(),
        PARAMS: save(weights, {"format": _VERSION}),
        CARD: model_card(config, results, {name: value.shape for name, value in embedded.arrays.items()}),
        # Last: where it is, the others are.
        EMBEDDINGS: save(arrays, notes),
    }
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            unfinished = folder / f"{name}.tmp"
            unfinished.write_bytes(content if isinstance(content, bytes) else content.encode())
            unfinished.replace(folder / name)
    return folder


def read_export(folder: Path) -> Embedded:
    """What ``write_export`` left in a work directory, or in an ``export`` that was moved elsewhere.

    Raises:
      InputError: the file cannot be read or is none of ours.
    """
    path = folder / EMBEDDINGS
    try:
        refuse_size(2 * path.stat().st_size, "embeddings", "load them on a larger machine", path)
        with safe_open(path, "np") as file:
            notes = file.metadata() or {}
            if notes.get("format") != _VERSION:
                raise ValueError(f"format {notes.get('format')!r}")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = json.loads(notes["facts"])
        names = [name.removesuffix(_TEXT) for name in arrays if name.endswith(_TEXT)]
        texts = {name: unpack(arrays.pop(name + _TEXT), arrays.pop(name + _ENDS)) for name in names}
        return Embedded(arrays, texts, facts)
    except InputError:
        raise
    # The library's own error type lives in its compiled part; damage raises a dozen others.
    except Exception as error:
        raise InputError(
            f"no sound export ({error})",
            expected=f"what --mode export wrote ({_VERSION})",
            mend="export again, or delete the folder",
            file=path,
        ) from error


def exported(workdir: Path) -> Path | None:
    """The folder of the export that ``workdir`` holds or is, if it holds or is one of its own configuration.

    Raises:
      InputError: the export is of another configuration than the work directory.
    """
    if (workdir / EMBEDDINGS).is_file():
        return workdir
    folder = workdir / EXPORT
    if not (folder / EMBEDDINGS).is_file():
        return None
    configs = [place / CONFIG for place in (workdir, folder)]
    if all(config.is_file() for config in configs):
        refuse_differences(configs[1], *(read_json(config) for config in configs[::-1]))
    return folder


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
      InputError: there is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
        reason = f"a {type(found).__name__}"
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error)
    raise InputError(
        f"no readable configuration ({reason})",
        expected="the work directory of a finished run",
        mend="name it, or train first",
        file=path,
    )


def _entity_table(embedded: Embedded) -> str:
    """Row of the embeddings, KG (1 or 2) where there are two, and name; a tab in a name becomes a space."""
    side = embedded.arrays.get("side")
    lines = ["row\tentity" if side is None else "row\tkg\tentity"]
    for row, name in enumerate(embedded.texts["entities"]):
        kg = () if side is None else (str(side[row] + 1),)
        # A name may hold what UTF-8 cannot, from JSON.
        clean = " ".join(name.split("\t")).replace("\n", " ").replace("\r", " ")
        lines.append("\t".join((str(row), *kg, clean.encode("utf-8", "replace").decode())))
    return "\n".join(lines) + "\n"

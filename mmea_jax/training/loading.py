"""A finished run as a Python object: ``mmea_jax.load(workdir)``."""

import os
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from mmea_jax.errors import InputError
from mmea_jax.training.aligned import AlignedGraphs
from mmea_jax.training.completion.completed import CompletedGraph
from mmea_jax.training.completion.run import CompletionRun
from mmea_jax.training.completion.settings import read_completion_settings
from mmea_jax.training.exporting import Embedded, exported, read_export, read_json
from mmea_jax.training.own.run import run_class
from mmea_jax.training.settings import read_settings
from mmea_jax.training.writers import CONFIG

_OBJECTS = {"alignment": AlignedGraphs, "completion": CompletedGraph}


def load(workdir: str | os.PathLike) -> AlignedGraphs | CompletedGraph:
    """What a run has learnt, to embed and to align, or to answer questions.

    Args:
      workdir: of a finished run, or an export. With an export in it neither the data nor a compiler are
        needed; without, the data are read again and embedded.

    Raises:
      InputError: there is no finished run, its data have gone, or its export is damaged.
    """
    workdir = Path(workdir)
    folder = exported(workdir)
    embedded = read_export(folder) if folder else _embedded(workdir)
    return _OBJECTS[embedded.facts["task"]](embedded)


def _embedded(workdir: Path) -> Embedded:
    if not (workdir / CONFIG).is_file():
        raise InputError(
            "no run and no export",
            expected="the work directory of a finished run",
            mend="train first, or correct the path",
            file=workdir,
        )
    values = _as_configured(read_json(workdir / CONFIG))
    completes = values.get("task") == "completion"
    try:
        settings = (read_completion_settings if completes else read_settings)(ConfigDict(values))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"a configuration that lacks or adds a part ({error})",
            expected="the one that the run wrote",
            mend="restore it, or load with the version that wrote it",
            file=workdir / CONFIG,
        ) from error
    kind = CompletionRun if completes else run_class(settings)
    return kind(settings, values, workdir).embedded()


def _as_configured(value: Any) -> Any:
    """Lists as the tuples that they were before they became JSON."""
    if isinstance(value, dict):
        return {key: _as_configured(item) for key, item in value.items()}
    return tuple(map(_as_configured, value)) if isinstance(value, list) else value

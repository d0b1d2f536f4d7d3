"""Which folder a run takes."""

import itertools
from pathlib import Path

from mmea_jax.data.paths import check_name


def default_workdir(config_name: str, dataset: str, time: str) -> Path:
    """``runs/<config>/<dataset>/<time>``.

    Raises:
      InputError: the data set's name would lead out of ``runs``.
    """
    check_name("data.dataset", dataset)
    return Path("runs") / config_name / dataset / time


def fresh(folder: Path) -> Path:
    """The folder if nothing is there, or else the first of ``<folder>-2``, ``<folder>-3``, … that is free."""
    names = (folder if k == 1 else folder.with_name(f"{folder.name}-{k}") for k in itertools.count(1))
    return next(name for name in names if not _taken(name))


def _taken(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))

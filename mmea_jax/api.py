"""The library in five lines.

    from mmea_jax.api import align, load_data, train
    graphs, split = load_data("DBP15K/zh_en", root="data", visual="none")
    run = train("mimea", "synthetic", "runs/first")
    print(run.table())
    found = align("left.nt", "right.nt", "seeds.tsv", "runs/mine")

Each call does what the command of its name does, and leaves the same files.
"""

import dataclasses
import importlib.util
import time
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from mmea_jax.data import DataOptions, KnowledgeGraphs, Split, load
from mmea_jax.errors import InputError, closest
from mmea_jax.report.page import write_report
from mmea_jax.report.table import results_table
from mmea_jax.training.launch import launch
from mmea_jax.training.own.pipeline import Alignment, align_graphs

__all__ = ["Alignment", "Trained", "align", "load_data", "method_config", "train"]

# Beside the package in a clone of the repository, which is how it is installed (pip install -e .).
_CONFIGS = Path(__file__).resolve().parents[1] / "configs"

align = align_graphs


@dataclasses.dataclass(frozen=True)
class Trained:
    """A finished run.

    Attributes:
      folder: its work directory.
      results: what ``results.json`` holds.
    """

    folder: Path
    results: dict

    def table(self) -> str:
        """The results as text."""
        return results_table(self.results, self.folder)

    def report(self) -> Path:
        """Writes ``report/index.html`` anew; returns its path."""
        return write_report(self.folder)


def load_data(
    dataset: str = "synthetic", root: str | Path | None = None, **options: Any
) -> tuple[KnowledgeGraphs, Split]:
    """Two graphs and their links, as NumPy arrays.

    Args:
      dataset: ``synthetic``, or a folder below ``root`` such as ``DBP15K/zh_en``.
      root: the folder that holds the data sets.
      **options: further fields of ``DataOptions``, such as ``visual="none"`` or ``seed_ratio=0.2``.

    Raises:
      InputError: an unknown option, data set or split, or a file at fault.
    """
    known = [field.name for field in dataclasses.fields(DataOptions)]
    for name in options:
        if name not in known:
            raise InputError(
                f"the option {name!r}{closest(name, known)}",
                expected=f"one of {', '.join(known)}",
                mend="correct or drop it",
            )
    return load(DataOptions(dataset=dataset, root=None if root is None else Path(root), **options))


def train(
    method: str = "mimea",
    data: str = "synthetic",
    workdir: str | Path | None = None,
    **changes: Any,
) -> Trained:
    """Trains and evaluates a method; run again with the same work directory, it goes on or returns at once.

    Args:
      method: name of a file in configs/, such as ``mimea``, ``umaea`` or ``adamf_mat``.
      data: what follows the colon of ``--config``: ``synthetic``, ``DBP15K/zh_en``, or with a split.
      workdir: folder of the run; by default one below ``runs/`` that the time names.
      **changes: fields of the configuration, with ``__`` for the dot: ``train__max_epochs=5``,
        ``data__root="data"``, ``data__missing__visual=0.05``.

    Raises:
      InputError: no such method or field, or bad data.
    """
    config = method_config(method, "" if data == "synthetic" else data)
    for name, value in changes.items():
        _set(config, name.split("__"), value)
    if workdir is None:
        workdir = Path("runs") / method / config.data.dataset / time.strftime("%Y%m%d-%H%M%S")
    return Trained(Path(workdir), launch(config, "train", Path(workdir)))


def method_config(method: str, mode: str = "") -> ConfigDict:
    """The configuration of ``configs/<method>.py``.

    Args:
      method: name of the file, without its suffix.
      mode: the data set, and after a further slash the split; empty for the generated one.

    Raises:
      InputError: no such file; the error names the closest.
    """
    path = _CONFIGS / f"{method}.py"
    if not path.is_file():
        known = sorted(found.stem for found in _CONFIGS.glob("*.py"))
        raise InputError(
            f"the method {method!r}{closest(method, known)}",
            expected=f"one of {', '.join(known) or 'none, for there is no folder configs/'}",
            mend="correct the name, or install from a clone of the repository (pip install -e .)",
            file=path,
        )
    spec = importlib.util.spec_from_file_location(f"configs_{method}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(mode)


def _set(config: ConfigDict, path: list[str], value: Any) -> None:
    node = config
    for part in path[:-1]:
        node = node[part] if isinstance(node, ConfigDict) and part in node else None
    if not isinstance(node, ConfigDict) or path[-1] not in node:
        known = list(node) if isinstance(node, ConfigDict) else list(config)
        raise InputError(
            f"the field {'.'.join(path)}{closest(path[-1], known)}",
            expected=f"a field of the configuration, such as one of {', '.join(known)}",
            mend="correct or drop it",
        )
    node[path[-1]] = value

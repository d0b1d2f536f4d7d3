"""Feature files, one vector a key: ``.pkl`` (read only), ``.npz`` and ``.safetensors`` (read and written)."""

import dataclasses
import itertools
import os
import reprlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mmea_jax.data.bounds import check_archive, refuse_size
from mmea_jax.data.formats import pickles
from mmea_jax.data.strings import pack, unpack
from mmea_jax.errors import InputError, closest

SUFFIXES = (".npz", ".safetensors", ".pkl")
_ARRAYS = "arrays 'features' [n, f] and 'ids' [n], or 'names' and 'name_ends' for text keys"


@dataclasses.dataclass(frozen=True)
class Features:
    """Vectors by key.

    Attributes:
      keys: n distinct ids (``int``) or names (``str``), not both.
      vectors: float16, float32 or float64 [n, f], finite.
    """

    keys: tuple[int, ...] | tuple[str, ...]
    vectors: np.ndarray


def read_features(path: Path) -> Features:
    """The vectors of a feature file, whatever its format.

    A pickle is read without running any code of its own (see ``formats.pickles``).

    Raises:
      InputError: the file is missing or unsound, its vectors differ in width or are not all
        finite numbers, or its keys are neither all integers nor all strings, or repeat.
    """
    readers = {".pkl": _from_pickle, ".npz": _from_npz, ".safetensors": _from_safetensors}
    reader = readers.get(path.suffix)
    if reader is None:
        raise _unknown_suffix(path, readers)
    if not path.is_file():
        raise InputError("no such file", expected="a feature file", mend="correct the path", file=path)
    features = reader(path)
    _check(features, path)
    return features


def write_features(path: Path, features: Features, present: np.ndarray | None = None) -> None:
    """Writes ``.npz`` or ``.safetensors``, by the path's suffix; the whole file or none.

    Args:
      path: the file.
      features: vectors by key.
      present: bool[n], the mask: keys that it leaves out have no vector when the file is read.

    Raises:
      InputError: the suffix is another one.
    """
    if path.suffix not in (".npz", ".safetensors"):
        raise _unknown_suffix(path, (".npz", ".safetensors"))
    arrays = {"features": np.ascontiguousarray(features.vectors)}
    if features.keys and isinstance(features.keys[0], str):
        arrays["names"], arrays["name_ends"] = pack(features.keys)
    else:
        arrays["ids"] = np.array(features.keys, np.int64)
    if present is not None:
        arrays["present"] = np.asarray(present, bool)
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        if path.suffix == ".npz":
            np.savez(unfinished, **arrays)
        else:
            _safetensors(path).save_file(arrays, unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _from_pickle(path: Path) -> Features:
    content = pickles.load(path)
    if not isinstance(content, dict):
        raise InputError(
            f"a pickled {type(content).__name__}",
            expected="a dict from an entity's id or name to its vector",
            mend="take the feature file that belongs to the data set",
            file=path,
        )
    keys = tuple(int(key) if isinstance(key, np.integer) else key for key in content)
    vectors = [_vector(value, key, path) for key, value in zip(keys, content.values(), strict=True)]
    widths = [len(vector) for vector in vectors]
    # A pickle can name one vector for many keys: what is made of it may be larger than the file.
    needed = 2 * sum(vector.nbytes for vector in vectors)
    refuse_size(needed, f"{len(vectors):,} vectors", "take a smaller file, or a larger machine", path)
    if len(set(widths)) > 1:
        expected = max(set(widths), key=widths.count)
        odd = next(i for i, width in enumerate(widths) if width != expected)
        raise InputError(
            f"a vector of width {widths[odd]} for {keys[odd]!r}",
            expected=f"width {expected}, which {widths.count(expected)} of {len(widths)} vectors have",
            mend="compute all features with one model, or remove the entry",
            file=path,
        )
    return Features(keys, np.stack(vectors) if vectors else np.zeros((0, 0), np.float32))


def _vector(value: Any, key: int | str, path: Path) -> np.ndarray:
    """The value as one row of floats; an array of shape [1, f] counts as one."""
    numbers = _numbers(value) if isinstance(value, list | tuple) else value
    vector = np.asarray(numbers)
    if vector.dtype.kind in "biuf":
        vector = vector.astype(vector.dtype if vector.dtype.kind == "f" else np.float32)
        return vector.reshape(-1)
    raise InputError(
        f"{type(value).__name__} {reprlib.repr(value)[:40]} for {reprlib.repr(key)}",
        expected="a vector of numbers",
        mend="remove the entry, or write its features again",
        file=path,
    )


def _numbers(value: list | tuple) -> Any:
    """A list of numbers, be it alone in another list; None for any other, which could even hold itself."""
    if len(value) == 1 and isinstance(value[0], list | tuple | np.ndarray):
        value = value[0]
    if isinstance(value, np.ndarray) or all(isinstance(x, int | float | np.number) for x in value):
        return value
    return None


def _from_npz(path: Path) -> Features:
    try:
        # Opened here, for np.load leaves a file that is no archive open.
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, path, times=3)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _from_arrays(dict(arrays), path)
    except InputError:
        raise
    # Damaged archives raise a dozen types of error.
    except Exception as error:
        raise InputError(
            f"no sound .npz ({error})",
            expected=f"an .npz with {_ARRAYS}",
            mend="write the file again",
            file=path,
        ) from None


def _from_safetensors(path: Path) -> Features:
    library = _safetensors(path)
    try:
        refuse_size(3 * path.stat().st_size, "arrays", "take a smaller file, or a larger machine", path)
        return _from_arrays(library.load_file(path), path)
    except InputError:
        raise
    # The library's own error type lives in its compiled part; an unsound header raises others besides.
    except Exception as error:
        raise InputError(
            f"no sound .safetensors ({error})", expected=_ARRAYS, mend="write the file again", file=path
        ) from None


def _from_arrays(arrays: dict[str, np.ndarray], path: Path) -> Features:
    texts = {"names", "name_ends"} <= arrays.keys()
    if "features" not in arrays or not (texts or "ids" in arrays):
        raise InputError(
            f"arrays {', '.join(map(repr, sorted(arrays))) or 'none'}",
            expected=_ARRAYS,
            mend="write the file with python -m mmea_jax.data.convert",
            file=path,
        )
    vectors = arrays["features"]
    keys = unpack(arrays["names"], arrays["name_ends"]) if texts else tuple(arrays["ids"].tolist())
    if vectors.ndim != 2 or len(vectors) != len(keys) or vectors.dtype.kind != "f":
        raise InputError(
            f"features {vectors.dtype}{list(vectors.shape)} for {len(keys)} keys",
            expected="floats [n, f], a row a key",
            mend="write the file with python -m mmea_jax.data.convert",
            file=path,
        )
    present = arrays.get("present", np.ones(len(keys), bool))
    if present.dtype != bool or present.shape != (len(keys),):
        raise InputError(
            f"a mask {present.dtype}{list(present.shape)} for {len(keys)} keys",
            expected="'present', bool, one a key",
            mend="write the file again",
            file=path,
        )
    return Features(tuple(itertools.compress(keys, present)), vectors[present])


def _check(features: Features, path: Path) -> None:
    if not features.vectors.size:
        raise InputError(
            "no features", expected="a vector for one entity at least", mend="write the file again", file=path
        )
    kinds = {type(key) for key in features.keys}
    if kinds not in ({int}, {str}):
        raise InputError(
            f"keys of type {', '.join(sorted(kind.__name__ for kind in kinds))}",
            expected="entity ids (integers) or entity names (strings), of one kind throughout",
            mend="write the file again with one kind of key",
            file=path,
        )
    if len(set(features.keys)) < len(features.keys):
        seen: set[int | str] = set()
        repeat = next(key for key in features.keys if key in seen or seen.add(key))
        raise InputError(
            f"key {repeat!r} for the second time", expected="each key once", mend="remove one", file=path
        )
    # As single precision, in which they are kept.
    with np.errstate(over="ignore"):
        numbers = np.isfinite(features.vectors.astype(np.float32, copy=False))
    finite = numbers.all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        column = int(np.argmin(numbers[row]))
        raise InputError(
            f"{features.vectors[row, column]} in component {column} of the vector for {features.keys[row]!r} "
            f"({(~finite).sum()} such vectors)",
            expected="finite numbers of single precision",
            mend="remove the entry, so that the entity counts as one without features, or compute it again",
            file=path,
        )


def _safetensors(path: Path) -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError:
        raise InputError(
            "no safetensors package on this machine",
            expected="it, for a .safetensors file",
            mend="pip install safetensors, or use the .npz format",
            file=path,
        ) from None
    return safetensors.numpy


def _unknown_suffix(path: Path, known: Sequence[str]) -> InputError:
    return InputError(
        f"the suffix {path.suffix!r}{closest(path.suffix, known)}",
        expected=" or ".join(known),
        mend="rename or convert the file (python -m mmea_jax.data.convert)",
        file=path,
    )

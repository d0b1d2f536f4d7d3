"""One tensor from a file that ``torch.save`` wrote, without PyTorch and without running pickled code.

Such a file is a zip archive: ``data.pkl`` describes the tensor and names its storage, whose bytes are the
entry ``data/<key>``. The description is a pickle that calls for a handful of PyTorch's functions; each is
answered by a stand-in, and every other name is refused.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from mmea_jax.data.bounds import check_archive
from mmea_jax.data.formats.pickle_limits import check_memo
from mmea_jax.errors import InputError

_ALLOWED = "one tensor of floats [N, f], as torch.save writes it"
_MEND = "save the tensor alone (torch.save(tensor.float().cpu(), path)), or write an .npy or .npz from it"
_STORAGES = {"FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "BFloat16Storage": "u2"}


def load_tensor(path: Path) -> np.ndarray:
    """float16, float32 or float64 array of the one tensor in the file; bfloat16 becomes float32.

    Raises:
      InputError: the file is no such archive, or holds anything but one tensor of floats.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, path, times=4)
            return _read(archive, path)
    except InputError:
        raise
    except zipfile.BadZipFile:
        raise InputError(
            "no zip archive (PyTorch before 1.6 wrote another format)",
            expected=_ALLOWED,
            mend=_MEND,
            file=path,
        ) from None
    # A broken pickle or archive can raise almost anything.
    except Exception as error:
        raise InputError(
            f"no sound archive ({type(error).__name__}: {error})", expected=_ALLOWED, mend=_MEND, file=path
        ) from None


def _read(archive: zipfile.ZipFile, path: Path) -> np.ndarray:
    descriptions = [name for name in archive.namelist() if name.split("/")[1:] == ["data.pkl"]]
    if len(descriptions) != 1:
        raise ValueError(f"{len(descriptions)} entries named data.pkl")
    prefix = descriptions[0].removesuffix("data.pkl")
    order = "<"
    if f"{prefix}byteorder" in archive.namelist():
        order = {b"little": "<", b"big": ">"}[archive.read(f"{prefix}byteorder").strip()]
    found = _Unpickler(archive, prefix, order, path).load()
    if isinstance(found, dict) and len(found) == 1:
        found = next(iter(found.values()))
    if not isinstance(found, np.ndarray):
        raise InputError(f"a {type(found).__name__}", expected=_ALLOWED, mend=_MEND, file=path)
    return found


class _Unpickler(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, prefix: str, order: str, path: Path):
        content = archive.read(f"{prefix}data.pkl")
        check_memo(content)
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self._archive, self._prefix, self._order, self._path = archive, prefix, order, path
        self._storages = 0

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return _Named(name)
        stand_in = _STAND_INS.get((module, name))
        if stand_in is None:
            raise InputError(
                f"an archive that calls for {module}.{name}", expected=_ALLOWED, mend=_MEND, file=self._path
            )
        # A new object each time: a pickle may try to set attributes on what it is given.
        return _StandIn(stand_in)

    def persistent_load(self, pid: Any) -> np.ndarray:
        """The storage ``('storage', type, key, location, number of elements)`` as a flat array."""
        # One tensor has one; each costs a reading, and many names of one would cost as many.
        self._storages += 1
        if self._storages > 1:
            raise ValueError("more than one tensor")
        kind, storage, key, _, size = pid
        if kind != "storage" or not isinstance(storage, _Named) or not str(key).isdigit():
            raise ValueError(f"a reference to {pid!r}")
        dtype = np.dtype(self._order + _STORAGES[storage.name])
        content = self._archive.read(f"{self._prefix}data/{key}")
        flat = np.frombuffer(content, dtype, count=size).astype(dtype.newbyteorder("="))
        if storage.name == "BFloat16Storage":
            # A bfloat16 is the upper half of a float32.
            return (flat.astype(np.uint32) << 16).view(np.float32)
        return flat


class _Named:
    """A type that a pickle names; nothing can be called or changed on it."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name


class _StandIn:
    """A callable that has nothing to change: no ``__dict__``, no ``__setstate__``."""

    __slots__ = ("_build",)

    def __init__(self, build: Any):
        self._build = build

    def __call__(self, *args: Any) -> Any:
        return self._build(*args)


def _tensor(storage: np.ndarray, offset: int, shape: tuple, stride: tuple, *_: Any) -> np.ndarray:
    """A strided view of a storage, copied; out-of-range views are refused before they are made."""
    if not isinstance(storage, np.ndarray) or len(shape) != len(stride):
        raise ValueError("a tensor without a storage")
    steps = [(size - 1) * step for size, step in zip(shape, stride, strict=True)]
    if offset < 0 or min((*shape, *stride), default=0) < 0:
        raise ValueError("a tensor with negative sizes")
    if math.prod(shape) > len(storage) or (math.prod(shape) and offset + sum(steps) >= len(storage)):
        raise ValueError("a tensor larger than its storage")
    own = storage[offset:]
    strides = tuple(step * own.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(own, shape, strides, writeable=False).copy()


def _parameter(tensor: np.ndarray, *_: Any) -> np.ndarray:
    return tensor


_STAND_INS = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("collections", "OrderedDict"): OrderedDict,
}

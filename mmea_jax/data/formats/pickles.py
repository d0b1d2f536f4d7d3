"""An unpickler that builds containers, numbers, strings and NumPy arrays, and nothing else.

A pickle names the functions that rebuild its objects, and an ordinary unpickler calls whatever is
named. This one knows the few names that NumPy arrays need and answers each with a stand-in of its
own, so that no function chosen by the file is ever called.
"""

import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmea_jax.data.bounds import read_within
from mmea_jax.data.formats.pickle_limits import check_memo
from mmea_jax.errors import InputError

_ALLOWED = "dictionaries, lists, tuples, numbers, strings and NumPy arrays of numbers"
_MEND = "if you trust the file, write an .npz with arrays 'ids' and 'features' from it yourself"
# Memory that a pickle's objects may take, in units of its size: a small integer is two bytes of it.
_TIMES = 16
# Booleans, integers, floats and texts of a stated width: no objects, no records.
_DTYPE = re.compile(r"[<>=|]?[biufSU]\d{1,3}")


def load(path: Path) -> Any:
    """What a pickle file holds; its arrays are instances of a subclass that ``np.asarray`` strips.

    Raises:
      InputError: the file is missing, is no sound pickle, or names anything but NumPy's own
        array parts; the error names what it named.
    """
    try:
        content = read_within(path, _TIMES)
    except OSError as error:
        raise InputError(
            f"no readable file ({error.strerror})", expected="a pickle", mend="correct the path", file=path
        ) from None
    try:
        check_memo(content)
        return _Unpickler(content, path).load()
    except InputError:
        raise
    # A broken pickle can raise almost anything, from EOFError to UnicodeDecodeError.
    except Exception as error:
        raise InputError(
            f"no sound pickle ({type(error).__name__}: {error})",
            expected=f"a pickle of {_ALLOWED}",
            mend="fetch or write the file again",
            file=path,
        ) from None


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, path: Path):
        # Python 2 wrote array contents as strings of single bytes, which latin1 maps one to one.
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        stand_in = _STAND_INS.get((module, name))
        if stand_in is None:
            raise InputError(
                f"a pickle that calls for {module}.{name}",
                expected=f"a pickle of {_ALLOWED}",
                mend=_MEND,
                file=self._path,
            )
        # A new object each time: a pickle may try to set attributes on what it is given.
        return _StandIn(stand_in)


class _StandIn:
    """A callable that has nothing to change: no ``__dict__``, no ``__setstate__``."""

    __slots__ = ("_build",)

    def __init__(self, build: Callable):
        self._build = build

    def __call__(self, *args: Any) -> Any:
        return self._build(*args)


class _DType:
    """A number type as a pickle describes it; only its name and byte order are taken over."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: str, *_: Any):
        if not _DTYPE.fullmatch(code):
            raise ValueError(f"arrays of {code!r}")
        self._code, self._order = code, "="

    def __setstate__(self, state: tuple) -> None:
        self._order = state[1]

    def resolve(self) -> np.dtype:
        return np.dtype(self._code).newbyteorder(self._order)


class _Array(np.ndarray):
    """An array that takes its content from a pickle, but no type other than a ``_DType``."""

    def __setstate__(self, state: tuple) -> None:
        version, shape, dtype, fortran_order, content = state
        super().__setstate__((version, shape, dtype.resolve(), fortran_order, _as_bytes(content)))


def _empty(*_: Any) -> _Array:
    """The array whose content the pickle then sets, type and shape included."""
    return _Array((0,), np.int8)


def _scalar(dtype: _DType, content: bytes | str) -> np.generic:
    return np.frombuffer(_as_bytes(content), dtype.resolve(), count=1)[0]


def _from_buffer(content: bytes, dtype: _DType, shape: tuple[int, ...], order: str) -> np.ndarray:
    return np.frombuffer(content, dtype.resolve()).reshape(shape, order=order)


def _as_bytes(text: bytes | str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes encoded as {encoding!r}")
    return text if isinstance(text, bytes) else text.encode("latin1")


def _uncallable(*_: Any) -> None:
    raise ValueError("an array built without its parts")


_STAND_INS: dict[tuple[str, str], Callable] = {
    ("numpy", "ndarray"): _uncallable,  # stands only as an argument of _reconstruct
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _as_bytes,
    ("__builtin__", "bytes"): lambda: b"",  # how protocols 0 to 2 write no bytes at all
}
for _package in ("numpy.core", "numpy._core"):  # before and since NumPy 2
    _STAND_INS |= {
        (f"{_package}.multiarray", "_reconstruct"): _empty,
        (f"{_package}.multiarray", "scalar"): _scalar,
        (f"{_package}.numeric", "_frombuffer"): _from_buffer,
    }

"""Sizes that are known before memory is asked for."""

import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mmea_jax.errors import InputError
from mmea_jax.host_memory import host_memory

_GIB = 2**30
_CHUNK = 1 << 20


def refuse_size(needed: float, what: str, mend: str, file: Path | None = None) -> None:
    """Refuses what would not fit into the memory that is free.

    Args:
      needed: bytes, about.
      what: needs them; a plural.
      mend: what the user can do.
      file: at fault, if one is.

    Raises:
      InputError: with both figures.
    """
    free = host_memory()
    if free is not None and needed > free:
        raise InputError(
            f"{what}, which need about {needed / _GIB:,.1f} GiB of memory",
            expected=f"at most the {free / _GIB:,.1f} GiB that are free",
            mend=mend,
            file=file,
        )


def read_within(path: Path, times: float) -> bytes:
    """The content of a file, if it and what will be made of it, ``times`` its size, fit the memory.

    Raises:
      InputError: they do not.
      OSError: the file cannot be read.
    """
    size = path.stat().st_size
    refuse_size(size * times, f"{size:,} bytes of content", "take a smaller file, or a larger machine", path)
    return path.read_bytes()


def check_unpacked(path: Path, opened: Callable[[Path, str], BinaryIO], times: float) -> None:
    """Refuses a file whose content, unpacked and handled, would not fit the memory.

    Reads it once and keeps nothing: what a packed file says of its own size need not be true.

    Args:
      path: the file.
      opened: ``open``, or what unpacks alike.
      times: memory that the content takes, in units of its size.

    Raises:
      InputError: it would not fit.
      OSError: the file cannot be read, or is not packed that way.
    """
    size = 0
    with opened(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            what = f"{size:,} and more bytes when unpacked"
            refuse_size(size * times, what, "take a smaller file, or a larger machine", path)


def check_npy(stream: BinaryIO, size: int) -> None:
    """Refuses an array whose header promises more than its ``size`` bytes hold. Reads the header alone.

    Raises:
      ValueError: it does, or there is no header.
    """
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format")
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = read[version](stream)
    if math.prod(shape) * dtype.itemsize > size:
        raise ValueError(f"{dtype}{list(shape)}, {math.prod(shape) * dtype.itemsize:,} bytes in {size:,}")


def check_archive(archive: zipfile.ZipFile, path: Path, times: float) -> None:
    """Refuses a zip archive whose entries, unpacked and handled, would not fit the memory.

    Raises:
      InputError: they would not.
      ValueError: an entry is an array that promises more than the entry holds.
    """
    total = sum(entry.file_size for entry in archive.infolist())
    what = f"{total:,} bytes when unpacked"
    refuse_size(total * times, what, "take a smaller file, or a larger machine", path)
    for entry in archive.infolist():
        if entry.filename.endswith(".npy"):
            with archive.open(entry) as stream:
                check_npy(stream, entry.file_size)

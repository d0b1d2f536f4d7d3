"""The feature file that an encoder leaves, and beside it what it was made of."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmea_jax.data.formats.features import Features, write_features
from mmea_jax.errors import InputError

SUFFIXES = (".npz", ".safetensors")


def check_target(path: Path) -> None:
    """Refuses a file that could not be written, before any work is done.

    Raises:
      InputError: another suffix, or no such folder.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"the suffix {path.suffix!r}",
            expected=" or ".join(SUFFIXES),
            mend="give --out such a name",
            file=path,
        )
    if not path.parent.is_dir():
        raise InputError("no such folder", expected="one", mend="make it", file=path.parent)


def write_table(
    path: Path,
    keys: Sequence[int] | Sequence[str],
    vectors: Mapping[int, np.ndarray],
    made_of: Mapping[str, Any],
) -> str:
    """Writes float32[N, f] features, their keys and bool[N] mask; and ``path`` + ``.json``, what made them.

    Args:
      path: ``.npz`` or ``.safetensors``.
      keys: N entity ids or names.
      vectors: from a position in ``keys`` to float[f]; the others are absent, their rows zero.
      made_of: plain values: the model, its settings, counts.

    Returns:
      One line that says what was written.

    Raises:
      InputError: no vector at all.
    """
    if not vectors:
        raise InputError(
            f"nothing to encode for any of {len(keys)} entities",
            expected="a text or an image for one at least",
            mend="check what was given against the keys of the data set",
        )
    width = len(next(iter(vectors.values())))
    table = np.zeros((len(keys), width), np.float32)
    present = np.zeros(len(keys), bool)
    for position, vector in vectors.items():
        table[position], present[position] = vector, True
    write_features(path, Features(tuple(keys), table), present)
    counts = {"entities": len(keys), "present": int(present.sum()), "width": width}
    write_text(path.with_name(path.name + ".json"), json.dumps({**made_of, **counts}, indent=2) + "\n")
    return f"{path}: {present.sum():,} of {len(keys):,} entities have a vector of width {width:,}"


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 file, the whole or nothing."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(text.encode("utf-8", "surrogatepass"))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def table_line(*fields: object) -> str:
    """One line of a tab-separated table; tabs and line ends within fields become blanks."""
    return "\t".join(" ".join(str(field).split()) for field in fields) + "\n"

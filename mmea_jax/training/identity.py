"""What a checkpoint must share with a run that resumes from it: configuration, data, and the random key."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmea_jax.data import Bag, Dense
from mmea_jax.errors import InputError
from mmea_jax.training.writers import refuse_differences

# Features may differ by rounding from one machine to the next; by more, they are others.
_TOLERANCE = 1e-4


def fingerprint(exact: Iterable[np.ndarray], modalities: Mapping[str, Bag | Dense]) -> dict[str, Any]:
    """A digest of what training reads.

    Args:
      exact: integer arrays, such as triples and links.
      modalities: their masks and columns count exactly, their numbers up to rounding.

    Returns:
      Plain values for ``same_data``.
    """
    parts, numbers = list(exact), {}
    for name, rows in sorted(modalities.items()):
        parts.append(rows.present)
        if isinstance(rows, Bag):
            parts += [rows.offsets, rows.columns]
            numbers[name] = _moments(rows.values[:, None])
        else:
            parts.append(np.array(rows.features.shape))
            numbers[name] = _moments(rows.features)
    total = hashlib.sha256()
    for part in parts:
        total.update(f"{part.shape}".encode())
        total.update(np.ascontiguousarray(part, np.int64).tobytes())
    return {"sha256": total.hexdigest(), "features": numbers}


def same_data(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two fingerprints are of the same data."""
    if one["sha256"] != other["sha256"] or one["features"].keys() != other["features"].keys():
        return False
    pairs = ((one["features"][name], other["features"][name]) for name in one["features"])
    return all(abs(a - b) <= _TOLERANCE * max(norm, 1.0) for (a, norm), (b, _) in pairs)


def check_identity(stored: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Refuses to go on from a checkpoint of another run.

    Args:
      stored: ``config`` and ``data`` as the checkpoint has them.
      now: as this run has them.
      folder: of the checkpoints, for the message.

    Raises:
      InputError: naming the keys of the configuration that differ, or that the data do.
    """
    if not {"config", "data", "key", "progress"} <= stored.keys():
        raise InputError(
            "a checkpoint of an earlier version",
            expected="one with configuration, data and random key",
            mend="start anew with --fresh, or resume with the version that wrote it",
            file=folder,
        )
    refuse_differences(folder, stored["config"], now["config"])
    if not same_data(stored["data"], now["data"]):
        raise InputError(
            f"a run on other data (fingerprint {stored['data']['sha256'][:12]})",
            expected=f"a run on the data that were just read ({now['data']['sha256'][:12]})",
            mend="restore the data as they were when the run began, or start anew with --fresh",
            file=folder,
        )


def _moments(numbers: np.ndarray) -> list[float]:
    """A sum with weights that tell rows and columns apart, and the root of the sum of squares."""
    rows, columns = (np.cos(np.arange(size, dtype=np.float64)) for size in numbers.shape)
    numbers = numbers.astype(np.float32, copy=False)
    weighed = (numbers @ columns.astype(np.float32)).astype(np.float64)
    return [float(rows @ weighed), float(np.linalg.norm(numbers.astype(np.float32)))]

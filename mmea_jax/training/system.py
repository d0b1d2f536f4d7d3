"""What a run runs on: devices, memory, disk, versions, and the cache of compiled programs."""

import contextlib
import os
import platform
import resource
import shutil
import sys
from importlib import metadata
from pathlib import Path

import jax

import mmea_jax
from mmea_jax.errors import InputError
from mmea_jax.host_memory import host_memory

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "ott-jax", "numpy")
_CACHE_BYTES = 2 << 30
# Below this many free bytes a run cannot even leave its results.
_MIN_FREE = 1 << 20


def device_info() -> dict[str, str | int]:
    """``{"platform", "kind", "count", "processes"}`` of all devices of the run."""
    first = jax.devices()[0]
    return {
        "platform": first.platform,
        "kind": first.device_kind,
        "count": jax.device_count(),
        "processes": jax.process_count(),
    }


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of what its numbers depend on; what is absent is left out."""
    found = {"python": platform.python_version(), "mmea_jax": mmea_jax.__version__}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def peak_memory_bytes() -> int:
    """The fullest local device's peak; on CPU the process's peak resident size."""
    peaks = _device_stats("peak_bytes_in_use")
    if peaks:
        return max(peaks)
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def available_memory_bytes() -> int | None:
    """What a run may take: a device's limit, on CPU what the system and its control group allow.

    Returns:
      Bytes, of the smallest local device where there are several; None if unknown.
    """
    limits = _device_stats("bytes_limit")
    return min(limits) if limits else host_memory()


def use_compilation_cache(folder: str | os.PathLike) -> None:
    """Keeps compiled programs in ``folder``, made if need be; does nothing where it cannot be written."""
    folder = Path(folder).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # By default nothing that compiles within a second is kept.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    # JAX's own bound keeps a second file beside each entry and fails for good once a killed run has left an
    # entry without it; so old entries are dropped here.
    _drop_oldest(folder, _CACHE_BYTES)


def _drop_oldest(folder: Path, limit: int) -> None:
    """Deletes the files that were written first until the others take at most ``limit`` bytes."""
    files = []
    for path in folder.iterdir():
        # Another run may delete at the same time.
        with contextlib.suppress(OSError):
            stat = path.stat()
            files.append((stat.st_mtime, stat.st_size, path))
    total = 0
    for _, size, path in sorted(files, reverse=True):
        total += size
        if total > limit:
            with contextlib.suppress(OSError):
                path.unlink()


def check_writable(folder: Path) -> None:
    """Refuses a folder that cannot be made or written to, without touching the disk.

    Raises:
      InputError: for a file in its place, missing rights or a full disk.
    """
    nearest = folder
    while not nearest.exists():
        nearest = nearest.parent
    free = shutil.disk_usage(nearest).free
    if not nearest.is_dir():
        found, expected = "a file", "a folder, or a path where one can be made"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        found, expected = "a folder that cannot be written", "write access"
    elif free < _MIN_FREE:
        found, expected = f"a disk with {free:,} bytes free", f"at least {_MIN_FREE:,}"
    else:
        return
    raise InputError(
        found, expected=expected, mend="mend that, or choose another folder with --workdir", file=nearest
    )


def _device_stats(name: str) -> list[int]:
    """One of the local devices' memory statistics; empty on CPU and where a device keeps none."""
    if jax.default_backend() == "cpu":
        return []
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    return [one[name] for one in stats if name in one]

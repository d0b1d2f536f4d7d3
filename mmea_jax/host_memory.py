"""What memory the machine has left for this process, and how to give some back."""

import ctypes
import sys
from pathlib import Path


def give_back() -> None:
    """Returns memory that is free, but kept by the C library, to the system, where that is glibc.

    After a compilation of a training step that is most of a gigabyte, which a run would carry to its end.
    """
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # another C library
        return


def host_memory(root: Path = Path("/")) -> int | None:
    """Bytes that the system and the process's control group allow; None where that cannot be told.

    Args:
      root: of the file system in which the kernel tells.
    """
    known = [limit for limit in (_memory_available(root), *_group_limits(root)) if limit is not None]
    return min(known, default=None)


def _memory_available(root: Path) -> int | None:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    kib = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(kib[0]) * 1024 if kib else None


def _group_limits(root: Path) -> list[int]:
    """Limits of the process's control group (version 1 or 2) and of the groups around it."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    limits = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base, name = ("memory", "memory.limit_in_bytes") if controllers else ("", "memory.max")
        path = root / "sys/fs/cgroup" / base / group.lstrip("/")
        for folder in (path, *path.parents):
            limits += _limit(folder / name)
            if folder == root / "sys/fs/cgroup" / base:
                break
    return limits


def _limit(file: Path) -> list[int]:
    """The file's number, if there is one; version 2 writes ``max`` where there is no limit."""
    try:
        return [int(file.read_text())]
    except (OSError, ValueError):
        return []

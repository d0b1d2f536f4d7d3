import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from mmea_jax.host_memory import give_back, host_memory
from mmea_jax.training import system

GIB = 1 << 30


def _root(folder, meminfo_kib=None, cgroup=None, limits=()):
    """A file system with what the kernel would tell."""
    (folder / "proc" / "self").mkdir(parents=True)
    if meminfo_kib is not None:
        (folder / "proc" / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable:  {meminfo_kib} kB\n")
    if cgroup is not None:
        (folder / "proc" / "self" / "cgroup").write_text(cgroup)
    for name, value in limits:
        file = folder / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)
    return folder


def test_device_info_matches_jax():
    info = system.device_info()
    assert info["platform"] == jax.default_backend()
    assert (info["count"], info["processes"]) == (len(jax.devices()), 1)


def test_versions_name_what_numbers_depend_on():
    found = system.versions()
    assert found["numpy"] == np.__version__
    assert {"python", "mmea_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint"} <= set(found)


def test_peak_memory_grows_with_what_is_touched():
    before = system.peak_memory_bytes()
    block = np.ones(before // 8 + 20_000_000)
    assert system.peak_memory_bytes() > before
    assert system.peak_memory_bytes() >= block.nbytes


def test_available_memory_is_plausible():
    available = system.available_memory_bytes()
    assert available is None or 1 << 20 < available < 1 << 50


@pytest.mark.parametrize(
    ("cgroup", "limits", "expected"),
    [
        ("0::/\n", [("memory.max", "max\n")], 8 * GIB),
        ("0::/a/b\n", [("a/b/memory.max", "max\n"), ("a/memory.max", f"{3 * GIB}\n")], 3 * GIB),
        ("0::/\n", [("memory.max", f"{9 * GIB}\n")], 8 * GIB),
        ("4:cpu,memory:/x\n0::/\n", [("memory/x/memory.limit_in_bytes", f"{2 * GIB}\n")], 2 * GIB),
        ("3:cpu:/x\n", [("memory/x/memory.limit_in_bytes", f"{2 * GIB}\n")], 8 * GIB),
    ],
)
def test_the_smaller_of_system_and_group(tmp_path, cgroup, limits, expected):
    root = _root(tmp_path, 8 * GIB // 1024, cgroup, limits)
    assert host_memory(root) == expected


# Blocks too small for mmap, of which the last stays and holds the heap's end.
FREED = """
from pathlib import Path
from mmea_jax.host_memory import give_back
resident = lambda: int(Path("/proc/self/statm").read_text().split()[1])
blocks = [bytearray(4000) for _ in range(40_000)]
del blocks[:-1]
before = resident()
give_back()
print(before - resident())
"""


def test_what_is_free_goes_back_to_the_system():
    give_back()  # harmless wherever it is called
    if not Path("/proc/self/statm").exists() or os.confstr("CS_GNU_LIBC_VERSION") is None:
        return
    pages = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True).stdout
    assert int(pages) > 10_000


def test_unknown_memory_is_none(tmp_path):
    assert host_memory(tmp_path) is None


@pytest.fixture
def cache_settings():
    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
    )
    old = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in old.items():
        jax.config.update(name, value)


@pytest.mark.usefixtures("cache_settings")
def test_compilation_cache_is_set(tmp_path):
    system.use_compilation_cache(tmp_path / "new" / "cache")
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "new" / "cache")
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 0


@pytest.mark.usefixtures("cache_settings")
def test_compilation_cache_drops_its_oldest_entries(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "_CACHE_BYTES", 250)
    for age, name in enumerate(("new", "middle", "old")):
        (tmp_path / name).write_bytes(b"x" * 100)
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    system.use_compilation_cache(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"new", "middle"}


@pytest.mark.usefixtures("cache_settings")
def test_compilation_cache_passes_over_what_cannot_be_written(tmp_path, monkeypatch):
    before = jax.config.jax_compilation_cache_dir
    (tmp_path / "file").write_text("")
    system.use_compilation_cache(tmp_path / "file" / "cache")
    monkeypatch.setattr(os, "access", lambda *_: False)
    system.use_compilation_cache(tmp_path)
    assert jax.config.jax_compilation_cache_dir == before

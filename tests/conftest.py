"""Fixtures that tests of every layer share."""

import os
from pathlib import Path

from tests.flags import QUICK_COMPILE

# Before JAX is imported.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK_COMPILE}"

import hypothesis
import jax
import pytest

# The suite draws the same examples each time: what fails, fails for everyone, at the change that broke it.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")

REPOSITORY = Path(__file__).parents[1]
# Files that take a minute and more start first, or one of them would run alone at the end.
LONG = ("notebooks/test_notebooks", "test_killed", "test_many_devices", "_run", "own/test_align")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.path.with_suffix("").as_posix().endswith(LONG))


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """Programs that several tests compile alike are compiled once; XLA takes most of the suite's time."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("compiled")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data folder is absent")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of parity numbers."""
    return REPOSITORY / "tests" / "golden"

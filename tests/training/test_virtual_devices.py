import jax
import pytest

from mmea_jax.training.virtual_devices import give_threads


@pytest.fixture
def dispatch(monkeypatch):
    """What the function does to JAX's configuration."""
    found = []
    monkeypatch.setattr(jax.config, "update", lambda name, value: found.append((name, value)))
    return found


def test_virtual_devices_get_more_threads_than_they_are(dispatch):
    environment = {"XLA_FLAGS": "--a=1 --xla_force_host_platform_device_count=8 --b=2"}
    give_threads(environment)
    assert environment["NPROC"] == "32"
    assert dispatch == [("jax_cpu_enable_async_dispatch", False)]


@pytest.mark.parametrize("flags", ["", "--xla_force_host_platform_device_count=1"])
def test_one_device_is_left_alone(flags, dispatch):
    environment = {"XLA_FLAGS": flags}
    give_threads(environment)
    give_threads({})
    assert environment == {"XLA_FLAGS": flags}
    assert not dispatch


def test_what_the_user_has_set_stays(dispatch):
    environment = {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "NPROC": "3",
        "JAX_CPU_ENABLE_ASYNC_DISPATCH": "true",
    }
    give_threads(environment)
    assert environment["NPROC"] == "3"
    assert not dispatch

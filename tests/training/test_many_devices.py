"""Eight devices, and two processes, give what one device gives."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.training import processes
from mmea_jax.training.virtual_devices import give_threads
from tests.flags import QUICK_COMPILE
from tests.training.small_training import Small, assert_alike, trained

REPOSITORY = Path(__file__).parents[2]
_FLAGS = f"{QUICK_COMPILE} --xla_force_host_platform_device_count="


def start(devices: int, *arguments: str) -> subprocess.Popen:
    own = {"XLA_FLAGS": f"{_FLAGS}{devices}", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(REPOSITORY)}
    # Virtual devices share few threads: programs that wait for one another must not be queued up.
    own["JAX_CPU_ENABLE_ASYNC_DISPATCH"] = "false"
    give_threads(own)
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=REPOSITORY, env=os.environ | own, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process: subprocess.Popen) -> str:
    out, errors = process.communicate(timeout=900)
    assert process.returncode == 0, out + errors
    return out


def test_eight_devices():
    checks = str(Path(__file__).with_name("eight_devices.py"))
    out = finish(start(8, "-m", "pytest", "-n", "0", "-q", "--no-header", checks))
    assert "10 passed" in out


def test_two_processes_and_what_they_saved_on_one(tmp_path):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    program = str(Path(__file__).with_name("one_of_two_processes.py"))
    both = [start(1, program, str(port), str(index), str(tmp_path)) for index in (0, 1)]
    expected = trained(1)
    for process in both:
        losses, answers = json.loads(finish(process).splitlines()[-1])
        assert_alike(expected, (losses, {name: np.array(value) for name, value in answers.items()}))
    one = Small(1)
    np.testing.assert_allclose(one.losses(one.restore(tmp_path), 1), expected[0][2:], rtol=1e-5)


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({}, 1),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4"}, 1),
        (
            {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "n[1-2]", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
            | {"SLURM_NTASKS": "4"},
            4,
        ),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, 2),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, 1),
        ({"TPU_WORKER_HOSTNAMES": "10.0.0.1,10.0.0.2,10.0.0.3"}, 3),
    ],
)
def test_the_environment_names_the_processes(environment, count):
    assert processes.named_processes(environment) == count


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("h:1", None, 0), "all three"),
        (("h:1", 2, 2), "0 to 1"),
        (("h:1", 2, 1, False), "--workdir"),
    ],
)
def test_processes_that_cannot_join_are_refused(given, words):
    with pytest.raises(InputError, match=words):
        processes.join(*given)

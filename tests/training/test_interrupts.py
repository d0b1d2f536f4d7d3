"""The first signal stops at the end of what is held, the second at once, also within a long call."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from mmea_jax.main import _again
from mmea_jax.training.interrupts import EXIT_CODE, SIGNALS, Interrupted, Signals


@pytest.fixture
def signals():
    with Signals() as signals:
        yield signals


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_raises_at_once(signals, number):
    with pytest.raises(Interrupted):
        os.kill(os.getpid(), number)
    assert signals.requested


def test_what_is_held_comes_to_its_end(signals):
    done = []

    def save():
        os.kill(os.getpid(), signal.SIGTERM)
        done.append(signals.requested)

    with pytest.raises(Interrupted), signals.held():
        save()
    assert done == [True]


def test_an_error_within_is_not_hidden_by_the_signal(signals):
    def fail():
        os.kill(os.getpid(), signal.SIGINT)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), signals.held():
        fail()


def test_nothing_is_raised_without_a_signal_and_handlers_come_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    threads = threading.active_count()
    with Signals() as signals, signals.held():
        assert not signals.requested
    assert [signal.getsignal(number) for number in SIGNALS] == before
    for _ in range(100):
        if threading.active_count() <= threads:
            return
        time.sleep(0.01)
    raise AssertionError("the thread goes on")


def test_interrupted_passes_where_errors_are_taken_for_damage():
    assert not issubclass(Interrupted, Exception)


# One call of a minute, in which Python runs no handler, as a pass over the data is one.
_LONG_CALL = """
import hashlib
from mmea_jax.training.interrupts import Signals
with Signals() as signals, signals.held():
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 200_000_000)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_signal_ends_the_process_at_once(number):
    process = subprocess.Popen(
        [sys.executable, "-c", _LONG_CALL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stderr.readline() == "\n"
    assert "a second signal exits at once" in process.stderr.readline()
    assert process.poll() is None
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == 128 + number


def test_the_command_that_goes_on(tmp_path):
    command = ["--config", "configs/mimea.py:a b", "--workdir=x", "--fresh", "--config.seed=1"]
    expected = f"python -m mmea_jax.main --config 'configs/mimea.py:a b' --config.seed=1 --workdir {tmp_path}"
    assert _again(command, tmp_path) == expected
    apart = ["--workdir", "x", "--config", "configs/mimea.py:a b", "--nofresh", "--config.seed=1"]
    assert _again(apart, tmp_path) == expected
    assert EXIT_CODE == 75

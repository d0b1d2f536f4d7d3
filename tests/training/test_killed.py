"""Runs that are killed, stopped or refused by the disk end as if nothing had happened, to the bit.

The twenty random moments of each kind of run are not in the default suite:

    python -m pytest -n 0 -s -m slow tests/training/test_killed.py
"""

import random
import re
import resource
import shutil
import signal
import time

import pytest

from tests.training.subruns import (
    Subruns,
    assert_same,
    checkpoints,
    command_in,
    lines,
    wait_for_checkpoint,
    wait_for_passes,
)

KILLS = 20  # of each kind of run, outside the default suite


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def resumed_at(log: str) -> int | None:
    found = re.search(r"resuming after pass \d+, step (\d+)", log)
    return int(found[1]) if found else None


@pytest.fixture(scope="module")
def runs(compiled):
    """Of three stages, with pseudo-links."""
    return Subruns("iterative", compiled)


@pytest.fixture(scope="module")
def reference(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference") / "run"
    runs.finish(folder)
    return folder


@pytest.fixture(scope="module")
def stopped(runs, reference, tmp_path_factory):
    """The folder of a run that was killed in each stage, then stopped, and what it then said."""
    folder, draw = tmp_path_factory.mktemp("killed") / "run", random.Random()
    newest = None
    for stage in range(3):
        # Not after the first pass: the checkpoint before is then on disk or being written. And early in
        # the last stage, so that passes are left to be stopped in.
        last = stage == 2
        moment, delay = 6 * stage + draw.randint(2, 3 if last else 5), draw.uniform(0, 0.05 if last else 0.1)
        # Where passes are fast, the one killed before may have logged more: only a further one is this run's.
        moment = max(moment, lines(folder) + 1)
        print(f"killing {delay:.3f} s after pass {moment}")
        process = runs.start(folder)
        seen = wait_for_passes(process, folder, moment)
        time.sleep(delay)
        process.kill()
        _, log = process.communicate()
        assert process.returncode == -signal.SIGKILL, log
        assert resumed_at(log) == newest
        # At most what was being written is lost.
        newest = max(checkpoints(folder), default=None)
        assert (newest or -1) >= seen
    process = runs.start(folder)
    # What the killed runs logged is still there: only a new checkpoint says that this one is training.
    wait_for_checkpoint(process, folder, newest)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=600)
    assert process.returncode == 75, log
    assert resumed_at(log) == newest
    return folder, log


def test_a_stopped_run_has_saved_all_its_passes(stopped):
    folder, log = stopped
    assert "stopping after this pass" in log
    assert "Traceback" not in log
    events = (folder / "metrics.jsonl").read_text().splitlines()
    assert f'"step": {max(checkpoints(folder))},' in events[-1]
    assert not (folder / "results.json").exists()


def test_a_full_disk_is_one_error_and_leaves_the_checkpoints(runs, stopped, tmp_path):
    folder = shutil.copytree(stopped[0], tmp_path / "run")
    before = checkpoints(folder)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))  # noqa: E731
    process = runs.start(folder, preexec_fn=limit)
    _, log = process.communicate(timeout=600)
    assert process.returncode == 2, log
    # A thread of the storage library may still find its event loop closed, and says so itself.
    said = re.sub(r"Traceback [^\n]*\n(?:  [^\n]*\n)+RuntimeError: Event loop is closed\n", "", log)
    assert "Traceback" not in said
    message = log.strip().splitlines()[-1]
    assert message.startswith("mmea_jax: ")
    assert "a write that the disk refused" in message
    assert "--workdir" in message
    assert checkpoints(folder) == before


def test_killed_and_stopped_it_ends_as_if_it_had_run_through(runs, reference, stopped):
    folder, log = stopped
    process = runs.again(command_in(log))
    _, log = process.communicate(timeout=600)
    assert process.returncode == 0, log
    assert lines(folder) == lines(reference) == 18
    assert_same(folder, reference)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["umaea", "iterative", "adamf_mat"])
def test_killed_at_twenty_random_moments(kind, compiled, tmp_path):
    """From the start of the process to its end; a third of the moments falls among the passes."""
    runs, draw = Subruns(kind, compiled), random.Random()
    reference = tmp_path / "reference"
    runs.finish(reference)
    started = time.perf_counter()
    runs.finish(tmp_path / "warm")
    whole, passes = time.perf_counter() - started, lines(reference)
    assert_same(tmp_path / "warm", reference)
    for number in range(KILLS):
        folder = tmp_path / str(number)
        process = runs.start(folder)
        if number % 3 == 0:
            moment = draw.randint(1, passes)
            seen, delay = wait_for_passes(process, folder, moment), draw.uniform(0, 0.2)
            time.sleep(delay)
            moment = f"{delay:.3f} s after pass {moment}"
        else:
            seen, delay = -1, draw.uniform(0, whole)
            time.sleep(delay)
            moment = f"after {delay:.1f} of about {whole:.1f} s"
        process.kill()
        process.communicate()
        newest = max(checkpoints(folder), default=None)
        print(f"{kind}: killed {moment}, newest checkpoint {newest}", flush=True)
        assert (-1 if newest is None else newest) >= seen
        # Where the machine's speed changes it may have come to its end before: nothing is left to resume.
        ended = (folder / "results.json").exists()
        log = runs.finish(folder)
        assert resumed_at(log) == (None if ended else newest)
        assert_same(folder, reference)

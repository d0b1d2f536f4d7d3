import json
import subprocess
import sys

import pytest

from experiments.probe import PASSES, fastest, seconds_of_passes
from tests.small import small_completion, small_config


def test_the_first_pass_counts_only_where_it_is_alone():
    assert fastest([9.0]) == 9.0
    assert fastest([1.0, 3.0, 2.0]) == 2.0


@pytest.mark.parametrize(("method", "stages"), [("umaea", 3), ("mclea", 1), ("adamf_mat", 1)])
def test_every_stage_is_timed_and_nothing_is_left(method, stages, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = small_completion if method == "adamf_mat" else small_config
    found = seconds_of_passes(small(method, train__max_epochs=2))
    assert len(found) == stages
    assert all(seconds > 0 for seconds in found.values())
    assert not list(tmp_path.iterdir())


def test_the_command_writes_seconds_and_refuses_what_the_run_would(tmp_path):
    command = [sys.executable, "-m", "experiments.probe", "--config", "configs/eva.py", "--workdir", tmp_path]
    small = ["--config.data.synthetic.entities=60", "--config.train.max_epochs=2"]
    done = subprocess.run([*command, *small], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(json.loads((tmp_path / PASSES).read_text())) == {"main"}
    done = subprocess.run([*command, "--config.data.seed_ratio=2"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "seed_ratio" in done.stderr

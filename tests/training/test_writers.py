import errno
import json
import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX.proto import event_pb2

from mmea_jax.errors import InputError
from mmea_jax.training import system
from mmea_jax.training.writers import RunFolder

CONFIG = {"seed": 1, "train": {"rate": 0.1, "sizes": (1, 2)}, "data": {"visual": "files"}}


def _read_events(folder):
    """TensorBoard's events, straight from the record files: length, crc, bytes, crc."""
    for file in sorted(folder.glob("events.out.tfevents.*")):
        data = file.read_bytes()
        while data:
            size = int.from_bytes(data[:8], "little")
            yield event_pb2.Event.FromString(data[12 : 12 + size])
            data = data[16 + size :]


def _scalars(folder):
    return {(v.tag, e.step): v.simple_value for e in _read_events(folder) for v in e.summary.value}


def test_nothing_is_written_before_the_first_call_that_writes(tmp_path):
    with RunFolder(tmp_path / "a" / "b") as run:
        run.check_config(CONFIG)
        run.truncate_after(3)
        assert run.events() == []
    assert list(tmp_path.iterdir()) == []


def test_config_is_sorted_and_accepted_again(tmp_path):
    run = RunFolder(tmp_path / "deep" / "run")
    run.write_config(CONFIG)
    stored = json.loads((run.path / "config.json").read_text())
    assert list(stored) == ["data", "seed", "train"]
    run.check_config(CONFIG)


def test_another_config_is_refused_by_name(tmp_path):
    run = RunFolder(tmp_path)
    run.write_config(CONFIG)
    other = {"seed": 1, "train": {"rate": 0.2, "sizes": (1, 2)}, "data": {}, "new": None}
    with pytest.raises(
        InputError, match=r"train\.rate = 0\.1.*expected.*train\.rate = 0\.2.*--workdir"
    ) as error:
        run.check_config(other)
    assert "data.visual = 'files'" in error.value.found
    assert "new = None" in error.value.expected
    assert "seed" not in str(error.value)


def test_many_differences_are_counted(tmp_path):
    run = RunFolder(tmp_path)
    run.write_config({f"k{i}": 0 for i in range(9)})
    with pytest.raises(InputError, match="and 4 more"):
        run.check_config({f"k{i}": 1 for i in range(9)})


def test_unreadable_config_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"seed": ')
    with pytest.raises(InputError, match="cannot be read"):
        RunFolder(tmp_path).check_config(CONFIG)


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_file_in_the_folders_place_is_refused(tmp_path, below):
    (tmp_path / "file").write_text("")
    run = RunFolder(tmp_path / "file" / below)
    with pytest.raises(InputError, match="a file"):
        run.check_config(CONFIG)
    with pytest.raises(InputError, match="--workdir"):
        run.write_config(CONFIG)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write whatever the mode says
    with pytest.raises(InputError, match="cannot be written"):
        RunFolder(tmp_path / "run").check_config(CONFIG)


def test_a_full_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(system.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(InputError, match="10 bytes free"):
        RunFolder(tmp_path).check_config(CONFIG)


def test_results_turn_non_finite_and_arrays_into_json(tmp_path):
    file = RunFolder(tmp_path).write_results(
        {
            "a": float("nan"),
            "b": [np.float32("inf"), 1],
            "c": jnp.float32(0.5),
            "d": np.arange(2),
            "p": Path("x"),
        }
    )
    assert json.loads(file.read_text()) == {"a": None, "b": [None, 1], "c": 0.5, "d": [0, 1], "p": "x"}


def test_a_failed_write_keeps_the_old_file_and_no_rest(tmp_path, monkeypatch):
    run = RunFolder(tmp_path)
    run.write_results({"a": 1})

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        run.write_results({"a": 2})
    assert os.listdir(tmp_path) == ["results.json"]
    assert json.loads((tmp_path / "results.json").read_text()) == {"a": 1}


def test_a_text_that_utf_8_cannot_hold_is_written_all_the_same(tmp_path):
    assert RunFolder(tmp_path).write_text("a.tsv", "é\ud800\n").read_text("utf-8") == "é\\ud800\n"


def test_log_writes_lines_and_nested_scalars(tmp_path):
    with RunFolder(tmp_path) as run:
        run.log({"stage": "only"})
        run.log(
            {"step": 2, "train": {"joint": 1.5, "bad": np.nan}, "valid": {"l2r": {"hits@1": np.float32(0.5)}}}
        )
        run.log({"step": 4, "train": {"joint": 1.25}, "ok": True})
        assert [event.get("step") for event in run.events()] == [None, 2, 4]
        assert run.events()[1]["train"] == {"joint": 1.5, "bad": None}
    assert _scalars(tmp_path) == {
        ("train/joint", 2): 1.5,
        ("valid/l2r/hits_1", 2): 0.5,
        ("train/joint", 4): 1.25,
    }


def test_an_event_is_on_disk_at_once(tmp_path):
    run = RunFolder(tmp_path)
    run.log({"step": 1, "loss": 2.0})
    assert (tmp_path / "metrics.jsonl").read_bytes().endswith(b"\n")
    assert _scalars(tmp_path) == {("loss", 1): 2.0}
    run.close()


def test_appending_after_a_torn_line_starts_a_fresh_one(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_bytes(b'{"step": 1}\n{"step": 2, "lo\xc3')
    with RunFolder(tmp_path) as run:
        run.log({"step": 3})
        assert run.events() == [{"step": 1}, {"step": 3}]
        run.truncate_after(3)
    assert metrics.read_text() == '{"step": 1}\n{"step": 3}\n'


def test_resuming_drops_later_events_and_purges_tensorboard(tmp_path):
    with RunFolder(tmp_path) as run:
        for step in (1, 2, 3):
            run.log({"step": step, "loss": float(step)})
    with RunFolder(tmp_path) as run:
        run.truncate_after(2)
        assert [event["step"] for event in run.events()] == [1, 2]
        run.log({"step": 3, "loss": 9.0})
        assert run.events()[-1] == {"step": 3, "loss": 9.0}
    starts = [e.step for e in _read_events(tmp_path) if e.session_log.status == event_pb2.SessionLog.START]
    assert starts == [3]


def test_a_full_disk_while_logging_reads_as_input_error(tmp_path, monkeypatch):
    run = RunFolder(tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(InputError, match="No space left"):
            run.log({"step": 1})
    run.close()


def test_only_results_of_training_finish_a_run(tmp_path):
    run, config = RunFolder(tmp_path), {"seed": 0}
    assert run.finished(config) is None
    run.write_config(config)
    run.write_results({"test": {}})
    assert run.finished(config) is None
    run.write_results({"test": {}, "stages": []})
    assert run.finished(config) == {"test": {}, "stages": []}
    with pytest.raises(InputError, match=r"seed = 0.*seed = 1.*--fresh"):
        run.finished({"seed": 1})
    (tmp_path / "results.json").write_text("[1")
    assert run.finished(config) is None


@pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000, "3"])
def test_a_configuration_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match="cannot be read"):
        RunFolder(tmp_path).check_config({"seed": 0})

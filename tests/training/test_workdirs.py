"""Which folder a run takes, and that no name leads out of where it belongs."""

from pathlib import Path

import pytest

from mmea_jax.data import DataOptions, load
from mmea_jax.data.completion_load import load_completion
from mmea_jax.data.completion_options import CompletionOptions
from mmea_jax.errors import InputError
from mmea_jax.training.workdirs import default_workdir, fresh


def test_fresh_takes_the_first_free_folder(tmp_path):
    folder = tmp_path / "run"
    assert fresh(folder) == folder
    folder.mkdir()
    assert fresh(folder) == folder
    (folder / "config.json").write_text("{}")
    assert fresh(folder) == tmp_path / "run-2"
    (tmp_path / "run-2").write_text("a file")
    assert fresh(folder) == tmp_path / "run-3"


def test_the_default_lies_below_runs():
    assert default_workdir("mimea", "DBP15K/zh_en", "now") == Path("runs/mimea/DBP15K/zh_en/now")


OUTSIDE = ["..", "../x", "a/../../x", "/etc", "a/..", "..\\x", "a\0b"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_data_set_leads_out(tmp_path, name):
    with pytest.raises(InputError, match=r"data\.dataset"):
        default_workdir("mimea", name, "now")
    with pytest.raises(InputError, match=r"data\.dataset"):
        load(DataOptions(dataset=name, root=tmp_path))
    with pytest.raises(InputError, match=r"data\.dataset"):
        load_completion(CompletionOptions(dataset=name, root=tmp_path))

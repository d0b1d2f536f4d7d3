import subprocess
import sys

import pytest

from experiments import ablation
from experiments.ablation import FULL, VARIANTS, cells_of, main, parse, report, variants_of
from experiments.sweep import method_of, run_cells
from mmea_jax.training.completion.settings import read_completion_settings
from mmea_jax.training.methods import METHODS as REGISTERED
from mmea_jax.training.settings import read_settings
from tests.experiments.fakes import FakeRuns
from tests.small import load_config

METHODS = sorted(VARIANTS)


def apply(config, flag):
    """Sets ``--config.a.b=value`` as the command line would."""
    key, _, text = flag.removeprefix("--config.").partition("=")
    *path, last = key.split(".")
    for part in path:
        config = config[part]
    before = config[last]  # an unknown key raises here
    kinds = {bool: lambda t: t == "True", tuple: lambda t: eval(t, {}), float: float, int: int}
    config[last] = kinds.get(type(before), str)(text)
    return before != config[last]


@pytest.mark.parametrize("method", METHODS)
def test_every_variant_is_a_valid_configuration_that_differs_from_the_full_one(method):
    variants = variants_of(method)
    assert next(iter(variants)) == FULL
    completes = load_config(method).get("task") == "completion"
    others = {"without text"} if completes else {"without attribute"}
    assert {"without visual", "structure alone", *others} <= set(variants)
    assert ("without relation" in variants) == (load_config(method).data.get("relation", "none") != "none")
    assert len({flags for flags in variants.values()}) == len(variants)
    for name, flags in variants.items():
        config = load_config(method)
        changed = [apply(config, flag) for flag in flags]
        (read_completion_settings if completes else read_settings)(config)
        assert any(changed) or name == FULL, name


def test_every_registered_method_has_variants_of_its_own():
    assert set(VARIANTS) == {*REGISTERED, "adamf_mat"}


def test_the_parts_that_papers_switch_off_are_there():
    assert {"without CMMI", "without late refinement", "without confidence"} <= set(VARIANTS["umaea"])
    parts = {"without transport", "without adaptive contrast", "without Beta fusion"}
    assert parts <= set(VARIANTS["mimea"])
    parts = {"without imputation", "without commonality enhancement", "without abstracts"}
    assert parts <= set(VARIANTS["tmea"])
    assert {"without MAT", "without adaptive fusion (equal weights)"} <= set(VARIANTS["adamf_mat"])


def test_runs_are_variants_times_seeds_and_a_variant_has_the_last_word():
    cells = cells_of(["configs/eva.py:DBP15K/zh_en"], (0, 1), common=("--config.data.visual=simulated",))
    assert len(cells) == 2 * len(variants_of("eva"))
    without = next(cell for cell in cells if cell.labels["variant"] == "without visual")
    assert without.overrides[:2] == ("--config.data.visual=simulated", "--config.data.visual=none")
    only = cells_of(["configs/eva.py"], only=["without visual"])
    assert [cell.labels["variant"] for cell in only] == ["without visual"]


def test_the_table_says_what_a_part_is_worth(tmp_path):
    configs = ["configs/mclea.py", "configs/eva.py"]
    call = FakeRuns(lambda command: 0.55 if "--config.data.relation=none" in command else 0.7)
    rows = run_cells(cells_of(configs, (0, 1)), tmp_path / "a.csv", tmp_path / "runs", call)
    page = report(rows)
    assert page.count("## configs/") == 2
    (line,) = [row for row in page.splitlines() if row.startswith("| without relation")][:1]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["without relation", "0.550 ± 0.000", "-0.150", "0.650 ± 0.000", "0.600 ± 0.000",
                     "0.550 ± 0.000", "2.0", "2.0", "2"]  # fmt: skip
    assert "| full " in page


def test_the_command_writes_the_table_and_its_exit_code_says_whether_all_runs_are_in_it(
    tmp_path, monkeypatch
):
    asked = ["--config", "configs/adamf_mat.py", "--out", str(tmp_path), "--only", FULL, "without MAT"]
    broken = FakeRuns(lambda command: None if "--config.model.adversarial=0.0" in command else 0.6)
    monkeypatch.setattr("experiments.ablation.subprocess.call", broken)
    assert main(asked) == 1
    monkeypatch.setattr("experiments.ablation.subprocess.call", FakeRuns(lambda command: 0.5))
    assert main(asked) == 0
    page = (tmp_path / "ablation.md").read_text()
    assert "## configs/adamf_mat.py" in page
    (line,) = [row for row in page.splitlines() if row.startswith("| without MAT")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:5] == ["without MAT", "0.500", "-0.100", "0.600", "0.530"]


def test_the_command_line_refuses_what_it_does_not_know(capsys):
    for bad, message in (
        (["--config", "configs/nothing.py", "--out", "o"], "no ablation of 'nothing'"),
        (["--config", "configs/eva.py", "--out", "o", "--only", "without luck"], "no variant 'without luck'"),
    ):
        with pytest.raises(SystemExit):
            parse(bad)
        assert message in capsys.readouterr().err
    asked = parse(
        ["--config", "configs/eva.py:DBP15K/zh_en", "--out", "o", "--", "--config.data.visual=none"]
    )
    assert asked.common == ["--config.data.visual=none"]
    assert method_of(asked.config[0]) == "eva"


def test_the_command_runs_what_is_missing_and_writes_the_tables(tmp_path, monkeypatch, capsys):
    runs = FakeRuns(lambda command: 0.4 if "--config.model.contrast=False" in command else 0.5)
    monkeypatch.setattr(subprocess, "call", runs)
    asked = ["ablation", "--config", "configs/mclea.py", "--only", FULL, "without modal contrast"]
    monkeypatch.setattr(sys, "argv", [*asked, "--out", str(tmp_path)])
    ablation.main()
    assert len(runs.commands) == 2
    page = (tmp_path / "ablation.md").read_text()
    assert page in capsys.readouterr().out
    (row,) = [line for line in page.splitlines() if "without modal contrast" in line]
    assert "-0.100" in row
    ablation.main()
    assert len(runs.commands) == 2

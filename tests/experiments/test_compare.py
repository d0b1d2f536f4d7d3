import argparse
import csv
import functools
import sys
import threading

import pytest

from experiments import compare
from experiments.budget import configured_epochs, epochs_within
from experiments.compare import ORDER, Study, fitted, heading, main, parse, published, report
from experiments.devices import run_on_devices
from experiments.sweep import run_cells
from mmea_jax.training.methods import METHODS as METHODS_OF_ALIGNMENT
from tests.experiments.fakes import FakeRuns, flag
from tests.small import load_config

METHODS = ("eva", "mclea", "mimea")


def by_method(command):
    name = next(m for m in METHODS if f"configs/{m}.py" in command[command.index("--config") + 1])
    return {"eva": 0.5, "mclea": 0.6, "mimea": 0.7}[name] + 0.01 * int(flag(command, "config.seed")) ** 2


def study(**fields):
    return Study(**({"methods": METHODS, "seed_ratios": (0.05, 0.3), "seeds": (0, 1, 2)} | fields))


def test_every_combination_is_one_run_with_its_own_flags():
    cells = study(data=("synthetic", "DBP15K/zh_en"), flags=("--config.data.visual=none",)).cells()
    assert len(cells) == 2 * 2 * 3 * 3
    assert len({tuple(cell.labels.values()) for cell in cells}) == len(cells)
    command = cells[-1].command("folder")
    assert "configs/mimea.py:DBP15K/zh_en" in command
    assert flag(command, "config.data.seed_ratio") == "0.3"
    # All methods see the same split of a seed.
    assert flag(command, "config.seed") == flag(command, "config.data.split_seed") == "2"
    assert flag(command, "config.data.visual") == "none"


def test_a_split_from_files_has_no_seed_ratio():
    cells = study(data=("DBP15K/zh_en/published_0.3_3408",), seeds=(4,)).cells()
    assert len(cells) == len(METHODS)
    assert cells[0].labels["ratio"] == "file"
    assert not any("seed_ratio" in part or "split_seed" in part for part in cells[0].overrides)


def test_variants_add_their_flags():
    few = "--config.data.missing.visual=0.05"
    cells = study(variants={"few": (few,), "all": ()}, seeds=(0,)).cells()
    assert [cell.labels["variant"] for cell in cells].count("few") == len(cells) // 2
    assert all((few in cell.overrides) == (cell.labels["variant"] == "few") for cell in cells)


def test_no_flag_of_every_run_makes_a_label_untrue():
    cells = study(flags=("--config.data.seed_ratio=0.9", "--config.seed=9")).cells()
    for cell in cells:
        last = dict(part.split("=") for part in cell.overrides)
        assert last["--config.data.seed_ratio"] == str(cell.labels["ratio"])
        assert last["--config.seed"] == str(cell.labels["seed"])


def test_a_study_goes_on_where_it_stopped_and_its_page_names_best_and_second(tmp_path):
    cells = study().cells()
    first = FakeRuns(
        lambda command: (
            None if "mimea" in command[4] and flag(command, "config.seed") == "2" else by_method(command)
        )
    )
    rows = run_on_devices(cells, tmp_path / "a.csv", tmp_path / "runs", call=first)
    assert len(rows) == len(cells) - 2
    again = FakeRuns(by_method)
    rows = run_on_devices(cells, tmp_path / "a.csv", tmp_path / "runs", call=again)
    assert len(again.commands) == 2
    with (tmp_path / "a.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(rows) == len(cells)
    page = report(rows, "Heading.")
    assert "**0.717 ± 0.021**" in page
    assert "*0.617 ± 0.021*" in page
    assert "1.50 M" in page
    assert "| 2.0 " in page
    assert "mimea − mclea: +0.100 Hits@1, n = 3 paired seeds" in page
    assert "## synthetic: Hits@1 by seed ratio" in page


def test_one_seed_is_no_test(tmp_path):
    rows = run_on_devices(study(seeds=(0,)).cells(), tmp_path / "a.csv", tmp_path, call=FakeRuns(by_method))
    assert "paired seeds" not in report(rows, "Heading.")


def test_devices_run_side_by_side_and_each_run_has_one(tmp_path):
    together = threading.Barrier(2, timeout=20)  # breaks unless two runs are under way at once

    def wait(command):
        together.wait()
        return by_method(command)

    cells = study(seed_ratios=(0.3,), seeds=(0, 1), methods=("eva", "mimea")).cells()
    call = FakeRuns(wait)
    rows = run_on_devices(cells, tmp_path / "a.csv", tmp_path / "runs", ("3", "5"), call)
    assert sorted(call.devices) == ["3", "3", "5", "5"]
    assert [(row["method"], row["seed"]) for row in rows] == [
        (cell.labels["method"], cell.labels["seed"]) for cell in cells
    ]


def test_what_failed_on_a_device_is_tried_once(tmp_path, capsys):
    cells = study(seed_ratios=(0.3,), seeds=(0,)).cells()
    call = FakeRuns(lambda command: None if "eva" in command[4] else 0.5)
    rows = run_on_devices(cells, tmp_path / "a.csv", tmp_path / "runs", ("0",), call)
    assert len(call.commands) == 3
    assert [row["method"] for row in rows] == ["mclea", "mimea"]
    assert "eva" in capsys.readouterr().err


def test_a_budget_of_minutes_becomes_passes_and_is_probed_once_a_setting(tmp_path):
    call = FakeRuns(seconds_per_epoch=2.0)
    cells = fitted(study(seed_ratios=(0.3,)).cells(), 5.0, tmp_path, call)
    assert len(call.commands) == len(METHODS)
    assert all(flag(command, "config.train.max_epochs") == "4" for command in call.commands)
    for cell in cells:
        assert "--config.stages.main.epochs=150" in cell.overrides
        assert not any("max_epochs" in part for part in cell.overrides)
    fitted(study(seed_ratios=(0.3,)).cells(), 5.0, tmp_path, call)
    assert len(call.commands) == len(METHODS), "the probes are kept"


def test_variants_share_a_probe_where_they_are_said_to_cost_the_same(tmp_path):
    cells = study(seed_ratios=(0.3,), variants={"few": ("--config.a=1",), "all": ("--config.a=2",)}).cells()
    for once, probes in ((True, len(METHODS)), (False, 2 * len(METHODS))):
        call = FakeRuns(seconds_per_epoch=2.0)
        planned = fitted(cells, 5.0, tmp_path / str(once), call, once)
        assert len(call.commands) == probes
        assert all("--config.stages.main.epochs=150" in cell.overrides for cell in planned)


def test_a_changed_command_is_probed_again(tmp_path):
    call = FakeRuns(seconds_per_epoch=2.0)
    for flags in ((), ("--config.data.visual=none",), ("--config.data.visual=none",)):
        fitted(study(seed_ratios=(0.3,), flags=flags, methods=("eva",)).cells(), 5.0, tmp_path, call)
    assert len(call.commands) == 2


def test_a_failed_probe_stops_the_study(tmp_path):
    with pytest.raises(RuntimeError, match="eva"):
        fitted(study().cells(), 5.0, tmp_path, FakeRuns(lambda command: None))


def test_passes_keep_the_proportion_of_the_stages():
    assert epochs_within(10, {"one": 100, "two": 50}, {"one": 2.0, "two": 8.0}) == {"one": 100, "two": 50}
    assert epochs_within(1, {"one": 100, "two": 50}, {"one": 2.0, "two": 8.0}) == {"one": 10, "two": 5}
    assert epochs_within(0.001, {"one": 100, "two": 50}, {"one": 2.0, "two": 8.0}) == {"one": 1, "two": 1}


@pytest.mark.parametrize("mode", ["", "DBP15K/zh_en"])
@pytest.mark.parametrize("method", ["eva", "umaea"])
def test_configured_passes_are_those_of_the_configuration_file_for_that_data(method, mode):
    expected = {name: stage.epochs for name, stage in load_config(method, mode).stages.items()}
    assert configured_epochs(f"configs/{method}.py" + (f":{mode}" if mode else "")) == expected
    assert len(expected) == (3 if method == "umaea" else 1)


def test_published_numbers_stand_beside_the_same_data_and_ratio_alone():
    assert published("eva", "DBP15K/zh_en", 0.3) == "0.683"
    assert published("eva", "DBP15K/zh_en/published_0.3_3408", "file") == "0.683"
    assert published("eva", "DBP15K/zh_en", 0.2) == "-"
    assert published("eva", "DBP15K/zh_en/published_0.2_3408", "file") == "-"
    assert published("eva", "synthetic", 0.3) == "-"
    assert published("mimea", "DBP15K/zh_en", 0.3) == "-"

    assert published("adamf_mat", "MKGC/DB15K", "-") == "0.351"
    assert published("adamf_mat", "DBP15K/zh_en", "-") == published("complex", "MKGC/DB15K", "-") == "-"


def test_every_method_of_alignment_is_compared_unless_said_otherwise():
    assert sorted(parse(["--out", "o"]).methods) == sorted(METHODS_OF_ALIGNMENT)


def test_completion_has_no_seed_ratio_and_no_flag_of_alignment():
    cells = study(methods=("mimea", "adamf_mat"), data=("DBP15K/zh_en", "MKGC/DB15K")).cells()
    own = [cell for cell in cells if cell.labels["method"] == "adamf_mat"]
    assert [(cell.labels["data"], cell.labels["ratio"], cell.labels["seed"]) for cell in own] == [
        (data, "-", seed) for data in ("DBP15K/zh_en", "MKGC/DB15K") for seed in (0, 1, 2)
    ]
    assert own[1].overrides == ("--config.seed=1", "--config.data.split_seed=1")
    assert len(cells) == len(own) + 2 * 2 * 3
    config = load_config("adamf_mat", "DBP15K/zh_en")
    for flag_ in own[1].overrides:
        *path, last = flag_.removeprefix("--config.").partition("=")[0].split(".")
        assert last in (config[path[0]] if path else config)


def test_completion_has_a_table_of_its_own_and_is_told_apart_by_mrr(tmp_path):
    def hits(command):
        better = 0.1 if "configs/adamf_mat.py:MKGC/DB15K" in command else 0.0
        return 0.5 + better + 0.01 * int(flag(command, "config.seed")) ** (2 if better else 1)

    asked = study(methods=("eva", "rotate", "adamf_mat"), data=("MKGC/DB15K",), seed_ratios=(0.3,))
    rows = run_on_devices(asked.cells(), tmp_path / "a.csv", tmp_path / "runs", call=FakeRuns(hits))
    page = report(rows, "Heading.")
    alignment, completion = page.split("## MKGC/DB15K, completion")
    assert "## MKGC/DB15K, seed ratio 0.3" in alignment
    assert "rotate" not in alignment
    assert "published MRR" in completion
    (line,) = [row for row in completion.splitlines() if row.startswith("| adamf_mat")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:6] == [
        "adamf_mat",
        "**0.617 ± 0.021**",
        "**0.667 ± 0.021**",
        "**0.717 ± 0.021**",
        "**0.647 ± 0.021**",
        "0.351",
    ]
    assert "adamf_mat − rotate: +0.107 MRR, n = 3 paired seeds" in completion
    assert "by seed ratio" not in page


def test_a_budget_of_completion_is_passes_over_the_triples(tmp_path):
    call = FakeRuns(seconds_per_epoch=3.0)
    cells = fitted(study(methods=("adamf_mat",), seeds=(0, 1)).cells(), 5.0, tmp_path, call)
    (command,) = call.commands
    assert not any("matching" in part for part in command)
    assert all(cell.overrides[-1] == "--config.train.epochs=100" for cell in cells)
    assert configured_epochs("configs/adamf_mat.py:MKGC/DB15K") == {"adamf_mat": 1000}


def test_the_command_writes_the_page_and_its_exit_code_says_whether_all_runs_are_in_it(tmp_path, monkeypatch):
    asked = ["--methods", "eva", "adamf_mat", "--out", str(tmp_path), "--seeds", "0", "1"]
    broken = FakeRuns(lambda command: None if "configs/eva.py" in command else 0.4)
    for call, code, runs in ((broken, 1, 2), (FakeRuns(), 0, 4)):
        monkeypatch.setattr(
            "experiments.compare.run_on_devices",
            lambda cells, out, root, devices, call=call: run_cells(cells, out, root, call),
        )
        assert main(asked) == code
        with (tmp_path / "compare.csv").open() as file:
            assert len(list(csv.DictReader(file))) == runs
    page = (tmp_path / "compare.md").read_text()
    assert "## synthetic, seed ratio 0.3" in page
    assert "## synthetic, completion" in page


def test_the_command_line():
    asked = parse(
        ["--out", "o", "--minutes", "2", "--variant", "a=--config.x=1", "--", "--config.data.visual=none"]
    )
    assert set(METHODS) <= set(asked.methods) <= set(ORDER)
    assert asked.flags == ["--config.data.visual=none"]
    assert "2 minutes of optimizer steps" in heading(asked)
    assert "--config.data.visual=none" in heading(asked)
    with pytest.raises(SystemExit):
        parse(["--out", "o", "--minutes", "2", "--epochs", "3"])
    assert "at most 3 passes" in heading(argparse.Namespace(minutes=None, epochs=3, flags=[]))


def test_the_command_runs_what_is_missing_and_writes_the_page(tmp_path, monkeypatch, capsys):
    runs = FakeRuns(by_method)
    monkeypatch.setattr(compare, "run_on_devices", functools.partial(run_on_devices, call=runs))
    asked = ["compare", "--methods", "eva", "mclea", "--seeds", "0", "1", "--epochs", "2"]
    monkeypatch.setattr(sys, "argv", [*asked, "--out", str(tmp_path), "--", "--config.data.visual=none"])
    compare.main()
    assert len(runs.commands) == 4
    assert all(flag(command, "config.train.max_epochs") == "2" for command in runs.commands)
    assert all(flag(command, "config.data.visual") == "none" for command in runs.commands)
    page = (tmp_path / "compare.md").read_text()
    assert page in capsys.readouterr().out
    assert "**0.605" in page
    assert "python -m experiments.compare --methods eva mclea --seeds 0 1" in page
    compare.main()
    assert len(runs.commands) == 4

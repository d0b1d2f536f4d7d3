"""A study of many runs: what is finished is skipped, what failed is tried again, and no row is mixed up."""

import csv
import json
import statistics
from pathlib import Path

import pytest

from experiments.sweep import MEASURES, Cell, mean_and_sd, measures, run_cells, shown, text_table, write_csv


def results(hits: float) -> dict:
    """The parts of a ``results.json`` that a study reads."""
    found = {"hits@1": hits, "hits@10": hits + 0.1, "mrr": hits + 0.05}
    return {
        "test": {"csls": {"l2r": found, "r2l": {k: v / 2 for k, v in found.items()}}},
        "unimodal": {"structure": {"hits@1": 0.2}, "visual": {"hits@1": 0.3}},
        "stages": [{"best_valid_mrr": 0.1}, {"best_valid_mrr": 0.4}],
        "counts": {"test_links": 70},
        "seconds": {"train": 90.0, "compile": 30.0},
        "parameters": 1_000,
        "peak_memory_bytes": 2**31,
    }


def of_completion(mrr: float) -> dict:
    """The parts of a completion run's ``results.json`` that a study reads."""
    found = {"mrr": mrr, "mr": 9.0, "hits@1": mrr - 0.1, "hits@3": mrr, "hits@10": mrr + 0.1}
    ends = {"both": found, "head": found, "tail": found}
    seen = {end: {**own, "mrr": mrr + 0.05} for end, own in ends.items()}
    return results(0.0) | {
        "task": "completion",
        "test": {"filtered": ends, "filtered_seen": seen},
        "counts": {"test_triples": 50},
    }


class Machine:
    """Stands for the command line: writes results, or fails for the seeds it is told to."""

    def __init__(self, broken=()):
        self.broken, self.calls, self.results = set(broken), [], results

    def __call__(self, command):
        flags = dict(part.split("=") for part in command if part.startswith("--config."))
        seed = int(flags["--config.seed"])
        self.calls.append(seed)
        if seed in self.broken:
            return 2
        folder = Path(command[command.index("--workdir") + 1])
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps(self.results(seed / 10)))
        return 0


def cells(seeds=(0, 1, 2), flag="--config.model.width=8"):
    return [
        Cell({"method": "umaea", "seed": s}, "configs/umaea.py", (flag, f"--config.seed={s}")) for s in seeds
    ]


def test_one_row_a_cell_in_their_order_and_finished_ones_are_skipped(tmp_path):
    machine, out = Machine(), tmp_path / "out.csv"
    rows = run_cells(cells(), out, tmp_path / "runs", machine)
    assert machine.calls == [0, 1, 2]
    assert [row["hits@1"] for row in rows] == [0.0, 0.1, 0.2]
    assert set(rows[0]) == {"method", "seed", *MEASURES}
    assert rows[1]["best modality"] == "visual"
    assert rows[1]["valid mrr"] == 0.4
    assert rows[1]["minutes"] == 2
    with out.open() as file:
        written = list(csv.DictReader(file))
    assert [float(row["hits@1"]) for row in written] == [0.0, 0.1, 0.2]
    assert [row["seed"] for row in written] == ["0", "1", "2"]
    again = run_cells(cells((0, 1, 2, 3)), out, tmp_path / "runs", machine)
    assert machine.calls == [0, 1, 2, 3]
    assert again[:3] == rows


def test_a_failed_cell_is_left_out_reported_and_tried_again(tmp_path, capsys):
    machine = Machine(broken=[1])
    rows = run_cells(cells(), tmp_path / "out.csv", tmp_path / "runs", machine)
    assert [row["seed"] for row in rows] == [0, 2]
    assert "failed: method umaea, seed 1 (exit code 2)" in capsys.readouterr().err
    machine.broken.clear()
    assert len(run_cells(cells(), tmp_path / "out.csv", tmp_path / "runs", machine)) == 3
    assert machine.calls == [0, 1, 2, 1]


def test_equal_labels_with_another_command_are_refused(tmp_path):
    run_cells(cells(), tmp_path / "out.csv", tmp_path / "runs", Machine())
    with pytest.raises(ValueError, match=r"width=8.*width=9.*choose another folder"):
        run_cells(cells(flag="--config.model.width=9"), tmp_path / "out.csv", tmp_path / "runs", Machine())


def test_folders_of_different_labels_differ_and_need_no_odd_names():
    labels = [{"data": d, "method": m} for d in ("DBP15K/zh_en", "synthetic") for m in ("a b", "a")]
    folders = {Cell(own, "x").folder(Path("runs")) for own in labels}
    assert len(folders) == 4
    assert Path("runs/data=DBP15K_zh_en/method=a_b") in folders


def test_the_command_has_config_folder_and_flags():
    command = Cell({"seed": 1}, "configs/umaea.py:DBP15K/zh_en", ("--config.seed=1",)).command(Path("there"))
    run = ["-m", "mmea_jax.main", "--config", "configs/umaea.py:DBP15K/zh_en", "--workdir", "there"]
    assert command[1:] == [*run, "--config.seed=1"]


def test_mean_and_deviation_over_what_is_left_out():
    rows = [{"method": m, "seed": s, "mrr": v} for m, s, v in [("a", 0, 0.1), ("b", 0, 0.5), ("a", 1, 0.4)]]
    found = mean_and_sd(rows, ["method"], "mrr")
    assert found[("a",)] == (0.25, statistics.stdev([0.1, 0.4]), 2)
    assert found[("b",)] == (0.5, None, 1)
    assert shown(found[("b",)]) == "0.500"
    assert shown(found[("a",)]) == "0.250 ± 0.212"


def test_a_table_has_aligned_columns():
    lines = text_table(["method", "x"], [["a", "0.5"], ["much longer", "1"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].replace("-", "").replace("|", "").strip() == ""


def test_a_half_written_file_never_replaces_the_whole_one(tmp_path):
    path = tmp_path / "out.csv"
    write_csv(path, [{"a": 1.23456789}])
    assert path.read_text().splitlines() == ["a", "1.23457"]
    with pytest.raises(ValueError, match="fields not in"):
        write_csv(path, [{"a": 1}, {"a": 1, "b": 2}])
    assert path.read_text().splitlines() == ["a", "1.23457"]


def test_measures_are_those_of_either_task_under_the_same_names():
    assert list(measures(results(0.5))) == list(measures(of_completion(0.5))) == list(MEASURES)
    found = measures(of_completion(0.5))
    assert (found["hits@1"], found["hits@3"], found["hits@10"]) == (0.4, 0.5, 0.6)
    assert (found["mrr"], found["seen mrr"], found["tests"]) == (0.5, 0.55, 50)
    assert found["best modality hits@1"] is found["r2l mrr"] is None
    assert found["minutes"] == 2
    unseen = of_completion(0.5)
    del unseen["test"]["filtered_seen"]
    assert measures(unseen)["seen mrr"] is None


def test_what_no_run_of_a_group_knows_is_a_dash_and_an_empty_field(tmp_path):
    rows = [
        {"method": "a", **measures(results(0.5))},
        {"method": "b", **measures(of_completion(0.5))},
    ]
    assert set(mean_and_sd(rows, ["method"], "seen mrr")) == {("b",)}
    assert shown(mean_and_sd(rows, ["method"], "seen mrr").get(("a",))) == "-"
    write_csv(tmp_path / "out.csv", rows)
    with (tmp_path / "out.csv").open() as file:
        assert [row["seen mrr"] for row in csv.DictReader(file)] == ["", "0.55"]

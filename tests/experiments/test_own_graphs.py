"""Alignment by how many links are known, with the runs themselves replaced."""

import json
from pathlib import Path

import pytest

from experiments import own_graphs
from experiments.own_graphs import LINKS, MEASURES, main, run_all, table, write_seeds
from mmea_jax import align

GOLD = {"links": 1400, "without_counterpart": 12, "hits@1": 0.75, "ece": 0.0312, "precision": 0.9}
RESULTS = {"alignment": {"gold": GOLD, "threshold": 0.4}, "seconds": {"train": 90.0, "evaluate": 30.0}}


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / LINKS).write_text("".join(f"{k}\t{k + 500}\n" for k in range(200)))
    return folder


class Runs:
    """Stands for ``subprocess.call``."""

    def __init__(self, broken=()):
        self.commands, self.broken = [], broken

    def __call__(self, command):
        self.commands.append(command)
        out = Path(command[command.index("--out") + 1])
        if out.name in self.broken:
            return 2
        out.mkdir(exist_ok=True)
        (out / "results.json").write_text(json.dumps(RESULTS))
        return 0


def test_a_larger_share_has_the_seeds_of_a_smaller_one(data, tmp_path):
    few, many = (write_seeds(data / LINKS, share, tmp_path).read_text() for share in (0.05, 0.3))
    assert len(few.splitlines()) == 10
    assert len(many.splitlines()) == 60
    assert set(few.splitlines()) < set(many.splitlines())
    assert write_seeds(data / LINKS, 0.05, tmp_path).read_text() == few


def test_every_run_is_a_command_of_align_and_none_names_seeds_where_there_are_none(data, tmp_path):
    runs, out = Runs(), tmp_path / "out"
    found = run_all(data, out, (0.0, 0.3), ["--epochs", "3"], runs)
    assert list(found) == [0.0, 0.3]
    asked = [align.parser().parse_args(command[3:]) for command in runs.commands]
    assert all(command[1:3] == ["-m", "mmea_jax.align"] for command in runs.commands)
    assert [flags.seeds for flags in asked] == [None, str(out / "seeds_0.3.tsv")]
    assert [flags.epochs for flags in asked] == [3, 3]
    assert {flags.gold for flags in asked} == {str(data / LINKS)}
    assert [Path(flags.out).name for flags in asked] == ["0", "0.3"]


def test_the_table_has_a_line_a_share_and_says_what_is_missing():
    head, _, line = table({0.05: RESULTS}).splitlines()
    cells = dict(zip(*([cell.strip() for cell in row.split("|")[1:-1]] for row in (head, line)), strict=True))
    assert list(cells)[1:-2] == list(MEASURES)
    assert (cells["seeds"], cells["gold links"], cells["accuracy"]) == ("5%", "1,400", "0.750")
    assert (cells["ECE"], cells["no-match recall"], cells["minutes"]) == ("0.031", "–", "2")


def test_a_failed_run_is_left_out_and_shows_in_the_exit_code(data, tmp_path, monkeypatch, capsys):
    runs = Runs(broken=("0.01",))
    monkeypatch.setattr(own_graphs, "run_all", lambda *given: run_all(*given, runs))
    out = tmp_path / "out"
    assert main(["--data", str(data), "--out", str(out), "--shares", "0.01", "0.3", "--", "--seed", "1"]) == 1
    assert "exit code 2" in capsys.readouterr().err
    assert (out / "table.md").read_text().count("\n") == 3
    assert [command[-2:] for command in runs.commands] == [["--seed", "1"]] * 2

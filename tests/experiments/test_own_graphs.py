"""Alignment by how many links are known, with the runs themselves replaced."""

import json
from pathlib import Path

import pytest

from experiments import own_graphs
from experiments.own_graphs import MEASURES, main, of_others, run_all, table, write_seeds
from experiments.published_folder import LINKS, read_links, unlinked, without_counterparts
from mmea_jax import align
from mmea_jax.data.own.read import read_graph

GOLD = {"links": 1400, "without_counterpart": 12, "hits@1": 0.75, "ece": 0.0312, "precision": 0.9}
RESULTS = {"alignment": {"gold": GOLD, "threshold": 0.4}, "seconds": {"train": 90.0, "evaluate": 30.0}}
ROWS = "entity1\tentity2\tprobability\tstatus\na0\tb0\t0.25\tno_match\na1\tb1\t1.0\tmatched\n"


@pytest.fixture
def data(tmp_path):
    """200 links and three more entities on either side; the last one of either has the same name."""
    folder = tmp_path / "Tiny" / "a_b"
    folder.mkdir(parents=True)
    (folder / LINKS).write_text("".join(f"{k}\t{k + 500}\n" for k in range(200)))
    for side, first in ((1, 0), (2, 500)):
        own = [(first + k, f"{'ab'[side - 1]}{k}") for k in range(203)]
        (folder / f"ent_ids_{side}").write_text("".join(f"{i}\t{name}\n" for i, name in own))
        # The relation's number is that of an entity, too.
        triples = f"{first}\t{first + 1}\t{first + 2}\n{first}\t0\t{first + 1}\n"
        (folder / f"triples_{side}").write_text(triples)
        (folder / f"training_attrs_{side}").write_text("".join(f"{name}\tborn\n" for _, name in own))
    names = folder.parent / "translated_ent_name"
    names.mkdir()
    words = [[k, ["name", str(k)]] for k in range(203)] + [[500 + k, ["other", str(k)]] for k in range(202)]
    (names / "dbp_a_b.json").write_text(json.dumps([*words, [702, ["name", "202"]]]))
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
        (out / "alignment.tsv").write_text(ROWS)
        return 0


def test_a_larger_share_has_the_seeds_of_a_smaller_one(data, tmp_path):
    links = read_links(data)
    assert links[3] == ("a3", "b3")
    few, many = (write_seeds(links, share, tmp_path).read_text() for share in (0.05, 0.3))
    assert len(few.splitlines()) == 10
    assert len(many.splitlines()) == 60
    assert many.startswith(few)


def test_every_run_is_a_command_of_align_and_none_names_seeds_where_there_are_none(data, tmp_path):
    runs, out = Runs(), tmp_path / "out"
    found = run_all(data, out, (0.0, 0.3), extra=["--epochs", "3"], execute=runs)
    assert list(found) == [0.0, 0.3]
    asked = [align.parser().parse_args(command[3:]) for command in runs.commands]
    assert all(command[1:3] == ["-m", "mmea_jax.align"] for command in runs.commands)
    assert [flags.seeds for flags in asked] == [None, str(out / "seeds_0.3.tsv")]
    assert [flags.epochs for flags in asked] == [3, 3]
    assert {flags.gold for flags in asked} == {str(data / LINKS)}
    assert [Path(flags.out).name for flags in asked] == ["0", "0.3"]


def test_entities_that_have_a_namesake_without_link_are_set_aside(data, tmp_path):
    assert unlinked(data) == ({"a200", "a201", "a202"}, {"a202"})
    answers = tmp_path / "alignment.tsv"
    rows = [
        "a0\tb0\t0.4\tno_match", "a1\tb1\t1.0\tmatched", "a2\tb2\t1.0\tseed", "a200\tb7\t0.1\tno_match",
        "a201\tb9\t0.5\tmatched", "a202\tb202\t0.2\tno_match",
    ]  # fmt: skip
    answers.write_text("\n".join([ROWS.split("\n")[0], *rows]) + "\n")
    found = of_others(answers, dict(read_links(data)), {"a202"})
    assert found["set_aside"] == 1
    assert (found["no_match_precision"], found["no_match_recall"]) == (0.5, 0.5)
    assert found["ece"] == pytest.approx((0.6 + 0.0 + 0.1 + 0.5) / 4)
    answers.write_text(ROWS.split("\n")[0] + "\n")
    assert of_others(answers, {}, set()) == {"set_aside": 0}


def test_counterparts_that_are_removed_are_nowhere_in_the_copy(data, tmp_path):
    copy = without_counterparts(data, [("a1", "b1"), ("a5", "b5")], tmp_path / "out")
    assert copy.parts[-2:] == ("Tiny", "a_b")
    assert [len(read_graph(str(copy), k).entities) for k in (1, 2)] == [203, 201]
    right = read_graph(str(copy), 2)
    assert not {"b1", "b5"} & right.entities
    # The other triple had one of them at its end.
    assert [(head, tail) for head, _, tail in right.triples] == [("b0", "b2")]
    assert len(right.labels) == 201
    assert read_links(copy) == [link for link in read_links(data) if link[0] not in ("a1", "a5")]


def test_a_study_with_removed_counterparts_asks_the_copy_and_sets_aside_whoever_had_no_link(data, tmp_path):
    runs, out = Runs(), tmp_path / "out"
    found = run_all(data, out, (0.3,), remove=0.5, execute=runs)
    flags = align.parser().parse_args(runs.commands[0][3:])
    assert flags.left == flags.right == str(out / "data" / "Tiny" / "a_b")
    left = read_links(Path(flags.left))
    assert len(left) == 100
    seeds = {tuple(line.split("\t")) for line in Path(flags.seeds).read_text().splitlines()}
    assert len(seeds) == 30
    assert seeds < set(left)
    assert found[0.3]["others"]["set_aside"] == 3


def test_the_table_has_a_column_a_share_and_says_what_is_missing():
    lines = table({0.05: RESULTS, 0.3: {}}).splitlines()
    cells = dict([cell.strip() for cell in line.split("|")[1:3]] for line in lines)
    assert list(cells)[2:-2] == list(MEASURES)
    assert (cells["seeds"], cells["gold links"], cells["accuracy"]) == ("5%", "1,400", "0.750")
    assert (cells["ECE"], cells["no-match recall"], cells["minutes"]) == ("0.031", "–", "2")


def test_a_failed_run_is_left_out_and_shows_in_the_exit_code(data, tmp_path, monkeypatch, capsys):
    runs = Runs(broken=("0.01",))
    monkeypatch.setattr(own_graphs, "run_all", lambda *given: run_all(*given, runs))
    out = tmp_path / "out"
    assert main(["--data", str(data), "--out", str(out), "--shares", "0.01", "0.3", "--", "--seed", "1"]) == 1
    assert "exit code 2" in capsys.readouterr().err
    assert (out / "table.md").read_text().startswith("| seeds")
    assert [command[-2:] for command in runs.commands] == [["--seed", "1"]] * 2


def test_some_links_must_be_left(data, tmp_path):
    with pytest.raises(SystemExit):
        main(["--data", str(data), "--out", str(tmp_path), "--remove", "0.8"])

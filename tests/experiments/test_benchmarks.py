"""Counts from shapes against counts by hand, and the page that a benchmark writes."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from experiments.benchmarks import __main__ as benchmarks
from experiments.benchmarks.__main__ import cells, measured, parser
from experiments.benchmarks.cells import KINDS, step
from experiments.benchmarks.counts import count, part_of
from experiments.benchmarks.page import floor, page
from experiments.benchmarks.plots import plot_scaling, plot_steps
from experiments.benchmarks.scaling import scale

MACHINE = {
    "kind": "machine", "asked": {}, "command": "command",
    "operations": 1e11, "bandwidth": 1e10, "processor": "P", "cores": 2,
    "load": [0.1], "devices": {"count": 1, "kind": "cpu", "platform": "cpu"}, "versions": {"jax": "1"},
}  # fmt: skip
STEP = {
    "kind": "step", "asked": {}, "command": "command",
    "method": "eva", "entities": 1000, "batch": 10, "devices": 1, "seconds": 0.5,
    "compile": 2.0, "peak_bytes": 1 << 30, "parts": {"losses": [1e10, 1e8], "bags": [1e8, 1e9]},
}  # fmt: skip


def test_products_and_gathers_are_counted_by_hand():
    def step(a, b, index):
        def body(carry, _):
            return carry + 1.0, None

        looped, _ = jax.lax.scan(body, a @ b, None, length=7)
        return looped[index]

    found = count(step, jnp.ones((3, 4)), jnp.ones((4, 5)), jnp.array([0, 2]))
    done, moved = found["optimizer and other"]
    # The product; seven additions of its size; two rows gathered, with what comes with an index.
    assert 2 * 3 * 4 * 5 + 7 * 15 + 10 <= done <= 2 * 3 * 4 * 5 + 7 * 15 + 10 + 20
    assert 4 * (12 + 20 + 15) + 2 * 4 * 10 <= moved <= 4 * (12 + 20 + 15) + 2 * 4 * 10 + 60


def test_what_a_cache_holds_does_not_move_and_a_table_is_read_once_at_most():
    table, index = jnp.ones((100, 8)), jnp.arange(50)

    def step(table, index):
        def body(total, shift):
            return total + jnp.sum(table[index] * shift), None

        return jax.lax.scan(body, 0.0, jnp.arange(10.0))[0]

    def moved(cached):
        return count(step, table, index, cached=cached)["optimizer and other"][1]

    # The table, of which ten times fifty rows are asked for; they are too few to be written anywhere.
    assert moved(4 * 8 * 100) == 4 * 8 * 100
    assert moved(4 * 8 * 100 + 1) == 0
    # Their rows, in and out of the cache, ten times.
    assert moved(4 * 8 * 50) >= 4 * 8 * 100 + 10 * 4 * 8 * 50


@pytest.mark.parametrize(
    ("scope", "part"),
    [
        ("jvp(Eva.loss)/encode.structure/structure_encoder", "attention"),
        ("transpose(jvp(Eva.loss))/encode/bag_encoders_relation", "bags"),
        ("jvp(Eva.loss)/fuse", "fusion"),
        ("jvp(Eva.loss)", "losses"),
        ("", "optimizer and other"),
    ],
)
def test_operations_belong_to_parts(scope, part):
    assert part_of(scope, "Eva") == part


def test_the_floor_adds_what_bounds_each_part():
    # 0.1 s of products, 0.1 s of bytes.
    assert floor(STEP["parts"], MACHINE) == pytest.approx(0.2)


def test_the_page_has_a_row_for_each_measurement_and_a_plot(tmp_path):
    text = page([MACHINE, STEP], MACHINE)
    assert "| eva | 1,000 | 10 | 1 | 0.500 | 0.200 | 40% | 2.0 | 1.00 |" in text
    assert "100 GFLOP/s" in text
    assert "Matching" not in text
    assert plot_steps([MACHINE, STEP], tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000
    assert not plot_steps([MACHINE], tmp_path / "q.png")
    assert not plot_scaling([MACHINE, STEP], tmp_path / "q.png")


def test_a_size_is_measured_from_nothing_to_answers_and_is_a_row_and_points(tmp_path):
    rows = [
        scale(120, neighbours, passes=2, queries=20) | {"kind": "scale", "asked": {}, "command": "command"}
        for neighbours in (3, 0)
    ]
    assert all(row["entities"] == 120 and row["queries"] == 20 and row["step_seconds"] > 0 for row in rows)
    text = page([MACHINE, *rows], MACHINE)
    for neighbours in ("3", "all"):
        assert f"| 120 | {rows[0]['triples']:,} | {neighbours} |" in text
    assert plot_scaling(rows, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_a_split_step_is_a_row_with_its_bytes_on_a_device():
    row = STEP | {"kind": "devices", "devices": 4, "step_bytes": 1 << 28}
    assert "| eva | 1,000 | 10 | 4 | 0.500 | 0.250 |" in page([MACHINE, row], MACHINE)


def test_a_completion_step_is_measured():
    small = {"data.synthetic.entities": 60, "model.dim": 4, "train.negatives": 2, "train.batch_size": 64}
    found = step("configs/rotate.py", 1, small)
    assert found["method"] == "rotate"
    assert found["seconds"] > 0
    assert found["batch"] <= 64
    assert "| rotate |" in page(
        [MACHINE, found | {"kind": "step", "asked": {}, "command": "command"}], MACHINE
    )


def test_every_cell_is_of_a_known_kind_and_loading_comes_once_a_data_set():
    asked = parser().parse_args(["--methods", "eva,rotate", "--entities", "300", "--devices", "1,2"])
    found = list(cells(asked))
    assert {cell["kind"] for cell in found} == set(KINDS) - {"machine"}
    assert sum(cell["kind"] == "step" for cell in found) == 2
    assert sum(cell["kind"] == "devices" for cell in found) == 2 * len(asked.split)
    assert sum(cell["kind"] == "loading" for cell in found) == 1
    assert {cell["changes"]["train.devices"] for cell in found if cell["kind"] == "devices"} == {1, 2}
    assert all(cell["changes"]["data.synthetic.entities"] == 150 for cell in found if "changes" in cell)


def test_a_cell_that_fails_costs_a_line_and_no_row(capsys):
    def run(command, **_):
        return subprocess.CompletedProcess(command, 1, "", "no such file")

    assert measured({"kind": "loading", "config": "x.py"}, run) is None
    assert "no such file" in capsys.readouterr().err


def test_the_command_measures_what_is_missing_and_writes_page_and_plot(tmp_path, monkeypatch, capsys):
    asked = []

    def measure(cell):
        asked.append(cell["kind"])
        return dict(MACHINE if cell["kind"] == "machine" else STEP)

    monkeypatch.setattr(benchmarks, "measured", measure)
    out = tmp_path / "page.md"
    arguments = ["--only", "step", "--methods", "eva", "--entities", "1000", "--out", str(out)]
    benchmarks.main(arguments)
    assert asked == ["machine", "step"]
    assert "| eva | 1,000 |" in out.read_text()
    assert "experiments.benchmarks --only step" in out.read_text()
    assert out.with_suffix(".png").exists()
    assert len(json.loads(out.with_suffix(".json").read_text())) == 2
    benchmarks.main(arguments)
    assert asked == ["machine", "step"]
    assert str(out) in capsys.readouterr().out


def test_the_cost_of_checkpoints_is_measured(tmp_path):
    small = {"data.synthetic.entities": 60, "model.dim": 4, "train.negatives": 2, "train.batch_size": 64}
    command = [sys.executable, "-m", "experiments.benchmarks.checkpoints", "--config", "configs/distmult.py"]
    command += ["--passes", "2", "--folder", str(tmp_path), *(f"--config.{k}={v}" for k, v in small.items())]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "passes              2," in done.stdout
    assert "share of training" in done.stdout
    # What was written is deleted afterwards.
    assert not list(tmp_path.iterdir())

"""The grid of missing modalities, with the runs themselves replaced."""

import csv
import functools

import pytest

from experiments import missing_modality
from experiments.missing_modality import ALONE, grid, main, plot, rates_of, table
from mmea_jax.training.completion.settings import read_completion_settings
from tests.experiments.test_sweep import Machine, of_completion
from tests.small import CONFIGS, load_config


def test_every_combination_is_one_cell():
    cells = grid(["umaea", "mclea"], ["synthetic"], ["visual", "attribute"], [0.05, 1.0], [0.0, 0.3], [0, 1])
    assert len(cells) == 2 * 2 * 2 * 2 * 2
    assert len({cell.folder(CONFIGS) for cell in cells}) == len(cells)
    labels = {
        "method": "umaea",
        "data": "synthetic",
        "modality": "attribute",
        "rate": 0.05,
        "ambiguous": 0.3,
        "seed": 1,
    }
    (cell,) = [cell for cell in cells if cell.labels == labels]
    assert cell.config == "configs/umaea.py"
    assert cell.overrides == (
        "--config.data.missing.attribute=0.05",
        "--config.data.ambiguous.attribute=0.3",
        "--config.seed=1",
    )


def test_variants_and_data_sets_reach_the_command_line():
    (cell,) = grid(["umaea without CMMI"], ["DBP15K/zh_en"], ["visual"], [0.2], [0.0], [3], ["--config.x=1"])
    assert cell.config == "configs/umaea.py:DBP15K/zh_en"
    assert cell.overrides[:2] == ("--config.x=1", "--config.model.imagines=()")


def test_what_has_no_rate_is_run_once():
    cells = grid(["umaea", *ALONE], ["synthetic"], ["visual"], [0.05, 0.2, 1.0], [0.0], [0, 1])
    alone = [cell for cell in cells if cell.labels["method"] in ALONE]
    assert [cell.labels["rate"] for cell in alone] == ["any", "any"] * len(ALONE)
    assert not any("missing" in flag for cell in alone for flag in cell.overrides)


def test_published_rates_are_those_of_the_data_set():
    assert rates_of("DBP15K/fr_en", None)[-2:] == (0.6, 1.0)
    assert len(rates_of("DBP15K/zh_en", None)) == 13
    assert rates_of("OpenEA/OEA_D_W_15K_V1", None)[-2] == 0.95
    assert rates_of("DBP15K/zh_en", [0.3]) == [0.3]
    with pytest.raises(ValueError, match="--rates"):
        rates_of("synthetic", None)


def test_the_variants_are_of_configurations_that_exist():
    for stem, overrides in (missing_modality.VARIANTS | ALONE).values():
        assert (CONFIGS / f"{stem}.py").exists()
        assert all(flag.startswith("--config.") for flag in overrides)


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    run = missing_modality.run_cells
    monkeypatch.setattr(missing_modality, "run_cells", lambda *given: run(*given, machine))
    return machine


def test_the_study_leaves_rows_table_and_plot_and_goes_on_where_it_stopped(tmp_path, machine, capsys):
    asked = [
        "--out",
        str(tmp_path),
        "--methods",
        "umaea",
        "umaea structure only",
        "--rates",
        "0.05",
        "1",
        "--seeds",
        "1",
        "3",
    ]
    assert main(asked) == 0
    with (tmp_path / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(machine.calls) == 6
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert len(lines) == 2 + 3  # two rates and the run without any
    assert "0.200 ± 0.141" in lines[2]
    assert lines[2].rstrip(" |").endswith("2")
    assert (tmp_path / "synthetic_visual.png").stat().st_size > 10_000
    assert (tmp_path / "table.md").read_text() in capsys.readouterr().out + "\n"
    assert main([*asked, "4"]) == 0
    assert machine.calls[6:] == [4, 4, 4]


def test_completion_is_swept_alike(tmp_path, machine):
    machine.results = of_completion
    asked = ["--out", str(tmp_path), "--data", "MKGC/DB15K", "--modality", "text", "--rates", "0.2", "0.5"]
    methods = ["adamf_mat", "adamf_mat without MAT", "adamf_mat structure only"]
    flags = ["--seeds", "3", "4", "--", "--config.data.missing_of=test"]
    assert main([*asked, "--methods", *methods, *flags]) == 0
    assert len(machine.calls) == 2 * 2 * 2 + 2
    table_lines = (tmp_path / "table.md").read_text().splitlines()
    header, _, *lines = [line.split("|")[1:-1] for line in table_lines]
    columns = [cell.strip() for cell in header]
    rows = [dict(zip(columns, (cell.strip() for cell in line), strict=True)) for line in lines]
    assert [row["method"] for row in rows] == [methods[0]] * 2 + [methods[1]] * 2 + [methods[2]]
    assert {(row["mrr"], row["best modality hits@1"]) for row in rows} == {("0.350 ± 0.071", "-")}
    assert (tmp_path / "MKGC_DB15K_text.png").stat().st_size > 10_000
    with (tmp_path / "cells.csv").open() as file:
        assert {row["seen mrr"] for row in csv.DictReader(file)} == {"0.35", "0.45"}


@pytest.mark.parametrize("method", ["adamf_mat", "adamf_mat without MAT", "adamf_mat structure only"])
def test_flags_of_completion_are_those_of_its_configuration(method):
    cells = grid([method], ["MKGC/DB15K"], ["text"], [0.2], [0.0], [0], ["--config.data.missing_of=test"])
    (cell,) = cells
    config = load_config("adamf_mat", "MKGC/DB15K")
    for flag in cell.overrides:
        name, _, value = flag.removeprefix("--config.").partition("=")
        *path, last = name.split(".")
        part = functools.reduce(lambda node, key: node[key], path, config)
        kind = type(part[last])
        part[last] = kind(value)
    settings = read_completion_settings(config)
    assert settings.data.missing_of == "test"
    assert settings.data.missing == ({} if method in ALONE else {"text": 0.2})


def test_a_failed_cell_shows_in_the_exit_code(tmp_path, machine):
    machine.broken = {1}
    assert main(["--out", str(tmp_path), "--methods", "umaea", "--rates", "0.5", "--seeds", "0", "1"]) == 1
    assert (tmp_path / "table.md").exists()


def test_rates_are_needed_where_none_are_published(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path)])
    assert "--rates" in capsys.readouterr().err


def test_groups_keep_their_order_and_ambiguous_shares_have_curves_of_their_own(tmp_path):
    base = {"method": "umaea", "data": "d", "modality": "visual", "seed": 0}
    rows = [
        {**base, "rate": r, "ambiguous": q, "hits@1": r, "hits@10": r, "mrr": r, "best modality hits@1": q}
        for q in (0.0, 0.5)
        for r in (0.05, 0.2)
    ]
    shown = [line.split("|")[4].strip() for line in table(rows).splitlines()[2:]]
    assert shown == ["0.0", "0.0", "0.5", "0.5"]
    plot(rows, tmp_path / "one.png")
    assert (tmp_path / "one.png").exists()

"""Two RDF files in, an alignment with reasons out, by the one command."""

import csv
import json
import logging
import shutil

import numpy as np
import pytest

from mmea_jax import align
from mmea_jax.data.own import MIN_SEEDS
from mmea_jax.errors import InputError
from mmea_jax.training.own.config import own_config
from mmea_jax.training.own.pipeline import align_graphs
from tests.data.own.world import World
from tests.small import load_config


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    folder = tmp_path_factory.mktemp("own")
    made = World(folder)
    made.write_links(folder / "seeds.tsv", made.links[:40])
    made.write_links(folder / "few.tsv", made.links[:5])
    made.write_links(folder / "gold.tsv", made.links)
    made.folder = folder
    return made


@pytest.fixture(scope="module")
def finished(world):
    """The command of the README, cut to a few passes, on two N-Triples files of 105 entities each."""
    out = world.folder / "out"
    sides = ["--left", str(world.left), "--right", str(world.right), "--out", str(out), "--epochs", "8"]
    links = ["--seeds", str(world.folder / "seeds.tsv"), "--gold", str(world.folder / "gold.tsv")]
    assert align.run([*sides, *links]) == 0
    return out, [*sides, *links]


def table(path):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_every_entity_has_a_verdict_and_most_are_right(finished, world):
    rows = table(finished[0] / "alignment.tsv")
    assert sorted(row["entity1"] for row in rows) == sorted(world.uris[0].values())
    seeds = [(row["entity1"], row["entity2"]) for row in rows if row["status"] == "seed"]
    assert sorted(seeds) == sorted(world.links[:40])
    gold = dict(world.links)
    open_rows = [row for row in rows if row["status"] != "seed"]
    linked = [row for row in open_rows if row["entity1"] in gold]
    assert np.mean([row["entity2"] == gold[row["entity1"]] for row in linked]) > 0.9
    matched = [row for row in open_rows if row["status"] == "matched"]
    assert np.mean([gold.get(row["entity1"]) == row["entity2"] for row in matched]) > 0.8
    alone = [row for row in open_rows if row["entity1"] in world.dangling]
    assert len(alone) == 15
    assert np.mean([row["status"] == "no_match" for row in alone]) > 0.6
    # What a seed links is nobody else's.
    assert not {row["entity2"] for row in open_rows} & {two for _, two in seeds}


def test_results_say_how_good_the_verdicts_are(finished):
    results = json.loads((finished[0] / "results.json").read_text())
    found = results["alignment"]
    assert found["matched"] + found["no_match"] == 65
    assert found["seeds"] == 40
    assert found["fitted_on"] == 10
    gold = found["gold"]
    assert (gold["links"], gold["without_counterpart"]) == (50, 15)
    assert gold["hits@1"] > 0.9
    assert gold["ece"] < 0.3
    assert {"precision", "recall", "f1", "no_match_precision", "no_match_recall"} <= gold.keys()
    assert results["protocol"]["measured_on"] == "gold links"
    assert results["test"]["csls"]["l2r"]["hits@1"] > 0.9
    assert set(found["curve"]) == {"probability", "precision", "recall", "f1"}


def test_the_evidence_adds_up(finished):
    rows = table(finished[0] / "evidence.tsv")
    assert len(rows) == 65
    parts = ("joint", "structure", "relation", "attribute", "name", "char", "neighbours")
    for row in rows:
        assert float(row["similarity"]) == pytest.approx(sum(float(row[p]) for p in parts), abs=5e-3)
    assert any(row["equal_values"].startswith("date ") for row in rows)
    shown = [row for row in rows if int(row["matched_neighbours"]) > 0]
    assert shown
    assert all(
        row["neighbours_shown"].count(" = ") == min(5, int(row["matched_neighbours"])) for row in shown
    )


def test_sssom_has_prefixes_and_says_where_no_term_was_found(finished):
    path = finished[0] / "alignment.sssom.tsv"
    head = [line[1:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    fields = {line.split(":")[0] for line in head if not line.startswith(" ")}
    assert {"mapping_set_id", "license", "curie_map", "mapping_tool"} <= fields
    prefixes = {line.strip().split(":")[0] for line in head if line.startswith("  ")}
    rows = table(path)
    assert len(rows) == 105
    for row in rows:
        assert row["subject_id"].split(":")[0] in prefixes
        assert row["object_id"].split(":")[0] in prefixes
        assert row["mapping_justification"].startswith("semapv:")
        assert 0 <= float(row["confidence"]) <= 1
    # Labels are as the files write them, not the words that are compared.
    assert all(row["subject_label"][0].isupper() for row in rows)
    none = sum(row["object_id"] == "sssom:NoTermFound" for row in rows)
    assert none == sum(row["status"] == "no_match" for row in table(finished[0] / "alignment.tsv"))


def test_the_report_shows_the_threshold(finished):
    page = (finished[0] / "report" / "index.html").read_text(encoding="utf-8")
    assert (finished[0] / "report" / "threshold.png").exists()
    assert "Pairs nearest to the threshold" in page


def test_a_second_run_is_at_once_and_other_outputs_need_no_training(finished, tmp_path):
    out, arguments = finished
    before = (out / "alignment.tsv").read_text()
    metrics = (out / "metrics.jsonl").read_text()
    assert align.run(arguments) == 0
    assert (out / "alignment.tsv").read_text() == before
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    arguments = [str(copy) if argument == str(out) else argument for argument in arguments]
    assert align.run([*arguments, "--one-to-one", "--threshold", "0"]) == 0
    assert (copy / "metrics.jsonl").read_text() == metrics
    rows = table(copy / "alignment.tsv")
    answers = [row["entity2"] for row in rows if row["status"] != "no_match"]
    assert len(answers) == len(set(answers)) > 90
    results = json.loads((copy / "results.json").read_text())
    assert results["alignment"]["asked"]["one_to_one"]
    assert results["stages"] == json.loads((out / "results.json").read_text())["stages"]


def test_a_file_that_has_changed_since_is_no_second_run(finished, world, capsys):
    out, arguments = finished
    seeds = world.folder / "seeds.tsv"
    before = seeds.read_bytes()
    world.write_links(seeds, world.links[:41])
    try:
        assert align.run(arguments) == 2
        assert "seeds: seeds.tsv" in capsys.readouterr().err
    finally:
        seeds.write_bytes(before)
    assert align.run(arguments) == 0
    # A folder that does not say what it was made of is taken as it is.
    (out / "inputs.json").rename(out / "kept.json")
    assert align.run(arguments) == 0
    (out / "kept.json").rename(out / "inputs.json")


def small():
    config = own_config()
    config.model.width = 16
    config.train.max_epochs = 2
    config.matching.assignment = False
    return config


def test_without_seeds_the_most_similar_names_stand_in(world, caplog):
    logger = logging.getLogger("mmea_jax")
    logger.propagate = True
    with caplog.at_level(logging.INFO, "mmea_jax"):
        done = align_graphs(
            world.left, world.right, out=world.folder / "none", config=small(), gold=world.folder / "gold.tsv"
        )
    assert "UNSUPERVISED" in caplog.text
    assert done.results["pivots"]["modality"] == "char"
    assert done.results["protocol"]["unsupervised"]
    assert done.results["alignment"]["seeds"] == 0
    # Pivots are decided on like all others.
    assert {row["status"] for row in done.rows()} == {"matched", "no_match"}
    assert len(done.rows()) == 105
    right = [pair for pair in done.pairs() if pair[:2] in set(world.links)]
    assert len(right) > 0.8 * len(done.pairs())


def test_without_gold_the_held_out_seeds_measure_and_results_say_so(world):
    # The configuration of the command above, whose programs are compiled already.
    done = align_graphs(
        world.left, world.right, world.folder / "seeds.tsv", world.folder / "nogold", epochs=8
    )
    assert done.results["protocol"]["measured_on"].startswith("held-out seeds")
    assert "gold" not in done.results["alignment"]
    assert done.results["alignment"]["held_out"]["precision"] > 0.5


def test_too_few_seeds_say_how_many_are_needed(world):
    with pytest.raises(InputError, match=rf"5 seed links.*at least {MIN_SEEDS}.*add {MIN_SEEDS - 5} links"):
        align_graphs(world.left, world.right, world.folder / "few.tsv", world.folder / "few", config=small())
    assert not (world.folder / "few").exists()


@pytest.mark.parametrize("flag", ["--threshold", "--dangling"])
def test_a_share_out_of_range_is_refused(world, flag, capsys):
    common = ["--left", str(world.left), "--right", str(world.right), "--out", str(world.folder / "bad")]
    assert align.run([*common, flag, "1.5"]) == 2
    assert flag in capsys.readouterr().err


def test_the_default_configuration_is_that_of_mimea():
    ours, shipped = own_config(), load_config("mimea", "DBP15K/zh_en")
    assert ours.model == shipped.model
    assert ours.matching == shipped.matching
    assert ours.stages.main.to_dict() | {"epochs": 0} == shipped.stages.main.to_dict() | {"epochs": 0}
    assert own_config(100_000).stages.main.epochs == shipped.stages.main.epochs

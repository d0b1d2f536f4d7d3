"""The shipped MIMEA configuration, shrunk, from files to results; what resumes is what was interrupted."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

import mmea_jax
from mmea_jax.errors import InputError
from mmea_jax.report.table import results_table
from mmea_jax.training import launch as launching
from mmea_jax.training.aligned import AlignedGraphs
from mmea_jax.training.identity import same_data
from mmea_jax.training.run import Run
from mmea_jax.training.settings import read_settings
from tests.small import small_config
from tests.training.loaded import assert_complete


def make_run(folder, **overrides) -> Run:
    config = small_config(**overrides)
    return Run(read_settings(config), config.to_dict(), folder)


class KilledError(Exception):
    """Stands for a kill between two epochs."""


def interrupt_after(run: Run, epoch: int) -> None:
    """Makes the run fail right after the checkpoint of ``epoch``."""
    save = run._save

    def save_and_fail(progress):
        save(progress)
        if progress.epoch == epoch:
            run._checkpoints.wait()
            raise KilledError

    run._save = save_and_fail


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return folder, make_run(folder).train()


def params_of(folder):
    return make_run(folder)._load_params()


def test_a_run_leaves_every_file_and_every_number(finished):
    folder, results = finished
    stored = json.loads((folder / "results.json").read_text())
    for way in ("l2r", "r2l"):
        for kind in ("cosine", "csls"):
            found = stored["test"][kind][way]
            assert set(found) == {"hits@1", "hits@5", "hits@10", "hits@50", "mr", "mrr"}
            # No row can beat the bound that its Hits@1 and Hits@10 set.
            h1, h10 = found["hits@1"], found["hits@10"]
            assert found["mrr"] <= h1 + (h10 - h1) / 2 + (1 - h10) / 11 + 1e-9
    assert stored["protocol"]["selection"] == "validated"
    assert stored["stages"][0]["epochs"] == 4
    assert stored["stages"][0]["steps"] == 4 * 3
    assert stored["test"] == results["test"]
    assert {"structure", "relation", "attribute", "visual", "name_equality", "char_cosine"} <= set(
        stored["floors"]
    )
    assert set(stored["unimodal"]) == {"structure", "relation", "attribute", "visual"}
    assert 0 <= stored["calibration"]["ece_after"] <= 1
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert [("valid_mrr" in line) for line in lines] == [False, True, False, True]
    assert json.loads((folder / "config.json").read_text())["method"] == "mimea"
    assert list(folder.glob("events.out.tfevents*")) or list(folder.rglob("*tfevents*"))
    assert "fusion gains" in results_table(stored)


def test_the_alignment_has_every_entity_of_kg_1(finished):
    folder, results = finished
    lines = (folder / "alignment.tsv").read_text().splitlines()
    assert lines[0].split("\t") == [
        "entity1", "entity2", "score", "margin", "probability", "status", "runner_up",
    ]  # fmt: skip
    rows = [line.split("\t") for line in lines[1:]]
    assert len(rows) == results["counts"]["entities"] // 2
    assert {row[5] for row in rows} <= {"matched", "no_match", "seed"}
    assert sum(row[5] == "seed" for row in rows) == results["counts"]["train_links"]
    assert all(0 <= float(row[4]) <= 1 for row in rows)
    answers = [row[1] for row in rows if row[5] == "seed"]
    assert not {row[1] for row in rows if row[5] != "seed"} & set(answers)


def test_training_learns(finished):
    _, results = finished
    chance = 1 / results["counts"]["test_links"]
    assert results["test"]["csls"]["l2r"]["hits@1"] > 3 * chance


def test_the_same_config_and_seed_give_the_same_numbers(finished, tmp_path):
    folder, results = finished
    again = make_run(tmp_path / "again").train()
    assert again["test"] == results["test"]
    same = jax.tree.map(np.array_equal, params_of(folder), params_of(tmp_path / "again"))
    assert all(jax.tree.leaves(same))


def test_interrupted_and_resumed_is_bit_identical(finished, tmp_path):
    folder, results = finished
    run = make_run(tmp_path)
    interrupt_after(run, 2)
    with pytest.raises(KilledError):
        run.train()
    resumed = make_run(tmp_path).train()
    assert resumed["test"] == results["test"]
    same = jax.tree.map(np.array_equal, params_of(folder), params_of(tmp_path))
    assert all(jax.tree.leaves(same))
    epochs = [json.loads(line)["epoch"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert epochs == [1, 2, 3, 4]


def test_evaluation_alone_repeats_the_results(finished):
    folder, results = finished
    assert make_run(folder).evaluate()["test"] == results["test"]
    assert make_run(folder).align() == folder / "alignment.tsv"


@pytest.mark.parametrize(("score", "consensus"), [("joint+modal", 2), ("joint+importance", 0), ("kl", 0)])
def test_every_score_is_available_at_inference(finished, tmp_path, score, consensus):
    folder, _ = finished
    run = make_run(tmp_path, matching__score=score, matching__consensus=consensus)
    run._load_params = lambda: params_of(folder)
    assert 0 < run.evaluate()["test"]["csls"]["l2r"]["mrr"] <= 1


def test_weights_chosen_on_validation_links_serve_table_and_export_alike(finished, tmp_path):
    params = params_of(finished[0])
    run = make_run(tmp_path, matching__score="joint+weighed", matching__consensus=2)
    run._load_params = lambda: params
    weights = run.evaluate()["score_weights"]
    assert set(weights) == {"joint", *run.model.modalities}
    assert sum(weights.values()) == pytest.approx(len(weights))
    table = alignment_table_of(tmp_path)
    again = make_run(tmp_path, matching__score="joint+weighed", matching__consensus=2)
    graphs = AlignedGraphs(again._embedded(params))
    found = {row.entity1: (row.entity2, row.status) for row in graphs.align()}
    assert found == {entity: (answer, status) for entity, (answer, _, status) in table.items()}


def test_a_finished_run_prints_its_results_at_once(finished, monkeypatch, capsys):
    folder, results = finished
    monkeypatch.delattr(launching, "run_class")
    found = launching.launch(small_config(), "train", folder)
    assert found["test"] == results["test"]
    assert "all modalities fused" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"seed = 0.*expected this run's seed = 7.*--fresh"):
        launching.launch(small_config(seed=7), "train", folder)


def test_other_data_under_the_same_configuration_are_refused(finished, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / "run")
    run = make_run(folder)
    visual = run.kgs.modalities["visual"]
    features = visual.features * np.where(np.arange(visual.width) == 0, 1 + 1e-6, 1).astype(np.float32)
    run.kgs.modalities["visual"] = dataclasses.replace(visual, features=features)
    rounded = run._fingerprint()
    run.kgs.modalities["visual"] = dataclasses.replace(visual, features=np.roll(visual.features, 1, axis=0))
    other = run._fingerprint()
    assert same_data(rounded, make_run(folder)._fingerprint())
    assert not same_data(other, rounded)
    with pytest.raises(InputError, match=r"a run on other data.*--fresh"):
        run.train()


def test_export_and_load(finished, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / "run")
    before = mmea_jax.load(folder)
    assert launching.launch(small_config(), "export", folder) == folder / "export"
    assert_complete(folder / "export", params_of(folder), before.entities)
    moved = shutil.copytree(folder / "export", tmp_path / "moved")
    for loaded in (mmea_jax.load(folder), mmea_jax.load(moved), before):
        assert loaded.entities == before.entities
        joint = loaded.embed()
        np.testing.assert_allclose(np.linalg.norm(joint, axis=1), 1, rtol=1e-5)
        np.testing.assert_array_equal(joint, before.embed())
        name = loaded.entities[5]
        np.testing.assert_array_equal(loaded.embed([name, 7]), joint[[5, 7]])
        assert len(loaded.embed(modality="visual")) == len(joint)
        # What the run itself wrote.
        rows = alignment_table_of(folder)
        found = {row.entity1: row for row in loaded.align()}
        assert found.keys() == rows.keys()
        for entity, (answer, probability, status) in rows.items():
            assert (found[entity].entity2, found[entity].status) == (answer, status)
            assert found[entity].probability == pytest.approx(float(probability), rel=1e-3)
        if loaded.side[5] == 0:
            (alone,) = loaded.align([name])
            words = ("entity2", "status", "runner_up")
            assert [getattr(alone, word) for word in words] == [getattr(found[name], word) for word in words]
            # A product of one row need not round as one of all rows does.
            for word in ("score", "margin", "probability"):
                assert getattr(alone, word) == pytest.approx(getattr(found[name], word), rel=1e-5, abs=1e-5)
    with pytest.raises(InputError, match="the entity 'nobody'"):
        before.embed(["nobody"])
    with pytest.raises(InputError, match="did you mean 'visual'"):
        before.embed(modality="visul")
    with pytest.raises(InputError, match="of KG 2"):
        before.align([int(np.flatnonzero(before.side == 1)[0])])
    with pytest.raises(InputError, match="no run and no export"):
        mmea_jax.load(tmp_path)


def alignment_table_of(folder):
    lines = [line.split("\t") for line in (folder / "alignment.tsv").read_text().splitlines()[1:]]
    return {line[0]: (line[1], line[4], line[5]) for line in lines}


def test_iterative_learning_reports_what_it_accepted(tmp_path):
    results = make_run(
        tmp_path, train__iterative__start=1, train__iterative__patience=2, matching__assignment=False
    ).train()
    assert results["protocol"]["iterative"]
    assert results["pseudo_links"]["accepted"] > 0
    assert 0 <= results["pseudo_links"]["precision"] <= 1
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert next(line["accepted"] for line in lines) == 0  # patience 2: nothing in the first round
    assert lines[-1]["accepted"] == results["pseudo_links"]["accepted"]


def test_missing_images_or_none_at_all(tmp_path):
    results = make_run(
        tmp_path / "few", data__missing__visual=0.05, train__max_epochs=2, matching__assignment=False
    ).train()
    assert results["counts"]["modalities"]["visual"]["present"] == pytest.approx(0.05, abs=0.01)
    assert results["protocol"]["modalities"] == ["structure", "relation", "attribute", "visual"]
    without = make_run(tmp_path / "none", data__visual="none")
    assert without.model.modalities == ("structure", "relation", "attribute")


def test_max_steps_caps_the_optimizer_steps(tmp_path):
    results = make_run(tmp_path, train__max_steps=5, matching__assignment=False).train()
    assert results["stages"][0]["steps"] == 5


def test_published_protocol_is_named_and_holds_nothing_out(tmp_path):
    results = make_run(
        tmp_path, train__protocol="published", train__max_epochs=2, matching__assignment=False
    ).train()
    assert results["protocol"]["selection"] == "published"
    assert results["counts"]["valid_links"] == 0
    assert results["calibration"]["fitted_on"] == "train"


def test_a_folder_of_another_config_is_refused(finished):
    folder, _ = finished
    with pytest.raises(InputError, match=r"seed"):
        make_run(folder, seed=5)


def test_a_run_that_does_not_fit_is_refused_with_the_figure_and_writes_nothing(tmp_path):
    run = make_run(tmp_path / "big", train__memory_limit=0.1)
    with pytest.raises(InputError, match=r"about \d+\.\d GiB.*at most the 0\.1 GiB"):
        run.train()
    assert not (tmp_path / "big").exists()


def test_neighbours_are_refused_for_a_method_that_attends_to_none(tmp_path):
    config = small_config("eva", train__neighbours=2)
    with pytest.raises(InputError, match=r"train\.neighbours = 2"):
        Run(read_settings(config), config.to_dict(), tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_run_may_go_on_on_another_number_of_devices(finished, tmp_path):
    folder, results = finished
    shutil.copytree(folder, tmp_path / "copy")
    again = make_run(tmp_path / "copy", train__devices=1).evaluate()
    assert again["test"] == results["test"]

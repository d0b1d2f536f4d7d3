"""The shipped completion configurations, shrunk, from files to results, answers and new triples."""

import json
import shutil

import jax
import numpy as np
import pytest

import mmea_jax
from mmea_jax.errors import InputError
from mmea_jax.report.table import results_table
from mmea_jax.training.completion.answers import Answer, Query, as_triple, parse_query
from mmea_jax.training.completion.launch import launch_completion
from mmea_jax.training.completion.run import CompletionRun
from mmea_jax.training.completion.settings import read_completion_settings
from tests.small import load_config, small_completion
from tests.training.loaded import assert_complete

METRICS = {"hits@1", "hits@3", "hits@10", "mr", "mrr"}


def make_run(folder, name="adamf_mat", **overrides) -> CompletionRun:
    config = small_completion(name, **overrides)
    return CompletionRun(read_completion_settings(config), config.to_dict(), folder)


class KilledError(Exception):
    """Stands for a kill between two epochs."""


def interrupt_after(run: CompletionRun, epoch: int) -> None:
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


LEARNT = {"train__max_epochs": 12, "train__evaluate_every": 4, "train__batch_size": 64}


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learnt")
    return folder, make_run(folder, "complex", **LEARNT).train()


def same(a, b) -> bool:
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))


def test_a_run_leaves_every_file_and_every_number(finished):
    folder, results = finished
    stored = json.loads((folder / "results.json").read_text())
    assert stored["task"] == "completion"
    assert stored["test"] == results["test"]
    for kind in ("filtered", "filtered_seen"):
        for part in ("both", "head", "tail"):
            found = stored["test"][kind][part]
            assert set(found) == METRICS
            h1, h10 = found["hits@1"], found["hits@10"]
            assert found["mrr"] <= h1 + (h10 - h1) / 2 + (1 - h10) / 11 + 1e-9
    assert stored["protocol"]["selection"] == "validated"
    assert stored["protocol"]["split"] == "drawn (10% of the triples test, synthetic.seed 0)"
    assert stored["protocol"]["missing_of"] == "all"
    assert stored["protocol"]["modalities"] == ["structure", "visual", "text"]
    assert sum(stored["attention"].values()) == pytest.approx(1, abs=1e-5)
    assert stored["stages"][0]["epochs"] == 4
    assert stored["stages"][0]["steps"] == 4 * -(-stored["counts"]["train_triples"] // 128) >= 8
    assert 0 < stored["floors"]["relation_frequency"] < 1
    counts = stored["counts"]
    assert counts["test_in_train"] == 0
    assert stored["parameters"] > counts["entities"] * 16  # an entity's vector is twice as wide as dim
    assert sum(row["count"] for row in stored["by_category"].values()) == counts["test_triples"]
    assert sum(row["count"] for row in stored["by_modalities"].values()) == 2 * counts["test_triples"]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert [("valid_mrr" in line) for line in lines] == [False, True, False, True]
    assert {"triples", "adversarial", "generators"} <= set(lines[0]["train"])
    assert json.loads((folder / "config.json").read_text())["task"] == "completion"
    table = results_table(stored)
    for words in ("filtered both", "filtered_seen", "by category of the relation", "relation_frequency"):
        assert words in table


def test_interrupted_and_resumed_is_bit_identical(finished, tmp_path):
    folder, results = finished
    run = make_run(tmp_path)
    interrupt_after(run, 2)
    with pytest.raises(KilledError):
        run.train()
    resumed = make_run(tmp_path)
    assert resumed.train()["test"] == results["test"]
    assert same(make_run(folder)._load_params(), resumed._load_params())
    epochs = [json.loads(line)["epoch"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert epochs == [1, 2, 3, 4]


def test_evaluation_alone_repeats_the_results(finished):
    folder, results = finished
    assert make_run(folder).evaluate()["test"] == results["test"]


def test_answers_are_new_and_their_probabilities_sum_to_one(finished):
    run = make_run(finished[0])
    answerer = run._answerer()
    head, relation, tail = run.graph.test[0].tolist()
    answers = answerer.top(Query("tail", head, relation), run.graph.num_entities)
    seen = {tuple(row) for row in np.concatenate([run.graph.train, run.graph.valid]).tolist()}
    found = {(head, relation, a.entity) for a in answers}
    assert not found & seen
    # A test triple is something that the model may well find.
    assert (head, relation, tail) in found
    assert len(found) == run.graph.num_entities - sum(row[:2] == (head, relation) for row in seen)
    assert sum(a.probability for a in answers) == pytest.approx(1, abs=1e-6)
    scores = [a.score for a in answers]
    assert scores == sorted(scores, reverse=True)
    lines = run.predict(f"{run.graph.entity_names[head]},{run.graph.relation_names[relation]},?")
    assert len(lines) == 2 + run.settings.answers.top
    assert lines[2].endswith(run.graph.entity_names[answers[0].entity])
    assert run.predict(f"{head},{relation},?") == lines


def test_export_and_load(finished, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / "run")
    before = mmea_jax.load(folder)
    run = make_run(folder)
    assert run.export() == folder / "export"
    assert_complete(folder / "export", run._load_params(), run.graph.entity_names)
    moved = shutil.copytree(folder / "export", tmp_path / "moved")
    head, relation, _ = run.graph.test[0].tolist()
    name = run.graph.entity_names[head]
    lines = run.predict(f"{name},{run.graph.relation_names[relation]},?")[2:]
    for loaded in (mmea_jax.load(moved), before):
        assert loaded.entities == run.graph.entity_names
        np.testing.assert_array_equal(loaded.embed([name]), loaded.embed()[[head]])
        answers = loaded.answer(f"{name},{run.graph.relation_names[relation]},?", len(lines))
        assert [entity for entity, _, _ in answers] == [line.split(maxsplit=2)[2] for line in lines]
        for (_, score, probability), line in zip(answers, lines, strict=True):
            shown = [float(field) for field in line.split(maxsplit=2)[:2]]
            assert shown == pytest.approx([probability, score], abs=1e-3)


def test_new_triples_are_written_once_and_most_probable_first(learnt):
    folder, _ = learnt
    run = make_run(folder, "complex", **LEARNT)
    # Changed after the folder's configuration was compared, so that few epochs suffice.
    object.__setattr__(run.settings.answers, "min_probability", 0.05)
    rows = [line.split("\t") for line in run.complete().read_text().splitlines()]
    assert rows[0] == ["head", "relation", "tail", "score", "probability"]
    assert len(rows) > 1
    index = {name: i for i, name in enumerate(run.graph.entity_names)}
    relations = {name: i for i, name in enumerate(run.graph.relation_names)}
    triples = [(index[h], relations[r], index[t]) for h, r, t, _, _ in rows[1:]]
    assert len(set(triples)) == len(triples)
    assert not set(triples) & {tuple(row) for row in run.graph.known.tolist()}
    probabilities = [float(row[4]) for row in rows[1:]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert min(probabilities) >= 0.05


def test_queries_are_read_and_wrong_ones_refused(finished):
    graph = make_run(finished[0]).graph
    name, relation = graph.entity_names[7], graph.relation_names[2]
    assert parse_query(f"{name},{relation},?", graph) == Query("tail", 7, 2)
    assert parse_query(f"?, {relation} , {name}", graph) == Query("head", 7, 2)
    assert parse_query("?,2,7", graph) == Query("head", 7, 2)
    assert as_triple(Query("head", 7, 2), 5) == (5, 2, 7)
    for text, words in (
        ("?,2,?", "head,relation"),
        ("2,7", "head,relation"),
        ("?,2", "head,relation"),
        (f"{name},relation_x2,?", "did you mean"),
        (f"{name}x,{relation},?", f"did you mean {name!r}"),
        ("100,2,?", "the entity '100'"),
    ):
        with pytest.raises(InputError, match=words.replace("?", r"\?")):
            parse_query(text, graph)
    assert Answer(1, 2.0, 0.5).entity == 1


def test_cross_entropy_learns_and_is_deterministic(learnt, tmp_path):
    folder, results = learnt
    # Chance is about 0.05 among 100 entities.
    assert results["test"]["filtered"]["both"]["mrr"] > 0.12
    assert results["protocol"]["modalities"] == ["structure"]
    again, other = (make_run(tmp_path / str(k), "complex", seed=k, **LEARNT) for k in (0, 1))
    assert again.train()["test"] == results["test"]
    assert other.train()["test"] != results["test"]
    assert same(make_run(folder, "complex", **LEARNT)._load_params(), again._load_params())


def test_adversarial_training_on_top_of_cross_entropy(tmp_path):
    results = make_run(
        tmp_path,
        model__scorer="complex",
        model__reciprocal=True,
        model__train_features=False,
        model__n3=0.01,
        train__loss="1vsall",
        train__optimizer="adagrad",
        train__learning_rate=0.1,
        train__max_epochs=1,
        data__missing__visual=0.2,
        data__text="none",
    ).train()
    assert results["counts"]["modalities"]["visual"]["present"] == pytest.approx(0.2, abs=0.01)
    assert results["protocol"]["missing"] == {"visual": 0.2}


def test_caps_published_protocol_and_no_modalities(tmp_path):
    results = make_run(
        tmp_path, "rotate", train__max_steps=4, train__protocol="published", train__batch_size=200
    ).train()
    assert results["stages"][0]["steps"] == 4
    assert results["protocol"]["selection"] == "last epoch"
    assert results["counts"]["valid_triples"] == 0
    assert results["best_epoch"] == results["stages"][0]["epochs"]


def test_a_folder_of_another_config_is_refused(finished):
    with pytest.raises(InputError, match="seed"):
        make_run(finished[0], seed=5)


def test_a_run_that_does_not_fit_is_refused_and_writes_nothing(tmp_path):
    run = make_run(tmp_path / "big", train__memory_limit=0.1)
    with pytest.raises(InputError, match=r"about \d+\.\d GiB.*at most the 0\.1 GiB"):
        run.train()
    assert not (tmp_path / "big").exists()


@pytest.mark.parametrize("name", ["adamf_mat", "rotate", "transe", "distmult", "complex"])
@pytest.mark.parametrize("mode", ["", "MKGC/DB15K", "MKGC/MKG-W"])
def test_every_shipped_configuration_is_read(name, mode):
    settings = read_completion_settings(load_config(name, mode))
    assert settings.method == name
    assert settings.data.dataset == (mode or "synthetic")


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("adamf_mat", {"model__scorer": "rotat"}, "did you mean 'rotate'"),
        ("adamf_mat", {"model__modal": "adaptiv"}, "did you mean 'adaptive'"),
        ("adamf_mat", {"model__adversarial": -1.0}, "model.adversarial = -1"),
        ("adamf_mat", {"model__relation_prediction": 0.1}, "a part of the loss '1vsall'"),
        ("adamf_mat", {"train__loss": "1vsal"}, "did you mean '1vsall'"),
        ("adamf_mat", {"train__loss": "1vsall"}, "with the scorer 'rotate'"),
        ("adamf_mat", {"train__learning_rate": 0.0}, "train.learning_rate = 0"),
        ("adamf_mat", {"train__negatives": 0}, "train.negatives = 0"),
        ("adamf_mat", {"train__protocol": "validate"}, "did you mean 'validated'"),
        ("adamf_mat", {"method": "adamf"}, "the method 'adamf'"),
        ("complex", {"train__optimizer": "sgd"}, "train.optimizer = 'sgd'"),
        ("complex", {"answers__min_probability": 2.0}, "answers.min_probability = 2"),
    ],
)
def test_bad_settings_are_refused(name, change, words):
    with pytest.raises(InputError, match=words.replace("?", r"\?")):
        read_completion_settings(small_completion(name, **change))


@pytest.mark.parametrize(
    ("key", "words"), [("dims", "did you mean 'dim'"), ("modal", "for the method complex")]
)
def test_hyperparameters_must_fit_the_method(key, words):
    config = small_completion("complex")
    with config.unlocked():
        config.model[key] = "adaptive"
    with pytest.raises(InputError, match=words):
        read_completion_settings(config)


def test_modes_and_queries_are_checked_before_any_data(tmp_path):
    config = small_completion()
    with pytest.raises(InputError, match="--mode align with a completion method"):
        launch_completion(config, "align", tmp_path)
    with pytest.raises(InputError, match="without --query"):
        launch_completion(config, "predict", tmp_path)
    with pytest.raises(InputError, match="no trained weights"):
        launch_completion(config, "predict", tmp_path, "0,0,?")

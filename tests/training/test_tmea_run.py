"""The shipped TMEA configuration, shrunk, with bi-directional iteration: from files to results."""

import json

import jax
import numpy as np
import pytest

from mmea_jax.training.run import Run
from mmea_jax.training.settings import read_settings
from tests.small import small_config
from tests.training.test_run import KilledError, interrupt_after

EPOCHS = 4


def make_run(folder, **overrides) -> Run:
    shrunk = {
        "data__synthetic__entities": 120,
        "model__latent": 8,
        "stages__main__triple_batch": 300,
        "stages__main__pseudo_batch": 7,
        "stages__main__learning_rate": 2e-2,
        "train__batch_size": 0,
        "train__max_epochs": EPOCHS,
        "train__evaluate_every": 1,
        "train__iterative__start": 2,
        "train__iterative__every": 2,
        "matching__assignment": False,
    }
    config = small_config("tmea", **(shrunk | overrides))
    return Run(read_settings(config), config.to_dict(), folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return folder, make_run(folder).train()


def lines_of(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_imputes_and_finds_links_that_it_keeps_apart(finished):
    folder, results = finished
    assert results["model"] == "tmea"
    assert results["protocol"]["modalities"] == ["structure", "attribute", "visual"]
    assert results["protocol"]["iterative"]
    assert results["pseudo_links"]["accepted"] > 0
    lines = lines_of(folder)
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    # Two programs: before the first round nothing is apart.
    assert ["pseudo" in line["train"] for line in lines] == [False, False, True, True]
    assert all({"translation", "imputation", "orthogonal", "joint"} <= set(line["train"]) for line in lines)


def test_every_step_has_its_triples_and_all_seed_links(finished):
    _, results = finished
    swapped = results["stages"][0]["steps"] / EPOCHS * 300
    assert results["counts"]["triples"] < swapped <= 3 * results["counts"]["triples"] + 300


def test_interrupted_after_a_round_and_resumed_is_bit_identical(finished, tmp_path):
    folder, results = finished
    run = make_run(tmp_path)
    interrupt_after(run, 3)
    with pytest.raises(KilledError):
        run.train()
    resumed = make_run(tmp_path).train()
    assert resumed["test"] == results["test"]
    assert resumed["pseudo_links"] == results["pseudo_links"]
    same = jax.tree.map(np.array_equal, *(make_run(f)._load_params() for f in (folder, tmp_path)))
    assert all(jax.tree.leaves(same))


def test_evaluation_alone_repeats_the_results(finished):
    folder, results = finished
    assert make_run(folder).evaluate()["test"] == results["test"]
    assert make_run(folder).align() == folder / "alignment.tsv"


def test_structure_alone_trains(tmp_path):
    off = {"data__attribute": "none", "data__visual": "none", "train__iterative__start": 0}
    results = make_run(tmp_path, **off).train()
    assert results["protocol"]["modalities"] == ["structure"]
    assert results["stages"][0]["epochs"] == EPOCHS

import json
import shutil

import pytest

from mmea_jax.training.launch import launch
from mmea_jax.training.stopping import exhausted
from tests.small import small_completion, small_config


def test_a_stage_ends_at_the_validation_that_exhausts_patience():
    def stops(epoch, best_epoch, patience=4):
        return exhausted(epoch, best_epoch, 2, patience)

    assert not stops(4, 0), "nothing was validated yet"
    assert [epoch for epoch in range(1, 10) if stops(epoch, 4)] == [8]
    assert [epoch for epoch in range(1, 8) if stops(epoch, 2, patience=3)] == [6]
    assert not stops(100, 2, patience=0)


def still(config, patience):
    """The configuration at a rate too small to change any rank, so that the first validation is the best."""
    config.train.patience, config.train.evaluate_every, config.train.max_epochs = patience, 2, 20
    if config.get("task") == "completion":
        config.train.learning_rate = 1e-12
    else:
        for stage in config.stages.values():
            stage.learning_rate = 1e-12
    return config


@pytest.mark.parametrize("method", ["mclea", "umaea", "distmult"])
def test_training_ends_where_validation_gets_no_better(method, tmp_path):
    small = small_completion if method == "distmult" else small_config
    results = launch(still(small(method), 4), "train", tmp_path)
    assert all(stage["epochs"] == 6 and stage["best_epoch"] == 2 for stage in results["stages"])


def test_a_stopped_run_that_was_killed_before_its_results_stops_again(tmp_path):
    config = still(small_config("umaea"), 4)
    whole = launch(config, "train", tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "best")
    again = launch(config, "train", tmp_path / "run")
    assert again["test"] == whole["test"]
    assert [s["epochs"] for s in again["stages"]] == [s["epochs"] for s in whole["stages"]]
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len([line for line in lines if "epoch" in json.loads(line)]) == 6 * len(whole["stages"])


def test_patience_is_no_negative_number(tmp_path):
    with pytest.raises(ValueError, match=r"train\.patience"):
        launch(small_config("mclea", train__patience=-1), "train", tmp_path)

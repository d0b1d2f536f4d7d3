"""The five lines of the library."""

import pytest

from mmea_jax.api import load_data, method_config, train
from mmea_jax.data import SyntheticOptions
from mmea_jax.errors import InputError

SMALL = {
    "data__synthetic__entities": 150,
    "data__seed_ratio": 0.6,
    "model__width": 16,
    "train__max_epochs": 1,
    "train__batch_size": 16,
    "matching__assignment": False,
}


def test_load_and_train(tmp_path):
    graphs, split = load_data("synthetic", synthetic=SyntheticOptions(entities=150), seed_ratio=0.6)
    run = train("mimea", "synthetic", tmp_path / "run", **SMALL)
    assert run.results["counts"]["test_links"] == len(split.test)
    assert run.results["counts"]["entities"] == graphs.num_entities
    assert "mimea on synthetic" in run.table()
    assert run.report().read_text().startswith("<!DOCTYPE html>")
    # A finished run is returned at once.
    assert train("mimea", "synthetic", tmp_path / "run", **SMALL).results == run.results


def test_what_follows_the_colon_names_data_and_split():
    config = method_config("umaea", "DBP15K/zh_en/published_0.3_3408")
    assert (config.data.dataset, config.data.split) == ("DBP15K/zh_en", "published_0.3_3408")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: train("mimia"), "did you mean 'mimea'"),
        (lambda: train("mimea", model__widht=3), "model.widht.*did you mean 'width'"),
        (lambda: train("mimea", modle__width=3), "modle.width"),
        (lambda: load_data(visuel="none"), "did you mean 'visual'"),
        (lambda: load_data("nowhere/x_y", root="/nonexistent"), "nowhere"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_closest(call, message):
    with pytest.raises(InputError, match=message):
        call()

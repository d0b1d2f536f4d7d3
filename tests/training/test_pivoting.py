"""Unsupervised training: which pairs stand in for the seeds, and what a run says of them."""

import dataclasses
import json

import numpy as np
import pytest

from mmea_jax.data import DataOptions, SyntheticOptions, load
from mmea_jax.errors import InputError
from mmea_jax.report.table import results_table
from mmea_jax.training.pivoting import pivot_split
from mmea_jax.training.run import Run
from mmea_jax.training.settings import read_settings
from tests.small import small_config

COUNT = 25


@pytest.fixture(scope="module")
def loaded():
    return load(
        DataOptions(name="words", char="bigrams", synthetic=SyntheticOptions(entities=80, visual_noise=0.3))
    )


@pytest.mark.parametrize("modality", ["visual", "name", "char"])
def test_pivots_are_the_nearest_pairs_of_entities_that_have_the_modality(loaded, modality):
    kgs, split = loaded
    found = pivot_split(kgs, split, modality, COUNT)
    rows = kgs.modalities[modality]
    assert found.train.shape == (COUNT, 2)
    assert rows.present[found.train].all()
    np.testing.assert_array_equal(kgs.side[found.train], np.tile([0, 1], (COUNT, 1)))
    assert all(len(np.unique(side)) == COUNT for side in found.train.T)

    features = rows.features if modality == "visual" else rows.matrix().toarray()
    features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    scores = features[kgs.entities(0)] @ features[kgs.entities(1)].T
    best = np.where(rows.present[kgs.entities(0)][:, None] & rows.present[kgs.entities(1)], scores, -1).max()
    np.testing.assert_allclose(
        (features[found.train[0, 0]] * features[found.train[0, 1]]).sum(), best, rtol=1e-5
    )
    gold = {tuple(link) for link in kgs.links.tolist()}
    chance = len(gold) / len(scores) ** 2
    assert np.mean([tuple(pair) in gold for pair in found.train.tolist()]) > 10 * chance


def test_no_gold_link_trains_or_validates_and_the_test_links_stay(loaded):
    kgs, split = loaded
    assert len(split.valid) > 0
    found = pivot_split(kgs, split, "visual", COUNT)
    # The gold links have no part in the choice.
    shuffled = dataclasses.replace(kgs, links=np.random.default_rng(0).permutation(kgs.links)[:5])
    np.testing.assert_array_equal(pivot_split(shuffled, split, "visual", COUNT).train, found.train)
    assert len(found.valid) == 0
    np.testing.assert_array_equal(found.test, split.test)
    assert found.sha256 != split.sha256
    assert "visual pivots" in found.name


def test_a_modality_that_is_not_there_is_refused_with_the_flag_that_offers_it(loaded):
    kgs, split = loaded
    kgs = dataclasses.replace(kgs, modalities={"visual": kgs.modalities["visual"]})
    with pytest.raises(InputError, match=r"no name features.*--config\.data\.name"):
        pivot_split(kgs, split, "name", COUNT)
    present = kgs.modalities["visual"].present & (kgs.side == 0)
    one_sided = dataclasses.replace(kgs.modalities["visual"], present=present)
    kgs = dataclasses.replace(kgs, modalities=kgs.modalities | {"visual": one_sided})
    with pytest.raises(InputError, match="on both sides"):
        pivot_split(kgs, split, "visual", COUNT)


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("pivot", "vision", "did you mean 'visual'"),
        ("pivots", 0, "at least 1"),
        ("protocol", "published", "test links"),
    ],
)
def test_bad_options_are_refused(key, value, complaint):
    overrides = {"train__pivot": "visual", f"train__{key}": value}
    with pytest.raises(InputError, match=complaint):
        read_settings(small_config("eva", **overrides))


def test_a_run_says_that_it_is_unsupervised(tmp_path):
    config = small_config(
        "eva",
        train__pivot="visual",
        train__pivots=40,
        train__max_epochs=2,
        matching__assignment=False,
        data__relation="none",
        data__attribute="none",
        data__synthetic__visual_noise=0.3,
    )
    results = Run(read_settings(config), config.to_dict(), tmp_path).train()
    stored = json.loads((tmp_path / "results.json").read_text())
    assert stored["protocol"]["unsupervised"]
    assert stored["protocol"]["selection"] == "last epoch"
    assert stored["counts"]["train_links"] == stored["pivots"]["count"] == 40
    assert stored["counts"]["valid_links"] == 0
    assert 0 < stored["pivots"]["precision"] <= 1
    assert stored["parameters"] > 0
    text = results_table(results)
    assert "unsupervised" in text
    assert "40 visual pairs instead of seed links" in text

"""The shipped baselines, shrunk, from files to results."""

import pytest

from mmea_jax.training.run import Run
from mmea_jax.training.settings import read_settings
from tests.small import small_config


@pytest.mark.parametrize("method", ["mclea", "meaformer"])
def test_a_baseline_trains_and_learns_without_flags_of_its_own(method, tmp_path):
    # Few modalities compile fast.
    fewer = {"data__relation": "none", "data__attribute": "none"}
    config = small_config(method, **fewer, train__evaluate_every=4, matching__assignment=False)
    results = Run(read_settings(config), config.to_dict(), tmp_path).train()
    assert results["model"] == method
    assert set(results["unimodal"]) == {"structure", "visual"}
    assert results["test"]["csls"]["l2r"]["hits@1"] > 3 / results["counts"]["test_links"]
    assert not results["protocol"]["unsupervised"]

"""Every registered method has a configuration that sets each of its fields, and tests of its own."""

from pathlib import Path

import pytest

from mmea_jax.training.methods import METHODS, hyperparameters
from mmea_jax.training.settings import read_settings
from tests.small import CONFIGS, load_config

# Fields that no configuration needs to name.
_INTERNAL = {"umaea": {"fill_seed"}}


@pytest.mark.parametrize("method", METHODS)
def test_the_configuration_sets_every_hyperparameter(method):
    settings = read_settings(load_config(method))
    assert settings.method == method
    assert set(settings.model) == set(hyperparameters(method)) - _INTERNAL.get(method, set())


@pytest.mark.parametrize("method", METHODS)
def test_the_configuration_says_where_the_method_comes_from_and_how_to_run_it(method):
    text = (CONFIGS / f"{method}.py").read_text(encoding="utf-8")
    assert any(source in text for source in ("arXiv", "OpenReview", "doi"))
    assert f"python -m mmea_jax.main --config configs/{method}.py" in text


@pytest.mark.parametrize("method", METHODS)
def test_the_method_has_a_test_file(method):
    assert (Path(__file__).parent / f"test_{method}.py").is_file()

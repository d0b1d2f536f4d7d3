"""The command that makes the API reference, and the method that docs/extending.md shows."""

import importlib.util
import re
import sys
from pathlib import Path

import mmea_jax.training.methods as methods
from mmea_jax.training.run import Run
from mmea_jax.training.settings import read_settings
from tests.small import small_config

DOCS = Path(__file__).parents[2] / "docs"


def load(name, source, monkeypatch, tmp_path):
    path = tmp_path / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_every_layer_and_the_docstrings(tmp_path, monkeypatch, capsys):
    made = load("make_api", (DOCS / "make_api.py").read_text(encoding="utf-8"), monkeypatch, tmp_path)
    made.PACKAGE = DOCS.parent / "mmea_jax"
    monkeypatch.setattr(made.pages, "__defaults__", (made.PACKAGE,))
    assert made.main(["--out", str(tmp_path / "api")]) == 0
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (tmp_path / "api").glob("*.md")}
    assert {"index", "top", "data", "nn", "losses", "models", "matching", "training", "report"} <= set(pages)
    assert "align_graphs(left: str | Path" in pages["training"]
    assert "Aligns two graphs and writes everything" in pages["training"]
    assert "### class `Mimea(AlignmentModel)`" in pages["models"]
    assert not re.search(r"### `_", "".join(pages.values()))


def test_the_method_of_the_page_trains(tmp_path, monkeypatch):
    page = (DOCS / "extending.md").read_text(encoding="utf-8")
    source = page.split("```python\n")[1].split("```")[0]
    assert len(source.splitlines()) <= 60
    plain = load("plain", source, monkeypatch, tmp_path).Plain
    monkeypatch.setitem(methods.METHODS, "plain", plain)
    config = small_config("mclea")
    config.method = "plain"
    for field in ("alignment_temperature", "contrast", "zoom"):
        del config.model[field]
    config.matching.assignment = False
    config.train.max_epochs = 2
    results = Run(read_settings(config), config.to_dict(), tmp_path / "run").train()
    chance = 1 / results["counts"]["test_links"]
    assert results["test"]["csls"]["l2r"]["hits@1"] > 3 * chance

"""Imports run one way: main → training → models → {nn, losses} → jax, training → {data, matching}."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mmea_jax"

# What a layer must not import, at module level or inside a function.
ABOVE = {"mmea_jax.models", "mmea_jax.training", "mmea_jax.main", "mmea_jax.report"}
CONFIG = {"ml_collections"}
HEAVY = {"tensorflow", "torch", "transformers"}
DEVICE = {"jax", "jaxlib", "flax", "optax", "ott", "jraph", "orbax"}
BELOW = {f"mmea_jax.{layer}" for layer in ("data", "nn", "losses", "matching")}
FORBIDDEN = {
    "data": ABOVE | CONFIG | HEAVY | DEVICE | BELOW - {"mmea_jax.data"},
    "nn": ABOVE | CONFIG | HEAVY | {"mmea_jax.data", "mmea_jax.matching"},
    "losses": ABOVE | CONFIG | HEAVY | {"mmea_jax.data", "mmea_jax.matching"},
    "matching": ABOVE | CONFIG | HEAVY | {"mmea_jax.nn", "mmea_jax.losses"},
    "models": ABOVE - {"mmea_jax.models"} | CONFIG | HEAVY | {"mmea_jax.matching"},
    "training": {"mmea_jax.main"} | HEAVY,
    "encoders": ABOVE | CONFIG | DEVICE | HEAVY | BELOW - {"mmea_jax.data"},
}


def imports(source, package):
    """Dotted names that ``source``, a module of ``package``, imports, each as far as it is spelled out."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = package.split(".")
            base = ".".join(parent[: len(parent) + 1 - node.level]) if node.level else ""
            base = ".".join(part for part in (base, node.module) if part)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def violations(source, package, layer):
    return sorted(
        name
        for name in imports(source, package)
        if any(name == bad or name.startswith(f"{bad}.") for bad in FORBIDDEN[layer])
    )


def modules():
    for layer in FORBIDDEN:
        for file in sorted((PACKAGE / layer).rglob("*.py")):
            yield pytest.param(layer, file, id=str(file.relative_to(PACKAGE)))


@pytest.mark.parametrize(("layer", "file"), list(modules()))
def test_imports_run_one_way(layer, file):
    package = ".".join(["mmea_jax", *file.relative_to(PACKAGE).parts[:-1]])
    assert violations(file.read_text(encoding="utf-8"), package, layer) == []


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_the_layer_exists(layer):
    assert list((PACKAGE / layer).rglob("*.py")), "the rule would hold for want of modules"


@pytest.mark.parametrize("name", ["errors.py", "vocabulary.py", "host_memory.py", "__init__.py"])
def test_common_modules_import_no_layer(name):
    found = imports((PACKAGE / name).read_text(encoding="utf-8"), "mmea_jax")
    assert not [
        module for module in found if module.startswith("mmea_jax.") or module.split(".")[0] in DEVICE
    ]


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("data", "import jax.numpy as jnp"),
        ("data", "from mmea_jax import nn"),
        ("data", "def f():\n    from mmea_jax.matching.csls import x"),
        ("nn", "from mmea_jax.data import KnowledgeGraphs"),
        ("nn", "from ..training import stages"),
        ("nn", "from .. import models"),
        ("losses", "import mmea_jax.matching.ranks"),
        ("matching", "from ml_collections import ConfigDict"),
        ("models", "from mmea_jax.training.options import TrainOptions"),
        ("models", "import torch"),
        ("training", "from mmea_jax.main import main"),
    ],
)
def test_the_rule_sees_a_forbidden_import(layer, source):
    assert violations(source, f"mmea_jax.{layer}", layer)


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("data", "from .bags import attribute_bag"),
        ("data", "import jaxtyping_like_name"),
        ("nn", "from mmea_jax.vocabulary import STRUCTURE"),
        ("models", "from mmea_jax.nn.modal import ModalEncoder"),
        ("training", "from mmea_jax.data import load"),
    ],
)
def test_the_rule_lets_others_pass(layer, source):
    assert violations(source, f"mmea_jax.{layer}", layer) == []

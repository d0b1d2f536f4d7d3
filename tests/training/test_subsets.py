"""Every shipped method is set up for any subset of the modalities, from the same flags.

That each of them trains is in ``tests/models`` (``test_any_subset_of_modalities_trains``).
"""

import re

import jax
import pytest

from experiments.ablation import VARIANTS, variants_of
from mmea_jax.training.completion.run import CompletionRun
from mmea_jax.training.completion.settings import read_completion_settings
from mmea_jax.training.run import Run
from mmea_jax.training.settings import read_settings
from tests.small import small_completion, small_config

OFF = [
    (method, name, flags)
    for method in sorted(VARIANTS)
    for name, flags in variants_of(method).items()
    if flags and all(flag.startswith("--config.data.") and flag.endswith("=none") for flag in flags)
]


@pytest.mark.parametrize(("method", "name", "flags"), OFF, ids=[f"{m}, {n}" for m, n, _ in OFF])
def test_parameters_are_those_of_the_modalities_that_are_left(method, name, flags, tmp_path):
    completes = method == "adamf_mat"
    off = {flag.removeprefix("--config.data.").removesuffix("=none") for flag in flags}
    changes = {f"data__{m}": "none" for m in off}
    config = small_completion(method, **changes) if completes else small_config(method, **changes)
    if completes:
        run = CompletionRun(read_completion_settings(config), config.to_dict(), tmp_path)
    else:
        run = Run(read_settings(config), config.to_dict(), tmp_path)
    full = ("visual", "text") if completes else ("relation", "attribute", "visual")
    # TMEA's configuration does without the bag of relations from the start.
    left = [m for m in full if m not in off and (method, m) != ("tmea", "relation")]
    assert run.model.modalities == ("structure", *left)
    params = run._abstract_params()
    names = {jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)}
    for m in full:
        # In whole words: methods with triples have a table of relations besides. MSNEA attends to attributes.
        word = "attributes?" if m == "attribute" else m
        assert any(re.search(rf"[_']{word}[_']", own) for own in names) == (m in left), (m, names)


def test_each_modality_of_each_method_is_switched_off_once():
    found = {(method, name) for method, name, _ in OFF}
    for method in VARIANTS:
        own = {name for known, name in found if known == method}
        assert {"without visual", "structure alone"} < own
    assert len(found) == 7 * 4 - 1 + 3

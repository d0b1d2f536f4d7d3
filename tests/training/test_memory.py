"""The estimate of what a run needs, and the refusal of one that does not fit."""

import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.training import memory

GIB = 2**30


def test_bytes_of_a_tree_are_those_of_its_arrays():
    assert memory.tree_bytes({"a": jnp.zeros((3, 4)), "b": [np.zeros(5, np.int8)]}) == 3 * 4 * 4 + 5


def test_matching_counts_vectors_plan_and_kept_embeddings():
    """On the sizes of DBP15K/zh_en."""
    sizes = {"rows": 10_500, "candidates": 10_500, "entities": 38_960, "width": 3_600}
    plain = memory.evaluation_bytes(**sizes, consensus=False, assignment=False)
    assert plain >= 4 * 4 * 38_960 * 3_600
    kept = memory.evaluation_bytes(**sizes, consensus=True, assignment=False)
    assert kept - plain == 2 * 4 * 38_960 * 3_600
    # Many test links: the plan decides.
    large = sizes | {"rows": 19_000, "candidates": 19_000}
    assert memory.evaluation_bytes(**large, consensus=False, assignment=True) >= 12 * 19_000**2
    whole = memory.estimate(step=GIB, host=GIB // 5, params=GIB // 7, evaluation=kept)
    assert kept < whole < kept + 3 * GIB


def test_a_run_that_does_not_fit_is_refused_with_both_figures():
    memory.refuse_excess(3 * GIB, 4 * GIB, limit_gib=0)
    memory.refuse_excess(3 * GIB, None, limit_gib=0)
    with pytest.raises(InputError, match=r"needs about 3\.0 GiB.*at most the 2\.0 GiB"):
        memory.refuse_excess(3 * GIB, 2 * GIB, limit_gib=0)
    with pytest.raises(InputError, match=r"at most the 1\.5 GiB"):
        memory.refuse_excess(3 * GIB, 8 * GIB, limit_gib=1.5)

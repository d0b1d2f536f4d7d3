"""The estimate of what a run needs, and the refusal of one that does not fit."""

import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.training import memory

GIB = 2**30


def test_bytes_of_a_tree_are_those_of_its_arrays():
    assert memory.tree_bytes({"a": jnp.zeros((3, 4)), "b": [np.zeros(5, np.int8)]}) == 3 * 4 * 4 + 5


def test_matching_counts_vectors_plan_and_context():
    """On the sizes of DBP15K/zh_en, where a run peaked at 5.5 GiB with all three."""
    sizes = {"rows": 10_500, "candidates": 10_500, "entities": 38_960, "width": 5_400}
    plain = memory.evaluation_bytes(**sizes, context_width=0, assignment=False)
    assert plain >= 4 * 4 * 38_960 * 5_400
    with_context = memory.evaluation_bytes(**sizes, context_width=1_800, assignment=False)
    assert with_context - plain == 4 * 4 * 38_960 * 1_800
    # Many test links: the plan decides.
    large = sizes | {"rows": 19_000, "candidates": 19_000}
    assert memory.evaluation_bytes(**large, context_width=0, assignment=True) >= 12 * 19_000**2
    whole = memory.estimate(step=GIB, host=GIB // 5, params=GIB // 7, evaluation=with_context)
    assert 5.5 * GIB < whole < 6.5 * GIB


def test_a_run_that_does_not_fit_is_refused_with_both_figures():
    memory.refuse_excess(3 * GIB, 4 * GIB, limit_gib=0)
    memory.refuse_excess(3 * GIB, None, limit_gib=0)
    with pytest.raises(InputError, match=r"needs about 3\.0 GiB.*at most the 2\.0 GiB"):
        memory.refuse_excess(3 * GIB, 2 * GIB, limit_gib=0)
    with pytest.raises(InputError, match=r"at most the 1\.5 GiB"):
        memory.refuse_excess(3 * GIB, 8 * GIB, limit_gib=1.5)

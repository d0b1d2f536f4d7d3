"""Stages as data: batches, what a run goes through, and what the optimizer does not decay."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.training.optimizer import make_optimizer
from mmea_jax.training.stages import Stage, planned

IMAGINING = types.SimpleNamespace(can_imagine=True)
WITHOUT = types.SimpleNamespace(can_imagine=False)
STAGES = (Stage("first", 3), Stage("second", 2, needs="can_imagine"), Stage("third", 1, needs="can_imagine"))


def names(stages):
    return [stage.name for stage in stages]


def test_stages_that_the_model_cannot_use_are_left_out_with_a_line_in_the_log(caplog, monkeypatch):
    monkeypatch.setattr("mmea_jax.training.stages.log.propagate", True)
    with caplog.at_level("INFO", "mmea_jax"):
        assert names(planned(STAGES, WITHOUT)) == ["first"]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "stage second left out",
        "stage third left out",
    ]
    assert names(planned(STAGES, IMAGINING)) == ["first", "second", "third"]
    with pytest.raises(InputError, match="no stage left of second, third"):
        planned(STAGES[1:], WITHOUT)


def test_cycles_repeat_all_stages_under_names_of_their_own():
    found = planned(STAGES[:2], IMAGINING, cycles=3)
    assert names(found) == ["first", "second", "first-2", "second-2", "first-3", "second-3"]
    assert found[5].needs == found[1].needs
    assert found[4].epochs == 3


@pytest.mark.parametrize(
    ("links", "equal", "expected"),
    [
        (4500, True, (2, 2250)),
        (4500, False, (2, 3500)),
        (3500, False, (1, 3500)),
        (630, False, (1, 630)),
        (630, True, (1, 630)),
    ],
)
def test_batches_are_equal_or_full(links, equal, expected):
    assert Stage("main", 1, batch_size=3500, equal_batches=equal).batches(links) == expected


def test_patterns_set_what_is_not_decayed():
    params = {"params": {"Dense_0": {"kernel": jnp.ones(2), "bias": jnp.ones(2)}, "bias_net": jnp.ones(2)}}
    optimizer = make_optimizer(Stage("main", 1, weight_decay=0.5, undecayed=("bias$",)), 10)
    state, zero = optimizer.init(params), jax.tree.map(jnp.zeros_like, params)
    for _ in range(3):
        updates, state = optimizer.update(zero, state, params)
    found = updates["params"]
    np.testing.assert_array_equal(found["Dense_0"]["bias"], 0.0)
    assert (found["Dense_0"]["kernel"] < 0).all()
    assert (found["bias_net"] < 0).all()

"""Methods that embed by translation: passes over the triples, on the device and reproducible."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from mmea_jax.errors import InputError
from mmea_jax.models.msnea import Msnea
from mmea_jax.nn.triples import count_swapped
from mmea_jax.training.options import IterativeOptions, TrainOptions
from mmea_jax.training.run import Run
from mmea_jax.training.settings import read_settings
from mmea_jax.training.stages import Stage, planned
from mmea_jax.training.trainer import Trainer
from tests.models.cases import inputs, world
from tests.small import small_config

LINKS = world().links[:20]
BATCH = 64


def trainer(seed=0, epochs=2, pairs=8, propose=None, modalities=("structure",), **options) -> Trainer:
    model = Msnea(modalities, world().num_entities, width=8)
    stage = Stage("main", epochs, batch_size=pairs, triple_batch=BATCH, clip=1e6)
    sides = tuple(int((world().side == k).sum()) for k in (0, 1))
    options = TrainOptions(**options)
    return Trainer(model, inputs(), (stage,), LINKS, options, seed, None, propose, sides)


@functools.cache
def finished(seed: int):
    """Progress and events of a short training."""
    own = trainer(seed, modalities=("structure", "visual"))
    progress = own.initial()
    return progress, list(own.run(progress))


def test_a_pass_has_as_many_steps_as_the_triples_with_their_swaps_fill():
    _, events = finished(0)
    rows = count_swapped(world().triples, LINKS, world().num_entities)
    assert rows > len(world().triples)
    steps = -(-rows // BATCH)
    assert steps > len(LINKS) // 8 + 1
    assert [event.step for event in events] == [steps, 2 * steps]
    assert {"translation", "visual_translation", "joint", "structure"} <= set(events[0].terms)


def test_the_result_depends_on_the_seed_alone():
    progress, _ = finished(0)
    own = trainer(0, modalities=("structure", "visual"))
    again = own.initial()
    list(own.run(again))
    jax.tree.map(np.testing.assert_array_equal, progress.state.params, again.state.params)
    other = finished(1)[0].state.params["params"]["relations"]["table"]
    assert np.abs(other - progress.state.params["params"]["relations"]["table"]).max() > 0.01


def test_a_cap_on_steps_counts_steps_over_triples():
    own = trainer(max_steps=3)
    progress = own.initial()
    events = list(own.run(progress))
    assert [event.step for event in events] == [3]


def test_links_found_on_the_way_train_and_swap():
    """Iterative learning adds links: the same step count, nothing compiled anew, another result."""
    found = world().links[30:34]

    def run(pairs_proposed):
        own = trainer(
            epochs=3,
            propose=lambda params, closed, flags: pairs_proposed,
            iterative=IterativeOptions(start=1, every=1, patience=1),
        )
        progress = own.initial()
        return own, progress, list(own.run(progress))

    own, progress, events = run(found)
    assert [event.accepted for event in events] == [4, 4, 4]
    assert len(own.links(progress)) == len(LINKS) + 4
    _, plain, without = run(found[:0])
    assert [event.step for event in events] == [event.step for event in without]
    one, two = (p.state.params["params"]["encode"]["entities"] for p in (progress, plain))
    assert np.abs(np.asarray(one - two)[found.ravel()]).max() > 1e-4


def test_triples_for_a_method_that_reads_none_are_refused():
    config = small_config("mclea", stages__main__triple_batch=100)
    stages = read_settings(config).stages
    with pytest.raises(InputError, match="triple_batch = 100 for a method without triples"):
        planned(stages, dataclasses.make_dataclass("Model", [])())
    assert planned(stages, Msnea(("structure",), 4)) == stages


def test_a_negative_batch_is_refused():
    with pytest.raises(InputError, match=r"triple_batch = -1"):
        read_settings(small_config("msnea", stages__main__triple_batch=-1))


def test_the_shipped_configuration_trains_and_learns_without_flags_of_its_own(tmp_path):
    fewer = {"data__relation": "none", "data__attribute": "none"}
    config = small_config(
        "msnea",
        **fewer,
        stages__main__triple_batch=200,
        train__max_epochs=12,
        train__evaluate_every=12,
        matching__assignment=False,
    )
    results = Run(read_settings(config), config.to_dict(), tmp_path).train()
    assert results["model"] == "msnea"
    assert set(results["unimodal"]) == {"structure", "visual"}
    assert results["test"]["csls"]["l2r"]["hits@1"] > 3 / results["counts"]["test_links"]

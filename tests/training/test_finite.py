"""A loss or gradient that is not finite stops training with its name, or is skipped and counted."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmea_jax.training import finite
from mmea_jax.training.options import IterativeOptions, TrainOptions
from mmea_jax.training.stages import Stage
from mmea_jax.training.trainer import Trainer
from tests.models.cases import inputs

N = 12
LINKS = np.stack([np.arange(N), 40 + np.arange(N)], axis=1)
POISON, EVERY = 3, -2
NEVER = IterativeOptions()


class Toy(nn.Module):
    """Learns nothing of note; the link that begins with ``poison`` spoils what ``spoils`` names."""

    num_entities: int = 80
    poison: int = POISON
    spoils: str = "other"

    @nn.compact
    def loss(self, inputs, pairs):
        w = self.param("w", nn.initializers.ones, (2,))
        bad = jnp.any(pairs[:, 0] == self.poison) | (self.poison == EVERY)
        fit = jnp.sum(w**2)
        # At 0 a root is finite and its slope is not.
        under = jnp.where(bad, 0 * w[0], 1.0) if self.spoils == "gradient" else jnp.ones(())
        other = w[1] * jnp.where(bad & (self.spoils == "other"), jnp.nan, 1.0)
        return fit + other + jnp.sqrt(under), {"fit": fit, "other": other}


def trainer(on_nan="stop", validate=None, epochs=3, propose=None, iterative=NEVER, **toy) -> Trainer:
    stage = Stage("late", epochs, batch_size=4, learning_rate=1e-2)
    options = TrainOptions(on_nan=on_nan, evaluate_every=1, iterative=iterative)
    return Trainer(Toy(**toy), inputs(), (stage,), LINKS, options, 0, validate, propose, (40, 40))


@pytest.mark.parametrize(
    ("spoils", "words"), [("other", "the loss term 'other'"), ("gradient", "the gradient")]
)
def test_training_stops_and_says_where_and_at_what(spoils, words):
    own = trainer(spoils=spoils)
    progress = own.initial()
    with pytest.raises(finite.NotFiniteError, match=words) as error:
        list(own.run(progress))
    message = str(error.value)
    # Three steps a pass, and the link is in one of them.
    assert message.startswith(tuple(f"stage late, epoch 1, step {step}: " for step in (1, 2, 3)))
    assert "--config.stages.late.learning_rate" in message
    assert "--config.train.on_nan=skip" in message
    assert progress.epoch == progress.records[0].epochs == 0


def test_the_step_that_is_named_is_the_one():
    own = trainer()
    with pytest.raises(finite.NotFiniteError) as error:
        list(own.run(own.initial()))
    sound = trainer(poison=-9)
    progress = sound.initial()
    key = jax.random.wrap_key_data(jnp.asarray(sound.key, jnp.uint32))
    real = jax.random.uniform(jax.random.fold_in(key, 0), (N,))
    position = np.argsort(np.asarray(real)).tolist().index(POISON)
    assert f"step {position // 4 + 1}:" in str(error.value)
    assert len(list(sound.run(progress))) == 3


@pytest.mark.parametrize("spoils", ["other", "gradient"])
def test_skipped_updates_change_nothing_and_are_counted(spoils):
    own = trainer("skip", spoils=spoils)
    progress = own.initial()
    events = list(own.run(progress))
    assert [event.skipped for event in events] == [1, 1, 1]
    assert progress.records[0].skipped == 3
    assert progress.records[0].steps == int(progress.state.step) == 9
    assert all(np.isfinite(list(event.terms.values())).all() for event in events)
    # As if two steps of each pass had been made: Adam counts its own.
    counts = [x for x in jax.tree.leaves(progress.state.opt_state) if x.dtype == jnp.int32]
    assert {int(count) for count in counts} == {6}
    assert np.isfinite(progress.state.params["params"]["w"]).all()


def test_means_leave_skipped_steps_out():
    events = list((own := trainer("skip", epochs=1)).run(own.initial()))
    # fit is 2 before the first update and little less later; with a zero among three it would be below 1.4.
    assert 1.8 < events[0].terms["fit"] <= 2


def test_without_faults_skipping_changes_no_bit():
    found = []
    for on_nan in finite.ON_NAN:
        own = trainer(on_nan, poison=-9)
        progress = own.initial()
        list(own.run(progress))
        found.append(progress.state)
    jax.tree.map(np.testing.assert_array_equal, *found)


def test_a_pass_of_nothing_but_faults_stops_though_they_may_be_skipped():
    own = trainer("skip", poison=EVERY)
    with pytest.raises(finite.NotFiniteError, match="as in every other step of the pass"):
        list(own.run(own.initial()))


def test_validation_scores_that_are_not_finite_name_the_place():
    def validate(params, flags):
        raise FloatingPointError("scores hold NaN")

    own = trainer(validate=validate, poison=-9)
    with pytest.raises(finite.NotFiniteError, match="stage late, epoch 1, step 3: a validation score"):
        list(own.run(own.initial()))


def test_proposals_from_scores_that_are_not_finite_name_the_place():
    def propose(params, closed, flags):
        raise FloatingPointError("scores hold NaN")

    own = trainer(propose=propose, poison=-9, iterative=IterativeOptions(start=1))
    with pytest.raises(finite.NotFiniteError, match="stage late, epoch 1, step 3: a score of the open"):
        list(own.run(own.initial()))


def test_terms_come_before_the_loss_and_the_loss_before_gradients():
    names = ["gradient_norm", "a", "generators_gradient_norm", "loss", "z"]
    assert finite.ordered(names) == ["a", "z", "loss", "generators_gradient_norm", "gradient_norm"]

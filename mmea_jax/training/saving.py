"""What of a run goes into a checkpoint, and how it comes back."""

import dataclasses

import jax

from mmea_jax.matching.pseudo_links import PseudoLinks
from mmea_jax.training.sharding import Sharding
from mmea_jax.training.steps import TrainState
from mmea_jax.training.trainer import Progress, StageRecord, Trainer


def to_checkpoint(progress: Progress, sharding: Sharding) -> tuple[dict, dict]:
    """Whole arrays and plain values that ``from_checkpoint`` makes the same progress of, on any devices."""
    arrays = _arrays_of(progress)
    arrays |= sharding.whole({"state": progress.state, "best": progress.best})
    meta = {
        "stage": progress.stage,
        "epoch": progress.epoch,
        "records": [dataclasses.asdict(record) for record in progress.records],
    }
    return arrays, meta


def abstract_arrays(trainer: Trainer, meta: dict, sharding: Sharding) -> dict:
    """Shapes and types of the arrays that belong to ``meta``: the optimizer differs from stage to stage."""
    initial = jax.eval_shape(lambda: _arrays_of(trainer.initial(placed=False)))
    return sharding.abstract(initial | {"state": trainer.like_state(meta["stage"], initial["state"])})


def _arrays_of(progress: Progress) -> dict:
    return {"state": progress.state, "best": progress.best, "pseudo": progress.pseudo._asdict()}


def from_checkpoint(arrays: dict, meta: dict, sharding: Sharding) -> Progress:
    """The progress that was saved."""
    state: TrainState = sharding.placed(arrays["state"])
    pseudo = PseudoLinks(**jax.device_get(arrays["pseudo"]))
    records = [StageRecord(**record) for record in meta["records"]]
    best = sharding.placed(arrays["best"])
    return Progress(state, best, pseudo, meta["stage"], meta["epoch"], records)

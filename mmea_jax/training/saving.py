"""What of a run goes into a checkpoint, and how it comes back."""

import dataclasses

import jax

from mmea_jax.matching.pseudo_links import PseudoLinks
from mmea_jax.training.steps import TrainState
from mmea_jax.training.trainer import Progress, StageRecord, Trainer


def to_checkpoint(progress: Progress) -> tuple[dict, dict]:
    """Arrays and plain values that ``from_checkpoint`` makes the same progress of."""
    arrays = {
        "state": progress.state,
        "best": progress.best,
        "pseudo": progress.pseudo._asdict(),
    }
    meta = {
        "stage": progress.stage,
        "epoch": progress.epoch,
        "records": [dataclasses.asdict(record) for record in progress.records],
    }
    return arrays, meta


def abstract_arrays(trainer: Trainer, meta: dict) -> dict:
    """Shapes and types of the arrays that belong to ``meta``: the optimizer differs from stage to stage."""
    initial = jax.eval_shape(lambda: _arrays_of(trainer.initial()))
    return initial | {"state": trainer.like_state(meta["stage"], initial["state"])}


def _arrays_of(progress: Progress) -> dict:
    return to_checkpoint(progress)[0]


def from_checkpoint(arrays: dict, meta: dict) -> Progress:
    """The progress that was saved."""
    state: TrainState = arrays["state"]
    pseudo = PseudoLinks(**jax.device_get(arrays["pseudo"]))
    records = [StageRecord(**record) for record in meta["records"]]
    return Progress(state, arrays["best"], pseudo, meta["stage"], meta["epoch"], records)

"""The loop around a trainer: when it saves, and that it waits for no disk."""

from types import SimpleNamespace

import pytest

from mmea_jax.training.task_run import TaskRun

PASSES, EVERY = 6, 2


def saved_after(busy=(), signal_at=None) -> list[int]:
    """The passes after which a checkpoint was saved.

    Args:
      busy: passes after which the checkpoint before is still being written.
      signal_at: the pass during which a signal comes.
    """
    saved, now = [], SimpleNamespace(epoch=0, requested=False)

    def run(progress):
        for epoch in range(1, PASSES + 1):
            progress.epoch, progress.requested = epoch, epoch == signal_at
            yield SimpleNamespace(epoch=epoch, epochs=PASSES, terms={"loss": 1.0}, valid_mrr=None)

    class Writer:
        @property
        def busy(self):
            return now.epoch in busy

    own = SimpleNamespace(
        folder=SimpleNamespace(writes=False, log=lambda line: None, close=lambda: None),
        settings=SimpleNamespace(train=SimpleNamespace(evaluate_every=EVERY)),
        _checkpoints=Writer(),
        _epochs_done=lambda progress: 0,
        _best_pass=lambda progress: 0,
        _line=lambda event: {},
        _save=lambda progress: saved.append(progress.epoch),
    )
    TaskRun._follow(own, SimpleNamespace(epochs=PASSES, run=run), now, now)
    return saved


@pytest.mark.parametrize(
    ("busy", "signal_at", "expected"),
    [
        ((), None, [2, 4, 6]),
        # A checkpoint that would wait for the disk is left out, the last state never.
        ((4,), None, [2, 6]),
        ((2, 4, 6), None, [6]),
        ((), 3, [2, 3]),
        ((2, 4), 4, [4]),
    ],
)
def test_it_saves_at_the_interval_unless_it_would_wait_and_always_at_the_end(busy, signal_at, expected):
    assert saved_after(busy, signal_at) == expected

"""Early stopping."""


def exhausted(epoch: int, best_epoch: int, evaluate_every: int, patience: int) -> bool:
    """Whether a stage is to end as no validation has been better for ``patience`` epochs.

    It ends after a validation alone, so that a checkpoint is of the very epoch that it ended with, and a run
    that goes on from there ends it again.

    Args:
      epoch: passes made in the stage.
      best_epoch: the one with the best validation, counted from 1; 0 before the first.
      evaluate_every: epochs between validations.
      patience: 0 for stages that are never cut short.
    """
    validated = epoch > 0 and epoch % evaluate_every == 0
    return bool(patience and best_epoch and validated and epoch - best_epoch >= patience)

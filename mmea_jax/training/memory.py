"""Will it fit? Peak memory of a run, estimated before the first step."""

import jax
import numpy as np

from mmea_jax.errors import InputError
from mmea_jax.matching.held_scores import MAX_HELD_SCORES

# An allowance for interpreter, JAX and compiled programs; a guess.
_PROCESS = 700 << 20


def tree_bytes(tree) -> int:
    """Bytes of all arrays of a pytree."""
    return sum(np.dtype(x.dtype).itemsize * int(np.prod(x.shape)) for x in jax.tree.leaves(tree))


def trained_bytes(numbers: int) -> int:
    """Bytes of so many float32 parameters, their two moments, and a copy of the best and of a checkpoint."""
    return 5 * 4 * numbers


def evaluation_bytes(
    rows: int, candidates: int, entities: int, width: int, consensus: bool, assignment: bool
) -> int:
    """Peak bytes of matching, whichever of its two parts needs more.

    One part scores ``rows`` against ``candidates``, with one array of all pairs where they are few enough to
    be kept, and about three more where a transport plan is asked for; the other makes the alignment table of
    all ``entities``. Each holds its embeddings, their concatenation and copies on the way, and one block of
    32 MiB with its sorted form.

    Args:
      rows: entities of KG 1 that are ranked.
      candidates: of KG 2.
      entities: ``N``.
      width: of the vectors that are multiplied.
      consensus: whether all entities' embeddings are kept for what their neighbours say.
      assignment: whether a transport plan is made.
    """
    pairs = 4 * rows * candidates
    plan = 3 * pairs if assignment else 0
    kept_scores = pairs if rows * candidates <= MAX_HELD_SCORES else 0
    test = 4 * 4 * (rows + candidates) * width + plan + kept_scores
    table = 4 * 4 * entities * width
    # All embeddings, and the rows and candidates that are cut out of them.
    kept = 2 * 4 * entities * width if consensus else 0
    return (96 << 20) + kept + max(test, table)


def estimate(step: int, host: int, params: int, evaluation: int) -> int:
    """Peak bytes of the process.

    Args:
      step: of a compiled training step with its arguments and results.
      host: of the graphs and features on the host.
      params: of one copy of the parameters; the selected ones and a checkpoint in flight are two more.
      evaluation: of matching, which runs while no step does.
    """
    return _PROCESS + host + 2 * params + max(step, evaluation + 3 * params)


def refuse_excess(needed: int, available: int | None, limit_gib: float) -> None:
    """Refuses a run that does not fit.

    Args:
      needed: estimated peak, bytes.
      available: bytes that the machine has free; ``None`` where that cannot be told.
      limit_gib: the user's own limit in GiB; 0 for none.

    Raises:
      InputError: with both figures.
    """
    limits = [x for x in (available, int(limit_gib * 2**30) or None) if x is not None]
    if limits and needed > min(limits):
        raise InputError(
            f"a run that needs about {needed / 2**30:.1f} GiB of memory",
            expected=f"at most the {min(limits) / 2**30:.1f} GiB that it may use",
            mend="lower --config.train.batch_size or --config.model.width, or run on a larger machine",
        )

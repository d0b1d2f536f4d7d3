"""How long passes and steps took, as ``results.json`` has it for every task."""

from collections.abc import Sequence

import numpy as np


def speed(seconds: Sequence[float], steps: Sequence[int]) -> dict[str, float]:
    """Medians; the first pass of a run pays for page faults and caches and counts only where it is alone.

    Args:
      seconds: of every pass.
      steps: of every pass, of which a cap may have cut the last one short; none say nothing of a step.
    """
    # A checkpoint of an older version has counted no steps of its passes.
    per_step = [s / n for s, n in zip(seconds, steps, strict=False) if n]
    return {
        "seconds_per_epoch": float(np.median(seconds[1:] or seconds)),
        "seconds_per_step": float(np.median(per_step[1:] or per_step or [0.0])),
    }

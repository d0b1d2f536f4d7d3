"""What an alignment of the user's own graphs is worth, as ``results.json`` says it."""

import numpy as np

from mmea_jax.matching.calibration import expected_calibration_error
from mmea_jax.matching.decision import Curve, verdict_quality
from mmea_jax.training.answers import Answers

# A curve of thousands of points looks like one of so many.
_POINTS = 200


def curve_report(curve: Curve) -> dict[str, list[float]]:
    """The threshold curve, thinned out."""
    at = np.unique(np.linspace(0, len(curve.probability) - 1, _POINTS).round().astype(int))
    return {name: values[at].tolist() for name, values in curve._asdict().items()}


def gold_report(answers: Answers, matched: np.ndarray, threshold: float) -> dict:
    """Quality on gold links, and on the entities that no gold link names, which count as without counterpart.

    Args:
      answers: of all entities of KG 1 that are no seeds.
      matched: bool[n], the verdicts.
      threshold: of the verdicts.
    """
    has_gold, correct = answers.truth >= 0, answers.correct
    # A verdict may be against a pair of high probability, where another row was given its column.
    verdict = np.where(matched, answers.probability, np.minimum(answers.probability, threshold - 1e-9))
    return {
        "links": int(has_gold.sum()),
        "without_counterpart": int((~has_gold).sum()),
        "hits@1": float(correct[has_gold].mean()),
        "ece": expected_calibration_error(answers.probability, correct),
        "ece_linked": expected_calibration_error(answers.probability[has_gold], correct[has_gold]),
        "mean_probability": float(answers.probability.mean()),
        "share_correct": float(correct.mean()),
        **verdict_quality(verdict, correct, has_gold, threshold),
    }

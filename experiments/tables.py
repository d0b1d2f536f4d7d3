"""Result tables of studies: who is best, and whether that is more than chance."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from experiments.sweep import shown

# Mean, standard deviation (None of a single run) and number of runs.
Summary = tuple[float, float | None, int]


def marked(column: Mapping[str, Summary]) -> dict[str, str]:
    """A table's column as text, the largest mean **bold** and the second largest *in italics*.

    Means that print alike share a mark.

    Args:
      column: row's name to summary.
    """
    printed = {name: f"{found[0]:.3f}" for name, found in column.items()}
    best, second = [*sorted(set(printed.values()), key=float, reverse=True), None, None][:2]
    marks = {best: "**", second: "*"}
    return {name: f"{(m := marks.get(printed[name], ''))}{shown(found)}{m}" for name, found in column.items()}


def paired_tests(values: Mapping[str, Mapping[int, float]]) -> list[tuple[str, str, int, float, float]]:
    """The best name against each other: paired t-tests over the seeds that both have (Holm-corrected).

    Args:
      values: name to seed to measure; the larger the better.

    Returns:
      ``(best, other, n, mean difference, p)`` for every other name, by mean difference. ``p`` is NaN for
      fewer than two common seeds or differences that do not vary.
    """
    means = {name: float(np.mean(list(found.values()))) for name, found in values.items() if found}
    if len(means) < 2:
        return []
    best = max(means, key=means.get)
    found = []
    for other in means.keys() - {best}:
        seeds = sorted(values[best].keys() & values[other].keys())
        differences = np.array([values[best][s] - values[other][s] for s in seeds])
        varied = len(seeds) > 1 and np.ptp(differences) > 0
        p = float(stats.ttest_1samp(differences, 0.0).pvalue) if varied else float("nan")
        mean = float(differences.mean()) if len(seeds) else float("nan")
        found.append((best, other, len(seeds), mean, p))
    found.sort(key=lambda row: (np.isnan(row[3]), row[3]))
    return [(*row[:4], p) for row, p in zip(found, holm([row[4] for row in found]), strict=True)]


def holm(p_values: Sequence[float]) -> list[float]:
    """Step-down corrected p-values (Holm 1979), in the order given; NaNs stay and do not count."""
    given = np.asarray(p_values, float)
    order = [k for k in np.argsort(given) if not np.isnan(given[k])]
    steps = [given[k] * (len(order) - rank) for rank, k in enumerate(order)]
    corrected = given.copy()
    for k, p in zip(order, itertools.accumulate(steps, max), strict=True):
        corrected[k] = min(p, 1.0)
    return corrected.tolist()


def verdict_line(row: tuple[str, str, int, float, float], measure: str = "Hits@1") -> str:
    """One of ``paired_tests`` as a line of Markdown."""
    best, other, n, difference, p = row
    verdict = "no test from so few seeds" if np.isnan(p) else f"p = {p:.2g}"
    return f"* {best} − {other}: {difference:+.3f} {measure}, n = {n} paired seeds, {verdict}"

"""Benchmarks as plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt

GIB = 2**30

# Column of the seconds → what the plot calls it.
_PHASES = {"generate": "generate", "inputs": "read", "embed": "embed all", "match": "match the queries"}


def plot_steps(rows: Sequence[Mapping], path: Path) -> bool:
    """Seconds a step and peak memory against entities, a line a method; whether there was any to draw."""
    lines = {}
    for row in rows:
        if row["kind"] == "step" and row["devices"] == 1:
            point = row["entities"], row["seconds"], row["peak_bytes"] / GIB
            lines.setdefault(row["method"], []).append(point)
    return _drawn(
        path,
        ("seconds a step", {name: [p[:2] for p in points] for name, points in lines.items()}),
        ("peak GiB", {name: [(p[0], p[2]) for p in points] for name, points in lines.items()}),
    )


def plot_scaling(rows: Sequence[Mapping], path: Path) -> bool:
    """Seconds of every phase and peak memory against entities; whether there was any to draw."""
    times, memory = {}, {}
    for row in rows:
        if row["kind"] != "scale":
            continue
        sampled = bool(row["neighbours"])
        name = "sampled neighbourhoods" if sampled else "the whole graph"
        times.setdefault(f"a step on {name}", []).append((row["entities"], row["step_seconds"]))
        memory.setdefault(name, []).append((row["entities"], row["peak_bytes"] / GIB))
        for phase, label in _PHASES.items() if sampled else ():
            times.setdefault(label, []).append((row["entities"], row["seconds"][phase]))
    return _drawn(path, ("seconds", times), ("peak GiB", memory))


def _drawn(path: Path, *panels: tuple[str, Mapping[str, list]]) -> bool:
    """Panels side by side, each a label and its lines of points over entities; whether there are any."""
    if not any(lines for _, lines in panels):
        return False
    figure, axes = plt.subplots(1, len(panels), figsize=(9, 3.6), layout="constrained")
    for axis, (label, lines) in zip(axes, panels, strict=True):
        for name, points in sorted(lines.items()):
            axis.plot(*zip(*sorted(points), strict=True), "o-", label=name, markersize=4)
        axis.set(xscale="log", yscale="log", xlabel="entities", ylabel=label)
        axis.grid(alpha=0.3, which="both", linewidth=0.5)
    for axis, (_, lines) in zip(axes, panels, strict=True):
        # The panels of methods share their names.
        if axis is axes[0] or set(lines) != set(panels[0][1]):
            axis.legend(fontsize=7)
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return True

"""Benchmarks as one Markdown page and one plot."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt

GIB = 2**30


def page(rows: Sequence[Mapping], machine: Mapping, command: str) -> str:
    """The page.

    Args:
      rows: results of cells, each with its ``kind`` and ``asked``.
      machine: result of the cell of that kind.
      command: that made them.
    """
    sections = [
        "# Benchmarks",
        _header(machine, command),
        _table(
            "A training step",
            "The fastest of the measured passes, divided by its steps. *floor*: the time that the step's "
            "operations would take at the machine's matrix rate, or its bytes at its bandwidth, whichever is "
            "more for each part, added up; arrays below 32 MiB count as cached. *share*: floor / measured.",
            ("method", "entities", "pairs", "devices", "s a step", "floor", "share", "compile s", "peak GiB"),
            [_step(row, machine) for row in rows if row["kind"] == "step"],
        ),
        _table(
            "Its parts",
            "Operations and bytes from shapes (`experiments/benchmarks/counts.py`), and the seconds that "
            "they take at least.",
            ("method", "entities", "part", "GFLOP", "GB", "at least s"),
            [line for row in rows if row["kind"] == "step" for line in _parts(row, machine)],
        ),
        _table(
            "Matching in both directions, cosine and CSLS",
            "*share* is of the machine's matrix rate; every score is computed twice.",
            ("rows", "columns", "width", "devices", "s", "share", "peak GiB"),
            [_matching(row, machine) for row in rows if row["kind"] == "matching"],
        ),
        _table(
            "Loading",
            "",
            ("data set", "entities", "first s", "from the cache s"),
            [
                (r["dataset"], f"{r['entities']:,}", f"{r['first']:.2f}", f"{r['second']:.2f}")
                for r in rows
                if r["kind"] == "loading"
            ],
        ),
        _table(
            "From the command to the first pass",
            "",
            ("command", "first start s", "later s"),
            [
                (f"`{r['config']}`", f"{r['first']:.1f}", f"{r['second']:.1f}")
                for r in rows
                if r["kind"] == "start"
            ],
        ),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def floor(parts: Mapping[str, Sequence[float]], machine: Mapping) -> float:
    """Seconds that the parts take at least, one after the other."""
    return sum(
        max(done / machine["operations"], moved / machine["bandwidth"]) for done, moved in parts.values()
    )


def plot(rows: Sequence[Mapping], path: Path) -> bool:
    """Seconds a step and peak memory against entities, a line a method; whether there was any to draw."""
    lines = {}
    for row in rows:
        if row["kind"] == "step" and row["devices"] == 1:
            point = row["entities"], row["seconds"], row["peak_bytes"] / GIB
            lines.setdefault(row["method"], []).append(point)
    if not lines:
        return False
    figure, both = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axis, column, label in zip(both, (1, 2), ("seconds a step", "peak GiB"), strict=True):
        for method, points in sorted(lines.items()):
            points = sorted(points)
            axis.plot([p[0] for p in points], [p[column] for p in points], "o-", label=method, markersize=4)
        axis.set(xscale="log", yscale="log", xlabel="entities", ylabel=label)
        axis.grid(alpha=0.3, which="both", linewidth=0.5)
    both[0].legend(fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return True


def _header(machine: Mapping, command: str) -> str:
    devices, load = machine["devices"], ", ".join(map(str, machine["load"]))
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"`{command}`\n\n{machine['processor']}, {machine['cores']} cores, load {load} when the rates were "
        f"measured; {devices['count']} × {devices['kind']} ({devices['platform']}). Float32 products "
        f"{machine['operations'] / 1e9:,.0f} GFLOP/s, copies {machine['bandwidth'] / 1e9:,.1f} GB/s read and "
        f"written. {versions}."
    )


def _table(title: str, note: str, names: Sequence[str], lines: Sequence[Sequence]) -> str:
    if not lines:
        return ""
    head = f"| {' | '.join(names)} |\n|{'---|' * len(names)}"
    body = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
    return "\n\n".join(filter(None, (f"## {title}", note, f"{head}\n{body}")))


def _step(row: Mapping, machine: Mapping) -> tuple:
    least = floor(row["parts"], machine) if row.get("parts") else None
    return (
        row["method"],
        f"{row['entities']:,}",
        f"{row['batch']:,}",
        row["devices"],
        f"{row['seconds']:.3f}",
        "" if least is None else f"{least:.3f}",
        "" if least is None else f"{least / row['seconds']:.0%}",
        f"{row['compile']:.1f}",
        f"{row['peak_bytes'] / GIB:.2f}",
    )


def _parts(row: Mapping, machine: Mapping) -> list[tuple]:
    return [
        (
            row["method"],
            f"{row['entities']:,}",
            part,
            f"{done / 1e9:.2f}",
            f"{moved / 1e9:.2f}",
            f"{floor({part: (done, moved)}, machine):.3f}",
        )
        for part, (done, moved) in sorted(row.get("parts", {}).items(), key=lambda item: -item[1][0])
    ]


def _matching(row: Mapping, machine: Mapping) -> tuple:
    return (
        f"{row['rows']:,}",
        f"{row['columns']:,}",
        row["width"],
        row["devices"],
        f"{row['seconds']:.2f}",
        f"{row['operations'] / machine['operations'] / row['seconds']:.0%}",
        f"{row['peak_bytes'] / GIB:.2f}",
    )

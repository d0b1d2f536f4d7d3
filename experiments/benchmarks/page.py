"""Benchmarks as one Markdown page."""

from collections.abc import Mapping, Sequence

from experiments.benchmarks.plots import GIB


def page(rows: Sequence[Mapping], machine: Mapping) -> str:
    """The page.

    Args:
      rows: results of cells, each with its ``kind``, ``asked`` and the ``command`` that made it.
      machine: result of the cell of that kind.
    """
    commands = list(dict.fromkeys(row["command"] for row in rows))
    sections = [
        "# Benchmarks",
        _header(machine, commands),
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
            "Scaling in the number of entities",
            "MCLEA (width 64, five triples an entity) on generated worlds; entities are those of both "
            "graphs. A step takes at most 1,024 pairs, on the neighbourhoods that it samples or, where "
            "*neighbours* is *all*, on the whole graph; *match* ranks the queries among all entities of the "
            "other graph, exactly.",
            (
                "entities",
                "triples",
                "neighbours",
                "generate s",
                "read s",
                "s a step",
                "embed all s",
                "queries",
                "match s",
                "peak GiB",
            ),
            [_scale(row) for row in rows if row["kind"] == "scale"],
        ),
        _table(
            "Devices",
            "A step split over so many devices. *GiB a device*: what the compiler says that a step needs on "
            "each. Virtual devices of a CPU share its cores and copy what others would send: they show that "
            "tables and pairs are split, not how fast.",
            ("method", "entities", "pairs", "devices", "s a step", "GiB a device"),
            [_split(row) for row in rows if row["kind"] == "devices"],
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


def _header(machine: Mapping, commands: Sequence[str]) -> str:
    devices, load = machine["devices"], ", ".join(map(str, machine["load"]))
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    # Commands are too long for a line of text.
    made_by = "\n".join(f"    {command}" for command in commands)
    return (
        f"{made_by}\n\n{machine['processor']}, {machine['cores']} cores, load {load} when the rates were "
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


def _scale(row: Mapping) -> tuple:
    seconds = row["seconds"]
    return (
        f"{row['entities']:,}",
        f"{row['triples']:,}",
        row["neighbours"] or "all",
        f"{seconds['generate']:.1f}",
        f"{seconds['inputs']:.1f}",
        f"{row['step_seconds']:.3f}",
        f"{seconds['embed']:.1f}",
        f"{row['queries']:,}",
        f"{seconds['match']:.1f}",
        f"{row['peak_bytes'] / GIB:.2f}",
    )


def _split(row: Mapping) -> tuple:
    return (
        row["method"],
        f"{row['entities']:,}",
        f"{row['batch']:,}",
        row["devices"],
        f"{row['seconds']:.3f}",
        f"{row['step_bytes'] / GIB:.3f}",
    )


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

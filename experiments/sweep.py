"""Many runs of the command line as one resumable study: cells in, one CSV with a row a run out.

    cells = [Cell({"method": "umaea", "seed": 0}, "configs/umaea.py", ("--config.seed=0",)), ...]
    rows = run_cells(cells, out_csv, workroot)

Each cell has a work directory of its own below ``workroot``, named by its labels. A finished cell is skipped,
an interrupted one goes on where it stopped (the command line resumes), one that failed is reported and tried
again the next time.
"""

import csv
import dataclasses
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

# What every row has besides its labels; None where a run's task does not know it.
MEASURES = (
    # Alignment: CSLS, KG 1 → KG 2, on the test links. Completion: filtered, both ends, on the test triples.
    "hits@1", "hits@10", "mrr",
    "hits@3", "seen mrr",  # completion: seen leaves out triples that name an entity of no training triple
    "r2l hits@1", "r2l mrr",  # alignment, the other way
    "best modality", "best modality hits@1",  # alignment: of the single modalities' own embeddings
    "valid mrr",  # of the selected weights
    "tests", "minutes", "parameters", "peak GiB",  # tests: links or triples
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a study.

    Attributes:
      labels: column to value, what tells the cell from the others; alike in their keys over a study.
      config: as for ``--config`` of ``mmea_jax.main``.
      overrides: further flags.
    """

    labels: Mapping[str, str | int | float]
    config: str
    overrides: Sequence[str] = ()

    def folder(self, workroot: Path) -> Path:
        """The work directory: a level for each label."""
        return workroot.joinpath(
            *(f"{k}={v}".replace("/", "_").replace(" ", "_") for k, v in self.labels.items())
        )

    def command(self, folder: Path) -> list[str]:
        """The command line of the run."""
        run = [sys.executable, "-m", "mmea_jax.main", "--config", self.config]
        return [*run, "--workdir", str(folder), *self.overrides]


def method_of(config: str) -> str:
    """``mimea`` of ``configs/mimea.py:DBP15K/zh_en``."""
    return Path(config.partition(":")[0]).stem


def run_cells(
    cells: Iterable[Cell],
    out_csv: Path,
    workroot: Path,
    execute: Callable[[list[str]], int] = subprocess.call,
) -> list[dict]:
    """Runs what has not been run, and writes ``out_csv`` after every cell.

    Args:
      cells: of the study, in the order of the rows; equal ones are run once.
      out_csv: one row for each finished cell: its labels, then ``MEASURES``.
      workroot: folder of the work directories.
      execute: runs a command and returns its exit code.

    Returns:
      The rows, values of ``MEASURES`` as numbers.

    Raises:
      ValueError: a work directory holds a cell of the same labels and another command.
    """
    cells = list({cell.folder(workroot): cell for cell in cells}.values())
    rows, failed = [], []
    for at, cell in enumerate(cells, 1):
        folder = cell.folder(workroot)
        results = _finished(cell, folder)
        if results is None:
            print(f"[{at}/{len(cells)}] {_named(cell)}", flush=True)
            code = execute(cell.command(folder))
            results = _finished(cell, folder)
            if code or results is None:
                failed.append(f"{_named(cell)} (exit code {code})")
                continue
        rows.append({**cell.labels, **measures(results)})
        write_csv(out_csv, rows)
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    return rows


def _finished(cell: Cell, folder: Path) -> dict | None:
    """Results of the cell, if they are there and are its own."""
    note, asked = folder.with_name(f"{folder.name}.json"), [cell.config, *cell.overrides]
    if not note.exists():
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(asked))
    elif (before := json.loads(note.read_text())) != asked:
        raise ValueError(
            f"{folder} was run as {' '.join(before)} and is now asked for as {' '.join(asked)}; "
            "choose another folder for the study"
        )
    results = folder / "results.json"
    return json.loads(results.read_text()) if results.exists() else None


def _named(cell: Cell) -> str:
    return ", ".join(f"{k} {v}" for k, v in cell.labels.items())


def measures(results: Mapping) -> dict:
    """``MEASURES`` of a run's ``results.json``, whatever its task."""
    own = _of_completion(results) if results.get("task") == "completion" else _of_alignment(results)
    seconds = results["seconds"]
    own |= {
        "valid mrr": results["stages"][-1]["best_valid_mrr"],
        "minutes": (seconds["train"] + seconds["compile"]) / 60,
        "parameters": results["parameters"],
        "peak GiB": results["peak_memory_bytes"] / 2**30,
    }
    return {name: own.get(name) for name in MEASURES}


def _of_alignment(results: Mapping) -> dict:
    forth, back = (results["test"]["csls"][way] for way in ("l2r", "r2l"))
    single = {m: found["hits@1"] for m, found in results["unimodal"].items()}
    best = max(single, key=single.get)
    return {
        **{k: forth[k] for k in ("hits@1", "hits@10", "mrr")},
        **{f"r2l {k}": back[k] for k in ("hits@1", "mrr")},
        "best modality": best,
        "best modality hits@1": single[best],
        "tests": results["counts"]["test_links"],
    }


def _of_completion(results: Mapping) -> dict:
    both = results["test"]["filtered"]["both"]
    # Not there if every test triple names an entity that was never trained.
    seen = results["test"].get("filtered_seen")
    return {
        **{k: both[k] for k in ("hits@1", "hits@3", "hits@10", "mrr")},
        "seen mrr": seen["both"]["mrr"] if seen else None,
        "tests": results["counts"]["test_triples"],
    }


def write_csv(path: Path, rows: Sequence[Mapping]) -> None:
    """``rows``, numbers to six digits; the file is replaced at once, never left half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    with half.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    half.replace(path)


def mean_and_sd(
    rows: Iterable[Mapping], by: Sequence[str], measure: str
) -> dict[tuple, tuple[float, float | None, int]]:
    """Mean, standard deviation (None of a single run) and count of ``measure`` for each group.

    Rows that do not know the measure are left out, and with them a group of no others.

    Args:
      rows: as ``run_cells`` returns them.
      by: columns whose values make a group; what is left out, such as the seed, is averaged over.
      measure: one of ``MEASURES``.
    """
    groups: dict[tuple, list[float]] = {}
    for row in rows:
        if row[measure] is not None:
            groups.setdefault(tuple(row[k] for k in by), []).append(row[measure])
    return {
        key: (statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))
        for key, values in groups.items()
    }


def text_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    lines = [list(header), *map(list, lines)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    padded.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def shown(found: tuple[float, float | None, int] | None) -> str:
    """``.712 ± .004``; without a deviation where there is one run, a dash where there is none."""
    if found is None:
        return "-"
    mean, deviation, _ = found
    return f"{mean:.3f}" if deviation is None else f"{mean:.3f} ± {deviation:.3f}"

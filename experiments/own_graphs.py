"""What ``mmea_jax.align`` is worth by how many links are known: a run a share of seeds, and a table.

    python -m experiments.own_graphs --data data/DBP15K/zh_en --out runs/own_zh

DATA is a folder in the published layout, read as people's own graphs are. Of its links a share is drawn as
seeds (each share's are among the next larger one's); all others are gold links, which train and choose
nothing. Entities that no link names count as without counterpart. What follows ``--`` goes to every run.

OUT/seeds_<share>.tsv has the seeds, OUT/<share>/ is the folder of a run, and OUT/table.md the figures.
Finished runs are not repeated, an interrupted one goes on where it stopped.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.sweep import text_table

LINKS = "ill_ent_ids"
SHARES = (0.0, 0.01, 0.05, 0.3)
# Column of the table to where results.json has it.
MEASURES = {
    "gold links": ("alignment", "gold", "links"),
    "accuracy": ("alignment", "gold", "hits@1"),
    "ECE": ("alignment", "gold", "ece"),
    "ECE of linked": ("alignment", "gold", "ece_linked"),
    "precision": ("alignment", "gold", "precision"),
    "recall": ("alignment", "gold", "recall"),
    "without counterpart": ("alignment", "gold", "without_counterpart"),
    "share estimated": ("alignment", "dangling"),
    "no-match precision": ("alignment", "gold", "no_match_precision"),
    "no-match recall": ("alignment", "gold", "no_match_recall"),
    "threshold": ("alignment", "threshold"),
    "names alone": ("floors", "char_cosine"),
}


def write_seeds(links: Path, share: float, out: Path, seed: int = 0) -> Path:
    """Writes a share of the links, drawn at random, into ``out``; returns the file.

    Args:
      links: a pair a line.
      share: of the lines.
      out: folder.
      seed: of the order that the first lines are taken from, one order for every share.
    """
    lines = links.read_text(encoding="utf-8").split("\n")
    lines = [line for line in lines if line.strip()]
    order = np.random.default_rng(seed).permutation(len(lines))[: round(share * len(lines))]
    path = out / f"seeds_{share:g}.tsv"
    path.write_text("".join(f"{lines[k]}\n" for k in sorted(order)), encoding="utf-8")
    return path


def command(data: Path, out: Path, share: float, extra: Sequence[str] = ()) -> list[str]:
    """The command of one run; it names no seeds for a share of 0."""
    sides = ["--left", str(data), "--right", str(data), "--gold", str(data / LINKS)]
    seeds = ["--seeds", str(write_seeds(data / LINKS, share, out))] if share else []
    folder = ["--out", str(out / f"{share:g}")]
    return [sys.executable, "-m", "mmea_jax.align", *sides, *seeds, *folder, *extra]


def run_all(
    data: Path,
    out: Path,
    shares: Sequence[float],
    extra: Sequence[str] = (),
    execute: Callable[[list[str]], int] = subprocess.call,
) -> dict[float, dict]:
    """Runs each share, and writes the table after each; returns the results of those that finished.

    Args:
      data: folder in the published layout.
      out: folder of the study.
      shares: of the links that are seeds.
      extra: flags of every run.
      execute: runs a command and returns its exit code.
    """
    out.mkdir(parents=True, exist_ok=True)
    found = {}
    for share in shares:
        print(f"{share:.0%} of the links as seeds", flush=True)
        # The command itself returns at once where the run is finished.
        if code := execute(command(data, out, share, extra)):
            print(f"failed with exit code {code}", file=sys.stderr)
            continue
        found[share] = json.loads((out / f"{share:g}" / "results.json").read_text(encoding="utf-8"))
        (out / "table.md").write_text(table(found) + "\n", encoding="utf-8")
    return found


def table(found: Mapping[float, Mapping]) -> str:
    """The figures as Markdown, a line a share."""
    lines = []
    for share, results in found.items():
        minutes = sum(results.get("seconds", {}).values()) / 60
        cells = [_shown(_dig(results, path)) for path in MEASURES.values()]
        peak = results.get("peak_memory_bytes", 0) / 2**30
        lines.append([f"{share:.0%}", *cells, f"{minutes:.0f}", f"{peak:.1f}"])
    return text_table(["seeds", *MEASURES, "minutes", "peak GiB"], lines)


def _dig(results: Mapping, path: Sequence[str]) -> float | None:
    for key in path:
        results = (results or {}).get(key)
    return results


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what is missing and prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.own_graphs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help=f"folder with ent_ids_1 … and {LINKS}")
    parser.add_argument("--out", type=Path, required=True, help="folder of the study")
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES, help="default: %(default)s")
    parser.add_argument("extra", nargs="*", help="flags of every run, after --")
    asked = parser.parse_args(argv)
    found = run_all(asked.data, asked.out, asked.shares, asked.extra)
    print(table(found))
    return 0 if len(found) == len(asked.shares) else 1


if __name__ == "__main__":
    raise SystemExit(main())

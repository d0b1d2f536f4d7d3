"""What ``mmea_jax.align`` is worth by how many links are known: a run a share of seeds, and a table.

    python -m experiments.own_graphs --data data/DBP15K/zh_en --out runs/own_zh
    python -m experiments.own_graphs --data data/DBP15K/zh_en --out runs/own_zh_removed --remove 0.2

DATA is a folder in the published layout, read as people's own graphs are. Of its links a share is drawn as
seeds (each share's are among the next larger one's); all others are gold links, which train and choose
nothing. Entities that no link names count as without counterpart.

Many of these do have a counterpart that no link names. The lines "of others" therefore set those aside whose
name an unlinked entity of KG 2 has. With ``--remove`` the counterparts of a share of the links are taken out
of KG 2, so that it is certain who has none, and these lines set all other unlinked entities aside. What
follows ``--`` goes to every run.

OUT/seeds_<share>.tsv has the seeds, OUT/<share>/ is the folder of a run, and OUT/table.md the figures.
Finished runs are not repeated, an interrupted one goes on where it stopped.
"""

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.published_folder import LINKS, read_links, unlinked, without_counterparts
from experiments.sweep import text_table
from mmea_jax.matching.calibration import expected_calibration_error

SHARES = (0.0, 0.01, 0.05, 0.3)
# Column of the table to where the results have it.
MEASURES = {
    "gold links": ("alignment", "gold", "links"),
    "accuracy": ("alignment", "gold", "hits@1"),
    "names alone": ("floors", "char_cosine"),
    "precision": ("alignment", "gold", "precision"),
    "recall": ("alignment", "gold", "recall"),
    "ECE": ("alignment", "gold", "ece"),
    "ECE of linked": ("alignment", "gold", "ece_linked"),
    "without counterpart": ("alignment", "gold", "without_counterpart"),
    "share estimated": ("alignment", "dangling"),
    "no-match precision": ("alignment", "gold", "no_match_precision"),
    "no-match recall": ("alignment", "gold", "no_match_recall"),
    "set aside": ("others", "set_aside"),
    "ECE of others": ("others", "ece"),
    "no-match precision of others": ("others", "no_match_precision"),
    "no-match recall of others": ("others", "no_match_recall"),
    "threshold": ("alignment", "threshold"),
}


def write_seeds(links: Sequence[tuple[str, str]], share: float, out: Path) -> Path:
    """Writes the first share of the links into ``out``; returns the file."""
    path = out / f"seeds_{share:g}.tsv"
    first = links[: round(share * len(links))]
    path.write_text("".join(f"{one}\t{two}\n" for one, two in first), encoding="utf-8")
    return path


def command(data: Path, seeds: Path | None, out: Path, extra: Sequence[str] = ()) -> list[str]:
    """The command of one run."""
    sides = ["--left", str(data), "--right", str(data), "--gold", str(data / LINKS)]
    known = ["--seeds", str(seeds)] if seeds else []
    return [sys.executable, "-m", "mmea_jax.align", *sides, *known, "--out", str(out), *extra]


def of_others(alignment: Path, gold: Mapping[str, str], aside: set[str]) -> dict[str, float]:
    """Calibration error, and precision and recall of no-match verdicts, of all entities but those ``aside``.

    Args:
      alignment: ``alignment.tsv`` of a run.
      gold: entity of KG 1 to its counterpart; all others have none.
      aside: entities of KG 1 of which it is not certain.
    """
    with alignment.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    rows = [row for row in rows if row["status"] != "seed" and row["entity1"] not in aside]
    found: dict[str, float] = {"set_aside": len(aside)}
    if rows:
        probability = np.array([float(row["probability"]) for row in rows])
        right = np.array([gold.get(row["entity1"]) == row["entity2"] for row in rows])
        found["ece"] = expected_calibration_error(probability, right)
    refused = {row["entity1"] for row in rows if row["status"] == "no_match"}
    alone = {row["entity1"] for row in rows if row["entity1"] not in gold}
    for name, whole in (("no_match_precision", refused), ("no_match_recall", alone)):
        if whole:
            found[name] = len(refused & alone) / len(whole)
    return found


def run_all(
    data: Path,
    out: Path,
    shares: Sequence[float],
    remove: float = 0.0,
    extra: Sequence[str] = (),
    execute: Callable[[list[str]], int] = subprocess.call,
) -> dict[float, dict]:
    """Runs each share, and writes the table after each; returns the results of those that finished.

    Args:
      data: folder in the published layout.
      out: folder of the study.
      shares: of the links that are seeds.
      remove: share of the links whose counterpart is taken out of KG 2; never those of seeds.
      extra: flags of every run.
      execute: runs a command and returns its exit code.

    Raises:
      InputError: a file of ``data`` is at fault.
    """
    out.mkdir(parents=True, exist_ok=True)
    links = read_links(data)
    alone, namesakes = unlinked(data)
    links = [links[k] for k in np.random.default_rng(0).permutation(len(links))]
    kept = links[: len(links) - round(remove * len(links))]
    aside = alone if remove else namesakes
    if remove:
        data = without_counterparts(data, links[len(kept) :], out / "data")
    found = {}
    for share in shares:
        print(f"{share:.0%} of the links as seeds", flush=True)
        seeds, folder = write_seeds(kept, share, out) if share else None, out / f"{share:g}"
        # The command itself returns at once where the run is finished.
        if code := execute(command(data, seeds, folder, extra)):
            print(f"failed with exit code {code}", file=sys.stderr)
            continue
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        results["others"] = of_others(folder / "alignment.tsv", dict(kept), aside)
        found[share] = results
        (out / "table.md").write_text(table(found) + "\n", encoding="utf-8")
    return found


def table(found: Mapping[float, Mapping]) -> str:
    """The figures as Markdown, a column a share."""
    lines = [[name, *(_shown(_dig(own, path)) for own in found.values())] for name, path in MEASURES.items()]
    minutes = [f"{sum(own.get('seconds', {}).values()) / 60:.0f}" for own in found.values()]
    peaks = [f"{own.get('peak_memory_bytes', 0) / 2**30:.1f}" for own in found.values()]
    lines += [["minutes", *minutes], ["peak GiB", *peaks]]
    return text_table(["seeds", *(f"{share:.0%}" for share in found)], lines)


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
    parser.add_argument(
        "--remove", type=float, default=0.0, help="share of links without counterpart in KG 2"
    )
    parser.add_argument("extra", nargs="*", help="flags of every run, after --")
    asked = parser.parse_args(argv)
    if max(asked.shares) + asked.remove >= 1:
        parser.error("seeds and removed links together must leave some links")
    found = run_all(asked.data, asked.out, asked.shares, asked.remove, asked.extra)
    print(table(found))
    return 0 if len(found) == len(asked.shares) else 1


if __name__ == "__main__":
    raise SystemExit(main())

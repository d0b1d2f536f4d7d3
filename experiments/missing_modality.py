"""Uncertainly missing modalities (UMVM, arXiv 2307.16210): one run a cell, a table and a plot.

    python -m experiments.missing_modality --out runs/umvm --methods umaea "umaea without CMMI" \
        --rates 0.05 0.2 0.4 0.6 1 --seeds 0 1 2
    python -m experiments.missing_modality --out runs/umvm_zh --data DBP15K/zh_en DBP15K/ja_en \
        --methods umaea mclea --published -- --config.data.root=FOLDER
    python -m experiments.missing_modality --out runs/mat --data MKGC/DB15K --modality text \
        --methods adamf_mat "adamf_mat without MAT" "adamf_mat structure only" --rates 0.2 0.5 1 \
        --seeds 0 1 2 -- --config.data.missing_of=test

The last one is completion: the entities of test triples lose 80 %, 50 % and none of their texts.

A cell is a method, a data set, a modality, the share R of entities that keep it, the share of these whose
row nearly repeats another entity's (``--ambiguous``), and a seed of the model. Which rows go missing is drawn
once, the same for every method and seed. What follows ``--`` goes to every run. Finished cells are skipped,
so an interrupted study goes on where it stopped.

R = 1 keeps all rows that there are: the generated world gives 70 % of the entities an image unless
``-- --config.data.synthetic.visual_missing=(0,0)`` is added (in quotes).

OUT/cells.csv has one row a run, OUT/table.md mean ± standard deviation over the seeds, and
OUT/<data>_<modality>.png Hits@1 and MRR against R.
"""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

from experiments.sweep import Cell, mean_and_sd, run_cells, shown, text_table

# Method in words → its configuration and what it overrides. Any other name is that of a file in configs/.
VARIANTS = {
    "umaea without CMMI": ("umaea", ("--config.model.imagines=()",)),
    "umaea dynamic": ("umaea", ("--config.model.inference=dynamic",)),
    "umaea masked": ("umaea", ("--config.model.fills=()",)),
    "umaea comparing what is there": ("umaea", ("--config.model.compare_absent=False",)),
    "adamf_mat without MAT": ("adamf_mat", ("--config.model.adversarial=0.0",)),
    "adamf_mat filling at random": ("adamf_mat", ("--config.model.absent=random",)),
}
# Runs with one modality alone: the same at every rate, so they are run once and drawn as a line.
ALONE = {
    "umaea structure only": (
        "umaea",
        tuple(f"--config.data.{m}=none" for m in ("relation", "attribute", "visual")),
    ),
    "adamf_mat structure only": (
        "adamf_mat",
        tuple(f"--config.data.{m}=none" for m in ("visual", "text")),
    ),
}
GENERATED = "synthetic"
# Rates of R_img of the published grid; 1 keeps all that there are.
PUBLISHED = {
    "DBP15K/zh_en": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.75, 1.0),
    "DBP15K/ja_en": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 1.0),
    "DBP15K/fr_en": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 1.0),
    "OpenEA": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
}
_GROUP = ("method", "data", "modality", "ambiguous", "rate")


def rates_of(data: str, asked: Sequence[float] | None) -> Sequence[float]:
    """The rates to run on a data set: those asked for, or else the published ones.

    Raises:
      ValueError: none asked for, and none published.
    """
    if asked is not None:
        return asked
    for prefix, rates in PUBLISHED.items():
        if data.startswith(prefix):
            return rates
    raise ValueError(f"no published rates for {data}; name some with --rates")


def grid(
    methods: Sequence[str],
    data: Sequence[str],
    modalities: Sequence[str],
    rates: Sequence[float] | None,
    ambiguous: Sequence[float],
    seeds: Sequence[int],
    common: Sequence[str] = (),
) -> list[Cell]:
    """All cells, data set by data set; ``rates`` None for the published ones, ``common`` for every run."""
    cells = []
    for name, modality, method in itertools.product(data, modalities, methods):
        stem, overrides = (VARIANTS | ALONE).get(method, (method, ()))
        config = f"configs/{stem}.py" if name == GENERATED else f"configs/{stem}.py:{name}"
        grades = [("any", 0.0)] if method in ALONE else itertools.product(rates_of(name, rates), ambiguous)
        for (rate, repeated), seed in itertools.product(list(grades), seeds):
            labels = {
                "method": method, "data": name, "modality": modality,
                "rate": rate, "ambiguous": repeated, "seed": seed,
            }  # fmt: skip
            # Every cell says its rates, so that a change of the configuration's own cannot go unnoticed.
            shares = () if method in ALONE else (
                f"--config.data.missing.{modality}={rate}",
                f"--config.data.ambiguous.{modality}={repeated}",
            )  # fmt: skip
            cells.append(Cell(labels, config, (*common, *overrides, *shares, f"--config.seed={seed}")))
    return cells


def table(rows: Sequence[dict]) -> str:
    """Mean ± standard deviation over the seeds as Markdown, a line for each group of equal cells.

    Alignment by CSLS, KG 1 → KG 2; completion by filtered ranks at both ends.
    """
    measures = ("hits@1", "hits@10", "mrr", "best modality hits@1")
    found = {m: mean_and_sd(rows, _GROUP, m) for m in measures}
    lines = []
    for key in found["hits@1"]:
        runs = found["hits@1"][key][2]
        lines.append([*map(str, key), *(shown(found[m].get(key)) for m in measures), str(runs)])
    return text_table([*_GROUP, *measures, "runs"], lines)


def plot(rows: Sequence[dict], path: Path, measures: Sequence[str] = ("hits@1", "mrr")) -> None:
    """Measures against the rate, one curve a method and share of ambiguous rows, error bars over the seeds.

    Args:
      rows: of one data set and one modality.
      path: of the picture.
      measures: one panel each.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(measures), figsize=(5 * len(measures), 3.6), squeeze=False)
    several = len({row["ambiguous"] for row in rows}) > 1
    for axis, measure in zip(axes[0], measures, strict=True):
        found = mean_and_sd(rows, ("method", "ambiguous", "rate"), measure)
        for method, repeated in dict.fromkeys((m, q) for m, q, _ in found):
            points = sorted((r, v) for (m, q, r), v in found.items() if (m, q) == (method, repeated))
            label = f"{method}, {repeated:g} ambiguous" if several else method
            if method in ALONE:
                axis.axhline(points[0][1][0], linestyle="--", color="grey", label=method)
                continue
            spread = [deviation or 0.0 for _, (_, deviation, _) in points]
            shares, means = [r for r, _ in points], [v[0] for _, v in points]
            axis.errorbar(shares, means, spread, marker="o", markersize=3, capsize=2, label=label)
        axis.set_xlabel(f"share of entities with {rows[0]['modality']} rows")
        axis.set_ylabel({"hits@1": "Hits@1", "mrr": "MRR"}.get(measure, measure))
        axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize="small")
    figure.suptitle(rows[0]["data"])
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def report(rows: Sequence[dict], out: Path) -> str:
    """Writes table and plots into ``out``; returns the table."""
    text = table(rows)
    (out / "table.md").write_text(text + "\n", encoding="utf-8")
    for data, modality in dict.fromkeys((row["data"], row["modality"]) for row in rows):
        own = [row for row in rows if (row["data"], row["modality"]) == (data, modality)]
        plot(own, out / f"{data.replace('/', '_')}_{modality}.png")
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what is missing of the grid and reports on all of it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the study")
    parser.add_argument("--methods", nargs="+", default=["umaea", "umaea without CMMI"], help="see VARIANTS")
    parser.add_argument("--data", nargs="+", default=[GENERATED], help="data sets, as after --config's colon")
    parser.add_argument("--modality", nargs="+", default=["visual"])
    parser.add_argument("--rates", nargs="+", type=float, help="R; the published ones by default")
    parser.add_argument("--published", action="store_true", help="the published rates, whatever --rates")
    parser.add_argument("--ambiguous", nargs="+", type=float, default=[0.0], help="shares of ambiguous rows")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("common", nargs="*", help="flags of every run, after --")
    asked = parser.parse_args(argv)
    rates = None if asked.published else asked.rates
    try:
        cells = grid(
            asked.methods, asked.data, asked.modality, rates, asked.ambiguous, asked.seeds, asked.common
        )
    except ValueError as error:
        parser.error(str(error))
    asked.out.mkdir(parents=True, exist_ok=True)
    rows = run_cells(cells, asked.out / "cells.csv", asked.out / "runs")
    if rows:
        print(report(rows, asked.out))
    return 0 if len(rows) == len({cell.folder(Path()) for cell in cells}) else 1


if __name__ == "__main__":
    raise SystemExit(main())

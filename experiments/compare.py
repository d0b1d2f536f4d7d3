"""Methods side by side under one protocol: data sets × seed ratios × seeds, one CSV and one page of tables.

    python -m experiments.compare --methods eva mclea meaformer mimea --data synthetic \
        --seed-ratios 0.05 0.3 --seeds 0 1 2 --out runs/compare

    python -m experiments.compare --data DBP15K/zh_en --seed-ratios 0.05 0.1 0.2 0.3 --minutes 5 \
        --variant 'R .05=--config.data.simulated_present=0.05' \
        --variant 'R .78=--config.data.simulated_present=0.78' --probe-once \
        --out runs/zh_en -- --config.data.visual=simulated --config.train.patience=20

    python -m experiments.compare --methods rotate complex adamf_mat --data MKGC/DB15K --seeds 0 1 2 \
        --out runs/completion

    python -m experiments.compare --methods eva mclea meaformer msnea umaea mimea tmea adamf_mat \
        --data synthetic DBP15K/zh_en FBDB15K/norm --minutes 5 \
        --out runs/eight -- --config.data.visual=simulated

What follows ``--`` goes to every run; neighbours' consensus, which some configurations have switched on, is
off unless it is given there for all (``--config.matching.consensus=3``). With drawn splits a seed draws
split, weights and batches; all methods get the same split. Finished runs are skipped, interrupted ones go on
where they stopped. OUT gets ``compare.csv``, ``compare.md`` and a folder for every run.

Completion methods know no seed ratio and none of the flags of alignment alone: they have one run a seed,
which draws the triples that validate (and test, where the data set is one for alignment), and tables of their
own.
"""

import argparse
import dataclasses
import itertools
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.budget import budget_flags
from experiments.devices import run_on_devices
from experiments.sweep import Cell, mean_and_sd, text_table
from experiments.tables import marked, paired_tests, verdict_line
from mmea_jax.training.completion.methods import METHODS as COMPLETION

CONFIGS = Path("configs")
SYNTHETIC = "synthetic"

# Hits@1 from the papers: DBP15K, 30 % seeds, real images, no surface names, not iterative.
PUBLISHED = {
    "msnea": {"DBP15K/zh_en": 0.609, "DBP15K/ja_en": 0.541, "DBP15K/fr_en": 0.557},
    "eva": {"DBP15K/zh_en": 0.683, "DBP15K/ja_en": 0.669, "DBP15K/fr_en": 0.686},
    "mclea": {"DBP15K/zh_en": 0.726, "DBP15K/ja_en": 0.719, "DBP15K/fr_en": 0.719},
    "meaformer": {"DBP15K/zh_en": 0.772, "DBP15K/ja_en": 0.764, "DBP15K/fr_en": 0.771},
    "umaea": {"DBP15K/zh_en": 0.800, "DBP15K/ja_en": 0.801, "DBP15K/fr_en": 0.818},
}
# Filtered MRR from AdaMF-MAT's paper, with images and texts.
PUBLISHED_COMPLETION = {
    "rotate": {"MKGC/DB15K": 0.293, "MKGC/MKG-W": 0.337, "MKGC/MKG-Y": 0.350},
    "adamf_mat": {"MKGC/DB15K": 0.351, "MKGC/MKG-W": 0.359, "MKGC/MKG-Y": 0.386},
}
_PUBLISHED_RATIO = 0.3
# Consensus is no part of a method but serves any: every row has it, or, as here and in the papers, none.
_ALIKE = ("--config.matching.consensus=0",)
# Alignment methods in the order of their papers; those without a configuration file are left out.
ORDER = ("msnea", "eva", "mclea", "meaformer", "umaea", "mimea", "tmea")
_METRICS = {"hits@1": "Hits@1", "hits@10": "Hits@10", "mrr": "MRR"}
_COMPLETION_METRICS = {"hits@1": "Hits@1", "hits@3": "Hits@3", "hits@10": "Hits@10", "mrr": "MRR"}
_COSTS = {"minutes": "minutes", "parameters": "parameters", "peak GiB": "peak GiB"}


@dataclasses.dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
      methods: names of configuration files.
      data: what follows their colon; ``synthetic`` for nothing. With a split from files a data set has no
        seed ratio of its own.
      seed_ratios: shares of links that train.
      seeds: of split, weights and batches.
      variants: name to flags, such as shares of images; one without a name by default.
      flags: of every run.
    """

    methods: Sequence[str]
    data: Sequence[str] = (SYNTHETIC,)
    seed_ratios: Sequence[float] = (0.3,)
    seeds: Sequence[int] = (0,)
    variants: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=lambda: {"": ()})
    flags: Sequence[str] = ()

    def cells(self) -> list[Cell]:
        """All runs, a data set after the other, and the methods of a setting together."""
        aligning = [m for m in self.methods if m not in COMPLETION]
        completing = [m for m in self.methods if m in COMPLETION]
        return [
            self._cell(method, data, variant, ratio, seed)
            for data, variant in itertools.product(self.data, self.variants)
            for ratios, methods in (
                (self.seed_ratios if _drawn(data) else ("file",), aligning),
                (("-",), completing),
            )
            for ratio, seed, method in itertools.product(ratios, self.seeds, methods)
        ]

    def _cell(self, method: str, data: str, variant: str, ratio: float | str, seed: int) -> Cell:
        config = str(CONFIGS / f"{method}.py") + ("" if data == SYNTHETIC else f":{data}")
        completes = method in COMPLETION
        flags = [f"--config.seed={seed}"]
        if not completes and _drawn(data):
            flags.append(f"--config.data.seed_ratio={ratio}")
        if completes or _drawn(data):
            flags.append(f"--config.data.split_seed={seed}")
        labels = {"data": data, "variant": variant or "-", "ratio": ratio, "method": method, "seed": seed}
        # What the labels say has the last word.
        alike = () if completes else _ALIKE
        return Cell(labels, config, (*alike, *self.flags, *self.variants[variant], *flags))


def _drawn(data: str) -> bool:
    """Whether the data set's split is drawn, not read from files."""
    return data == SYNTHETIC or len(data.split("/")) < 3


def published(method: str, data: str, ratio: float | str) -> str:
    """The paper's Hits@1 where it is about the same data set and seed ratio, or a dash; MRR of completion."""
    if method in COMPLETION:
        known = PUBLISHED_COMPLETION.get(method, {}).get(data)
        return f"{known:.3f}" if known else "-"
    asked = data.split("/")
    same_ratio = ratio == _PUBLISHED_RATIO or (
        len(asked) > 2 and str(_PUBLISHED_RATIO) in asked[2].split("_")
    )
    known = PUBLISHED.get(method, {}).get("/".join(asked[:2]))
    return f"{known:.3f}" if known and same_ratio else "-"


def report(rows: Sequence[Mapping], heading: str) -> str:
    """The page: for every data set, variant and seed ratio a table and tests; then Hits@1 by seed ratio.

    Completion has no seed ratio, and is told apart and tested by MRR.

    Args:
      rows: of ``run_cells``.
      heading: what was asked for, in a sentence or two.
    """
    groups: dict[tuple, list[Mapping]] = {}
    for row in rows:
        groups.setdefault((row["data"], row["variant"], row["ratio"]), []).append(row)
    page = ["# Comparison", heading]
    for (data, variant, ratio), own in groups.items():
        kind = "completion" if _completes(own) else f"seed ratio {ratio}"
        title = f"## {data}, {kind}" + ("" if variant == "-" else f", {variant}")
        page += [title, _table(own, data, ratio), _tests(own)]
    by_ratio = _by_ratio(rows)
    return "\n\n".join(part for part in [*page, *by_ratio] if part) + "\n"


def _completes(rows: Sequence[Mapping]) -> bool:
    """Whether rows of one setting are of completion; a setting has one task."""
    return rows[0]["method"] in COMPLETION


def _table(rows: Sequence[Mapping], data: str, ratio: float | str) -> str:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    metrics = _COMPLETION_METRICS if _completes(rows) else _METRICS
    found = {key: _summaries(rows, key) for key in (*metrics, *_COSTS)}
    columns = {key: marked(found[key]) for key in metrics}
    lines = [
        [
            method,
            *(columns[key][method] for key in metrics),
            published(method, data, ratio),
            f"{found['minutes'][method][0]:.1f}",
            f"{found['parameters'][method][0] / 1e6:.2f} M",
            f"{found['peak GiB'][method][0]:.1f}",
            str(found["hits@1"][method][2]),
        ]
        for method in methods
    ]
    told = "published MRR" if _completes(rows) else "published Hits@1"
    header = ["method", *metrics.values(), told, *_COSTS.values(), "runs"]
    return text_table(header, lines)


def _summaries(rows: Sequence[Mapping], measure: str) -> dict:
    return {key[0]: value for key, value in mean_and_sd(rows, ["method"], measure).items()}


def _tests(rows: Sequence[Mapping]) -> str:
    measure = "mrr" if _completes(rows) else "hits@1"
    values: dict[str, dict[int, float]] = {}
    for row in rows:
        values.setdefault(row["method"], {})[row["seed"]] = row[measure]
    if all(len(seeds) < 2 for seeds in values.values()):
        return ""
    return "\n".join(verdict_line(row, _COMPLETION_METRICS[measure]) for row in paired_tests(values))


def _by_ratio(rows: Sequence[Mapping]) -> list[str]:
    """Hits@1 of every method by seed ratio, for data sets of which several were run."""
    parts = []
    for data, variant in dict.fromkeys((row["data"], row["variant"]) for row in rows):
        own = [row for row in rows if (row["data"], row["variant"]) == (data, variant)]
        own = [row for row in own if row["method"] not in COMPLETION]
        ratios = list(dict.fromkeys(row["ratio"] for row in own))
        if len(ratios) < 2:
            continue
        columns = [marked(_summaries([row for row in own if row["ratio"] == r], "hits@1")) for r in ratios]
        methods = dict.fromkeys(row["method"] for row in own)
        lines = [[m, *(column.get(m, "-") for column in columns)] for m in methods]
        name = data if variant == "-" else f"{data}, {variant}"
        parts += [f"## {name}: Hits@1 by seed ratio", text_table(["method", *map(str, ratios)], lines)]
    return parts


def fitted(cells: Sequence[Cell], minutes: float, workroot: Path, call, once: bool = False) -> list[Cell]:
    """The cells with passes for ``minutes`` of training; a method is probed once in every setting.

    Args:
      cells: of the study.
      minutes: of optimizer steps a run.
      workroot: folder of the probes.
      call: runs a command and returns its exit code.
      once: whether variants share the probe of the first.
    """
    # Seeds, and variants where they are said to, take equally long.
    alike = ("seed", "variant") if once else ("seed",)
    flags: dict[tuple, tuple[str, ...]] = {}
    planned = []
    for cell in cells:
        key = tuple(value for label, value in cell.labels.items() if label not in alike)
        if key not in flags:
            flags[key] = budget_flags(cell, minutes, workroot, call)
        planned.append(dataclasses.replace(cell, overrides=(*cell.overrides, *flags[key])))
    return planned


def heading(asked: argparse.Namespace) -> str:
    """How to read the page."""
    budget = "passes as configured"
    if asked.minutes:
        budget = (
            f"{asked.minutes:g} minutes of optimizer steps a run (compilation and validation come on top)"
        )
    elif asked.epochs:
        budget = f"at most {asked.epochs} passes a stage"
    flags = f"; flags of every run: `{shlex.join(asked.flags)}`" if asked.flags else ""
    return (
        "Alignment: CSLS, KG 1 → KG 2; completion: filtered ranks at both ends. Mean ± standard deviation "
        "over runs, **best** and *second best* mean. Budget: "
        f"{budget}{flags}. `minutes` are training and compilation by the wall clock. Published numbers are "
        "from the papers, with real images and their own splits. Tests are paired t-tests over seeds, "
        "Holm-corrected."
    )


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    known = [m for m in ORDER if (CONFIGS / f"{m}.py").exists()]
    parser.add_argument(
        "--methods", nargs="+", default=known, help="configuration files; all of alignment by default"
    )
    parser.add_argument(
        "--data", nargs="+", default=[SYNTHETIC], help="data sets, with a split from files or not"
    )
    parser.add_argument("--seed-ratios", nargs="+", type=float, default=[0.3], help="of drawn splits")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument(
        "--variant", action="append", default=[], metavar="NAME=FLAGS", help="a column of settings; repeat"
    )
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, help="of training steps a run; by default as configured")
    budget.add_argument("--epochs", type=int, help="at most so many passes a stage")
    parser.add_argument(
        "--probe-once",
        action="store_true",
        help="with --minutes: variants, which change contents but no sizes, share the probe of the first",
    )
    parser.add_argument("--devices", nargs="*", default=[], help="CUDA devices, one run at a time on each")
    parser.add_argument("--out", type=Path, required=True, help="folder of the study")
    parser.add_argument("flags", nargs="*", help="flags of every run, after --")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is missing and writes the page; returns the exit code, 1 where a run failed."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    asked = parse(given)
    variants = {name: shlex.split(flags) for name, _, flags in (v.partition("=") for v in asked.variant)}
    flags = [*asked.flags, *([f"--config.train.max_epochs={asked.epochs}"] if asked.epochs else [])]
    study = Study(asked.methods, asked.data, asked.seed_ratios, asked.seeds, variants or {"": ()}, flags)
    cells = study.cells()
    if asked.minutes:
        cells = fitted(cells, asked.minutes, asked.out / "probes", subprocess.call, asked.probe_once)
    rows = run_on_devices(cells, asked.out / "compare.csv", asked.out / "runs", asked.devices)
    command = shlex.join(["python", "-m", "experiments.compare", *given])
    page = report(rows, f"    {command}\n\n{heading(asked)}")
    (asked.out / "compare.md").write_text(page, encoding="utf-8")
    print(page)
    return 0 if len(rows) == len({cell.folder(Path()) for cell in cells}) else 1


if __name__ == "__main__":
    raise SystemExit(main())

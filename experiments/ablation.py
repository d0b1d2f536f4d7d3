"""A method's parts switched off one by one: one run a variant, one table.

    python experiments/ablation.py --config configs/mimea.py:DBP15K/zh_en/published_0.3_3408 \
        --out runs/ablation -- --config.data.visual=none

What follows ``--`` goes to every run. Finished variants are skipped, so an interrupted study goes on where it
stopped. The table lands in OUT/ablation.md.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

# Variant → what it overrides; one dictionary a method.
VARIANTS = {
    "mimea": {
        "full": [],
        "without Beta fusion": ["--config.model.fusion=static", "--config.matching.score=joint"],
        "without transport": ["--config.model.transport=0.0"],
        "without adaptive contrast": [
            "--config.model.adaptive=False",
            "--config.model.learn_temperature=False",
        ],
        "none of the three": [
            "--config.model.fusion=static",
            "--config.matching.score=joint",
            "--config.model.transport=0.0",
            "--config.model.adaptive=False",
            "--config.model.learn_temperature=False",
        ],
    }
}


def run_variant(config: str, overrides: list[str], folder: Path, common: list[str]) -> dict:
    """Results of one variant, from its folder if it has been run before."""
    results = folder / "results.json"
    if not results.exists():
        command = [sys.executable, "-m", "mmea_jax.main", "--config", config, "--workdir", str(folder)]
        subprocess.run([*command, *common, *overrides], check=True)
    return json.loads(results.read_text())


def row(name: str, results: dict) -> str:
    """One line of the Markdown table."""
    found = results["test"]["csls"]["l2r"]
    minutes = (results["seconds"]["train"] + results["seconds"]["compile"]) / 60
    best = results["stages"][-1]["best_valid_mrr"]
    gib = results["peak_memory_bytes"] / 2**30
    return (
        f"| {name} | {found['hits@1']:.3f} | {found['hits@10']:.3f} | {found['mrr']:.3f} "
        f"| {best:.3f} | {minutes:.1f} | {gib:.1f} |"
    )


def main() -> None:
    """Runs all variants and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", required=True, help="as for mmea_jax.main")
    parser.add_argument("--out", type=Path, required=True, help="folder of the study")
    parser.add_argument("--only", nargs="*", help="variants to run; all by default")
    parser.add_argument("common", nargs="*", help="flags of every run, after --")
    arguments = parser.parse_args()
    method = Path(arguments.config.partition(":")[0]).stem
    if method not in VARIANTS:
        parser.error(f"no ablation of {method!r}; there are {', '.join(VARIANTS)}")
    table = [
        "| variant | Hits@1 | Hits@10 | MRR | best valid MRR | minutes | peak GiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, overrides in VARIANTS[method].items():
        if arguments.only and name not in arguments.only:
            continue
        folder = arguments.out / name.replace(" ", "_")
        table.append(row(name, run_variant(arguments.config, overrides, folder, arguments.common)))
        (arguments.out / "ablation.md").write_text("\n".join(table) + "\n")
    print("\n".join(table))


if __name__ == "__main__":
    main()

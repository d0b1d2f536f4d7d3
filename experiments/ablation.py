"""A method's parts, and the modalities, switched off one by one: one table a method.

    python -m experiments.ablation --config configs/mimea.py configs/mclea.py --seeds 0 1 2 \
        --out runs/ablation
    python -m experiments.ablation --config configs/mimea.py:DBP15K/zh_en/published_0.3_3408 \
        --out runs/ablation -- --config.data.visual=none

What follows ``--`` goes to every run. Finished runs are skipped, so an interrupted study goes on where it
stopped. OUT gets ``ablation.csv`` and ``ablation.md``. Numbers of alignment are by CSLS, KG 1 → KG 2; those
of completion are filtered ranks at both ends.
"""

import argparse
import itertools
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.devices import run_on_devices
from experiments.sweep import Cell, mean_and_sd, method_of, shown, text_table
from mmea_jax.vocabulary import COMPLETION_MODALITIES

FULL = "full"
_NO_BETA = ("--config.model.fusion=static",)
_NO_TRANSPORT = ("--config.model.transport=0.0",)
_NO_MAT = ("--config.model.adversarial=0.0",)
_EQUAL = ("--config.model.modal=mean",)
_NOT_ADAPTIVE = ("--config.model.adaptive=False", "--config.model.learn_temperature=False")

# Variant → what it overrides; one dictionary a method. Every method has the modality variants besides.
VARIANTS: dict[str, dict[str, tuple[str, ...]]] = {
    "eva": {
        "without joint loss (equal weights)": ("--config.model.joint_loss=False",),
        "without modal losses": ("--config.model.modal_losses=False",),
        "graph attention for convolution": ("--config.model.encoder=attention",),
    },
    "mclea": {
        "without modal contrast": ("--config.model.contrast=False",),
        "without modal alignment": ("--config.model.zoom=0.0",),
        "joint contrast alone": ("--config.model.contrast=False", "--config.model.zoom=0.0"),
        "graph convolution for attention": ("--config.model.encoder=convolution",),
    },
    "meaformer": {
        "without transformer": ("--config.model.fusion=static",),
        "without modal contrast": ("--config.model.contrast=False",),
        "without hidden contrast": ("--config.model.hidden_contrast=False",),
        "joint contrast alone": (
            "--config.model.contrast=False",
            "--config.model.hidden_contrast=False",
        ),
        "losses weighed by confidence": ("--config.model.adaptive=True",),
    },
    "umaea": {
        "without CMMI": ("--config.model.imagines=()",),
        "without late refinement": ("--config.model.refinement=False",),
        "without confidence": ("--config.model.confident=False",),
        "without filling of missing images": ("--config.model.fills=()",),
        "weights of each entity at inference": ("--config.model.inference=dynamic",),
    },
    "msnea": {
        "without images in translation": ("--config.model.visual_translation=0.0",),
        "without translation": (
            "--config.model.translation=0.0",
            "--config.model.visual_translation=0.0",
        ),
        "without modal losses": ("--config.model.modal_losses=False",),
        "without attention guided by images": ("--config.model.guided=False",),
    },
    "tmea": {
        "without imputation": ("--config.model.imputes=()",),
        "without commonality enhancement": ("--config.model.commonality=False",),
        "without orthogonal constraint": ("--config.model.orthogonal=0.0",),
        "attention over five tokens": ("--config.model.num_tokens=5",),
        # Differs from the full method where a file of abstracts is given to every run, after --.
        "with the bag of relations": ("--config.data.relation=files",),
        "without abstracts": ("--config.data.features.attribute=",),
    },
    "mimea": {
        "without Beta fusion": _NO_BETA,
        "without transport": _NO_TRANSPORT,
        "without adaptive contrast": _NOT_ADAPTIVE,
        "none of the three": (*_NO_BETA, *_NO_TRANSPORT, *_NOT_ADAPTIVE),
        "joint similarity alone": ("--config.matching.score=joint", "--config.matching.consensus=0"),
        "without the neighbours' consensus": ("--config.matching.consensus=0",),
    },
    "adamf_mat": {
        "without MAT": _NO_MAT,  # μ = 0, as the published scripts have it
        "without adaptive fusion (equal weights)": _EQUAL,
        "without both": (*_NO_MAT, *_EQUAL),
        # Which μ is best the validation column says.
        "μ = .001": ("--config.model.adversarial=0.001",),
        "μ = .1": ("--config.model.adversarial=0.1",),
        "μ = 1": ("--config.model.adversarial=1.0",),
        "absent modalities filled at random": ("--config.model.absent=random",),
        "fixed features": ("--config.model.train_features=False",),
    },
}
_OPTIONAL = ("relation", "attribute", "visual")
_OPTIONAL_OF = {"adamf_mat": COMPLETION_MODALITIES[1:]}
# Modalities that a method's configuration has switched off from the start.
_OFF = {"tmea": ("relation",)}


def variants_of(method: str) -> dict[str, tuple[str, ...]]:
    """Variants of a method: the full one, without each part, and without each modality.

    Raises:
      KeyError: there are none of that method.
    """
    optional = [m for m in _OPTIONAL_OF.get(method, _OPTIONAL) if m not in _OFF.get(method, ())]
    off = {m: f"--config.data.{m}=none" for m in optional}
    modalities = {f"without {m}": (flag,) for m, flag in off.items()}
    return {FULL: ()} | VARIANTS[method] | modalities | {"structure alone": tuple(off.values())}


def cells_of(
    configs: Sequence[str],
    seeds: Sequence[int] = (0,),
    only: Sequence[str] | None = None,
    common: Sequence[str] = (),
) -> list[Cell]:
    """All runs; a variant's flags come after those of every run.

    Args:
      configs: as for ``mmea_jax.main``.
      seeds: of weights and batches; the split stays.
      only: variants to run; all by default.
      common: flags of every run.
    """
    return [
        Cell(
            {"config": config, "variant": name, "seed": seed},
            config,
            (*common, *flags, f"--config.seed={seed}"),
        )
        for config in configs
        for (name, flags), seed in itertools.product(variants_of(method_of(config)).items(), seeds)
        if only is None or name in only
    ]


def report(rows: Sequence[Mapping]) -> str:
    """One Markdown table a configuration, variants in the order of the rows, beside their loss of Hits@1."""
    parts = []
    for config in dict.fromkeys(row["config"] for row in rows):
        own = [row for row in rows if row["config"] == config]
        measures = ("hits@1", "hits@10", "mrr", "valid mrr", "minutes", "peak GiB")
        found = {key: mean_and_sd(own, ["variant"], key) for key in measures}
        full = found["hits@1"].get((FULL,))
        lines = [
            [
                variant,
                shown(hits),
                "-" if full is None or variant == FULL else f"{hits[0] - full[0]:+.3f}",
                *(shown(found[key].get((variant,))) for key in ("hits@10", "mrr", "valid mrr")),
                f"{found['minutes'][variant,][0]:.1f}",
                f"{found['peak GiB'][variant,][0]:.1f}",
                str(hits[2]),
            ]
            for (variant,), hits in found["hits@1"].items()
        ]
        header = ["variant", "Hits@1", "against full", "Hits@10", "MRR", "best valid MRR", "minutes"]
        parts += [f"## {config}", text_table([*header, "peak GiB", "runs"], lines)]
    return "\n\n".join(parts) + "\n"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", nargs="+", required=True, help="as for mmea_jax.main; one table each")
    parser.add_argument("--out", type=Path, required=True, help="folder of the study")
    parser.add_argument("--only", nargs="+", help="variants to run; all by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--devices", nargs="*", default=[], help="CUDA devices, one run at a time on each")
    parser.add_argument("common", nargs="*", help="flags of every run, after --")
    asked = parser.parse_args(arguments)
    for config in asked.config:
        if method_of(config) not in VARIANTS:
            parser.error(f"no ablation of {method_of(config)!r}; there are {', '.join(VARIANTS)}")
    known = {name for config in asked.config for name in variants_of(method_of(config))}
    if unknown := sorted(set(asked.only or ()) - known):
        parser.error(f"no variant {unknown[0]!r}; there are {', '.join(sorted(known))}")
    return asked


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is missing and writes the tables; returns the exit code, 1 where a run failed."""
    asked = parse(arguments)
    cells = cells_of(asked.config, asked.seeds, asked.only, asked.common)
    rows = run_on_devices(
        cells, asked.out / "ablation.csv", asked.out / "runs", asked.devices, subprocess.call
    )
    page = report(rows)
    (asked.out / "ablation.md").write_text(page, encoding="utf-8")
    print(page)
    return 0 if len(rows) == len({cell.folder(Path()) for cell in cells}) else 1


if __name__ == "__main__":
    raise SystemExit(main())

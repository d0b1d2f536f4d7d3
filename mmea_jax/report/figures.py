"""The report's pictures of a run. Each function gives a figure, or None where the run left nothing for it."""

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from mmea_jax.matching.calibration import BINS, expected_calibration_error, reliability
from mmea_jax.matching.decision import threshold_curve
from mmea_jax.report.read import Work
from mmea_jax.report.style import BLUE, CYCLE, GREEN, GREY, ORANGE, RED, bar_labels, figure

# Terms of metrics.jsonl that are no losses.
_NO_LOSS = ("gradient_norm", "transport_converged", "transport_iterations", "skipped")
# Rows of a chart by kind of entity; beyond them, kinds are of a handful of links.
_MOST_SLICES = 10


def training(work: Work) -> Figure | None:
    """Loss terms and validation over the passes of all stages."""
    if not work.events:
        return None
    made, (losses, validation) = figure(2)
    at = np.arange(1, len(work.events) + 1)
    names = [name for name in work.events[-1]["train"] if not name.startswith(_NO_LOSS)]
    for name in sorted(names, key=lambda name: name != "loss"):
        values = [event["train"].get(name) for event in work.events]
        values = np.array([np.nan if value is None else value for value in values], float)
        is_total = name == "loss"
        losses.plot(at, values, label="total" if is_total else name, linewidth=2.2 if is_total else 1.1)
    losses.set(xlabel="epoch", ylabel="loss", title="Loss and its terms")
    losses.set_yscale("symlog", linthresh=0.1)
    losses.legend(fontsize=7, ncols=2)
    validated = [(k, event.get("valid_mrr")) for k, event in zip(at, work.events, strict=True)]
    shown = [point for point in validated if point[1] is not None]
    if shown:
        validation.plot(*zip(*shown, strict=True), marker="o", markersize=3, color=ORANGE)
        best = max(shown, key=lambda point: point[1])
        validation.annotate(f"best {best[1]:.3f}", best, (0, -14), textcoords="offset points", fontsize=8)
        validation.set_ylim(0, 1.02)
    else:
        validation.text(0.5, 0.5, "nothing held out", ha="center", transform=validation.transAxes)
    validation.set(xlabel="epoch", ylabel="MRR", title="Held-out links")
    for axis in (losses, validation):
        axis.xaxis.get_major_locator().set_params(integer=True)
    stages = [event.get("stage", "") for event in work.events]
    for k in range(1, len(stages)):
        if stages[k] != stages[k - 1]:
            for axis in (losses, validation):
                axis.axvline(k + 0.5, color=GREY, linestyle=":", linewidth=1)
    return made


def _slices(title: str, key: str, counted: str = "links") -> Callable[[Work], Figure | None]:
    def draw(work: Work) -> Figure | None:
        slices = dict(list((work.results.get(key) or {}).items())[:_MOST_SLICES])
        if not slices:
            return None
        made, (axis,) = figure(1, 0.9 + 0.5 * len(slices), 7.2)
        names, at = list(slices), np.arange(len(slices))
        for k, (measure, label, colour) in enumerate((("hits@1", "Hits@1", BLUE), ("mrr", "MRR", ORANGE))):
            values = [slices[name].get(measure) or 0.0 for name in names]
            axis.barh(at + 0.38 * (k - 0.5), values, 0.36, label=label, color=colour)
            bar_labels(axis, values, at + 0.38 * (k - 0.5), True)
        axis.set_yticks(
            at, [f"{name}\n{slices[name].get('count', 0):,} {counted}" for name in names], fontsize=8
        )
        axis.invert_yaxis()
        axis.set(xlim=(0, 1.12), title=title)
        axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
        return made

    draw.__doc__ = title
    return draw


by_degree = _slices("By number of triples of the KG-1 entity", "by_degree")
by_modalities = _slices("By the modalities that both entities have", "by_modalities")
by_category = _slices("By category of the relation", "by_category", "triples")


def modalities(work: Work) -> Figure | None:
    """What each source gives alone, without training and with it, against everything fused."""
    floors, alone = work.results.get("floors") or {}, work.results.get("unimodal") or {}
    fused = ((work.results.get("test") or {}).get("csls") or {}).get("l2r", {}).get("hits@1")
    bars = [(f"{name} (no training)", value, GREY) for name, value in floors.items()]
    bars += [(f"{name} (trained)", row.get("hits@1"), BLUE) for name, row in alone.items()]
    bars += [("all fused", fused, ORANGE)]
    bars = [(name, value, colour) for name, value, colour in bars if value is not None]
    if not (alone and bars):
        return None
    made, (axis,) = figure(1, 0.8 + 0.27 * len(bars), 7.2)
    names, values, colours = zip(*bars, strict=True)
    axis.barh(range(len(bars)), values, 0.7, color=colours)
    bar_labels(axis, values, range(len(bars)), True)
    axis.set_yticks(range(len(bars)), names, fontsize=8)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1.12), xlabel="Hits@1", title="Each source alone, and all fused")
    return made


def confidence(work: Work) -> Figure | None:
    """The weights that entities give their modalities: middle half, middle eighty per cent, mean."""
    found = work.results.get("confidence") or {}
    if not found:
        return None
    made, (axis,) = figure(1, 0.9 + 0.36 * len(found), 7.2)
    for k, row in enumerate(found.values()):
        deciles = row["deciles"]
        axis.plot([deciles[1], deciles[9]], [k, k], color=BLUE, linewidth=2, solid_capstyle="butt")
        quarters = np.interp([2.5, 7.5], range(11), deciles)
        axis.plot(quarters, [k, k], color=BLUE, linewidth=9, solid_capstyle="butt", alpha=0.75)
        axis.plot(row["mean"], k, "o", color=ORANGE, markersize=6)
    names = [f"{name}\n{row['present']:.0%} of entities" for name, row in found.items()]
    axis.set_yticks(range(len(found)), names, fontsize=8)
    axis.invert_yaxis()
    most = max(row["deciles"][9] for row in found.values())
    axis.set(xlim=(0, min(1, 1.25 * most)), ylim=(len(found) - 0.5, -0.5), xlabel="weight in the fusion")
    axis.set_title("Confidence in modalities: mean, middle half, middle 80 %", fontsize=10)
    return made


def calibration(work: Work) -> Figure | None:
    """Reliability diagram, and how probabilities spread."""
    if not len(work.answers.get("probability", ())):
        return None
    probability, correct = work.answers["probability"], work.answers["correct"]
    table = reliability(probability, correct)
    error = expected_calibration_error(probability, correct)
    made, (diagram, spread) = figure(2)
    diagram.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect")
    filled = table.count > 0
    width = np.sqrt(table.count[filled] / table.count.max())
    diagram.scatter(
        table.confidence[filled],
        table.accuracy[filled],
        15 + 90 * width,
        color=BLUE,
        zorder=3,
        label="answers",
    )
    diagram.plot(table.confidence[filled], table.accuracy[filled], color=BLUE, linewidth=1)
    diagram.set(xlim=(0, 1.02), ylim=(0, 1.04), xlabel="probability said", ylabel="share that is right")
    diagram.set_title(f"Reliability, expected calibration error {error:.3f}")
    diagram.legend(fontsize=8, loc="upper left")
    edges = np.linspace(0, 1, 2 * BINS + 1)
    parts = [probability[correct == 1], probability[correct == 0]]
    spread.hist(parts, edges, stacked=True, color=(GREEN, RED), label=("right", "wrong"))
    spread.set(xlabel="probability said", ylabel="answers", title="Probabilities of right and wrong answers")
    spread.legend(fontsize=8)
    return made


def scores(work: Work) -> Figure | None:
    """Scores and margins of right and of wrong answers."""
    found = work.answers
    if not len(found.get("score", ())) or not np.isfinite(found["score"]).any():
        return None
    made, axes = figure(2)
    for axis, name, title in zip(
        axes, ("score", "margin"), ("Score", "Margin to the runner-up"), strict=True
    ):
        finite = np.isfinite(found[name])
        values, correct = found[name][finite], found["correct"][finite] == 1
        if not len(values):
            continue
        edges = np.linspace(values.min(), np.quantile(values, 0.995), 31)
        if edges[-1] <= edges[0]:
            edges = np.linspace(values.min() - 0.5, values.min() + 0.5, 31)
        axis.hist(values[correct], edges, color=GREEN, alpha=0.65, label=f"right ({correct.sum():,})")
        axis.hist(values[~correct], edges, color=RED, alpha=0.65, label=f"wrong ({(~correct).sum():,})")
        axis.set(xlabel=title.lower(), ylabel="answers", title=title)
        axis.legend(fontsize=8)
    return made


def threshold(work: Work) -> Figure | None:
    """Precision, recall and F1 by the probability from which on a pair counts as a match."""
    found = work.results.get("alignment") or {}
    chosen = (found or work.results.get("calibration") or {}).get("threshold")
    if curve := found.get("curve"):
        curves = [np.array(curve[key], float) for key in ("probability", "precision", "recall", "f1")]
        source = f"{found.get('fitted_on', 0):,} held-out links, each also with its counterpart hidden"
    elif len(work.answers.get("probability", ())):
        answers = work.answers
        linked = np.array([bool(name) for name in answers["answer"]])
        weight = np.ones(len(linked))
        curves = list(threshold_curve(answers["probability"], answers["correct"] == 1, linked, weight))
        source = f"{len(linked):,} answers whose truth is known"
    else:
        return None
    made, (axis,) = figure(1, 3.6, 7.2)
    for values, name, colour in zip(curves[1:], ("precision", "recall", "F1"), CYCLE, strict=False):
        axis.step(curves[0], values, where="post", label=name, color=colour, linewidth=1.8)
    if chosen is not None:
        axis.axvline(chosen, color=GREY, linestyle="--", linewidth=1, label=f"threshold {chosen:.3f}")
    axis.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="probability from which on a pair counts as a match")
    axis.set_title(f"Threshold ({source})", fontsize=10)
    axis.legend(fontsize=8, loc="lower left")
    return made


def sweep(work: Work) -> Figure | None:
    """Hits@1 and MRR against the share of entities that keep a modality, where a study swept it."""
    rows = [row for row in work.sweep if {"method", "rate", "hits@1", "mrr"} <= row.keys()]
    rows = [row for row in rows if _is_number(row["rate"])]
    if not rows:
        return None
    made, axes = figure(2)
    several = len({(row.get("data"), row.get("modality")) for row in rows}) > 1
    for axis, measure, title in zip(axes, ("hits@1", "mrr"), ("Hits@1", "MRR"), strict=True):
        curves: dict[str, dict[float, list[float]]] = {}
        for row in rows:
            name = row["method"] + (f", {row.get('data')} {row.get('modality')}" if several else "")
            curves.setdefault(name, {}).setdefault(float(row["rate"]), []).append(float(row[measure]))
        for name, points in curves.items():
            at = sorted(points)
            mean, spread = [np.mean(points[r]) for r in at], [np.std(points[r]) for r in at]
            axis.errorbar(at, mean, spread, marker="o", markersize=3, capsize=2, label=name)
        axis.set(xlabel="share of entities that keep it", ylabel=title, title=f"{title} by missing rate")
    axes[0].legend(fontsize=7)
    return made


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


# Name of the PNG, heading, what it shows.
FIGURES: tuple[tuple[str, str, Callable[[Work], Figure | None]], ...] = (
    ("training", "Training", training),
    ("modalities", "What each modality gives", modalities),
    ("by_degree", "By degree", by_degree),
    ("by_modalities", "By available modalities", by_modalities),
    ("by_category", "By relation", by_category),
    ("confidence", "Confidence of modalities", confidence),
    ("calibration", "Calibration", calibration),
    ("threshold", "Where to draw the line", threshold),
    ("scores", "Scores of right and wrong answers", scores),
    ("sweep", "Missing modalities", sweep),
)

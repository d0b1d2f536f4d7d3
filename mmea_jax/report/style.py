"""How the report's pictures look: one palette, told apart also by those who see fewer colours."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, dark enough on white.
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#C3423F", "#7B5EA7", "#6B7280"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, "#B8860B", "#56B4E9", GREY, RED)
DPI = 130


def figure(columns: int = 1, height: float = 3.4, width: float = 5.4) -> tuple[Figure, Sequence[Axes]]:
    """A figure with panels side by side; no global state, so that reports can be written anywhere."""
    made = Figure(figsize=(width * columns, height), dpi=DPI, layout="constrained")
    axes = made.subplots(1, columns, squeeze=False)[0]
    for axis in axes:
        tidy(axis)
    return made, axes


def tidy(axis: Axes) -> None:
    """Light grid behind the data, no box around them."""
    axis.set_axisbelow(True)
    axis.grid(color="#E5E7EB", linewidth=0.8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_prop_cycle(color=CYCLE)


def bar_labels(axis: Axes, values: Sequence[float], positions: Sequence[float], horizontal: bool) -> None:
    """Writes each value beside its bar."""
    for value, at in zip(values, positions, strict=True):
        text = f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"
        if horizontal:
            axis.text(value + 0.01, at, text, va="center", fontsize=8)
        else:
            axis.text(at, value + 0.01, text, ha="center", fontsize=7)

"""``report/index.html``: one page without network or scripts, its pictures inside and beside it."""

import base64
import html
import io
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mmea_jax.report.figures import FIGURES
from mmea_jax.report.read import Record, Work, read_work
from mmea_jax.report.table import results_table

log = logging.getLogger("mmea_jax")

_MISTAKES, _EXAMPLES = 25, 15
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #111827; background: #f9fafb; margin: 0; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 0 0 10px; }
section, .tile { background: #fff; border: 1px solid #e5e7eb; border-radius: 8px; }
section { padding: 18px 20px; margin: 18px 0; }
.muted { color: #4b5563; } .note { color: #92400e; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0 0; }
.tile { padding: 10px 16px; min-width: 110px; }
.tile b { display: block; font-size: 22px; } .tile span { color: #4b5563; font-size: 13px; }
img { max-width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; }
th, td { text-align: left; padding: 4px 10px; border-bottom: 1px solid #e5e7eb; vertical-align: top; }
td { overflow-wrap: anywhere; min-width: 8em; } td:not(.number):has(+ td.number) { min-width: 12em; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.number, th.number { min-width: 0; padding: 4px 7px; }
pre { font-size: 12px; overflow-x: auto; margin: 0; }
""".strip()


def write_report(folder: str | Path) -> Path:
    """Writes ``report/index.html`` and its PNGs into a work directory, or the folder of a study.

    Returns:
      The page.

    Raises:
      InputError: the folder holds nothing of a run.
    """
    work = read_work(Path(folder))
    target = work.folder / "report"
    target.mkdir(exist_ok=True)
    sections = [_table_section(work)]
    for name, heading, draw in FIGURES:
        drawn = draw(work)
        if drawn is None:
            (target / f"{name}.png").unlink(missing_ok=True)
            continue
        png = io.BytesIO()
        drawn.savefig(png, format="png")
        (target / f"{name}.png").write_bytes(png.getvalue())
        sections.append(_picture(name, heading, drawn.axes[0].get_title(), png.getvalue()))
    sections += [_mistakes(work), _examples(work)]
    page = target / "index.html"
    page.write_text(_page(work, "\n".join(filter(None, sections))), encoding="utf-8")
    return page


def try_report(folder: str | Path) -> Path | None:
    """The same at the end of a run, whose results stand whatever becomes of their pictures."""
    try:
        page = write_report(folder)
    # A picture is not worth a run; what went wrong is said, and the command to try again.
    except Exception as error:
        log.warning(
            "no report (%s: %s); try python -m mmea_jax.report %s", type(error).__name__, error, folder
        )
        return None
    log.info("report: %s", page)
    return page


def _page(work: Work, body: str) -> str:
    title = " on ".join(str(work.results[key]) for key in ("model", "dataset") if work.results.get(key))
    title = title or work.folder.name
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(title)}</title>
<link rel="icon" href="data:,">
<style>
{_STYLE}
</style>
</head>
<body>
<main>
<h1>{_text(title)}</h1>
{_facts(work.results)}
{body}
</main>
</body>
</html>
"""


def _facts(results: Record) -> str:
    """A line on the protocol, and the numbers that matter most."""
    protocol, counts = results.get("protocol") or {}, results.get("counts") or {}
    said = [f"{counts[key]:,} {key.replace('_', ' ')}" for key in counts if isinstance(counts[key], int)]
    said += [f"measured on {protocol['measured_on']}"] if protocol.get("measured_on") else []
    lines = [f'<p class="muted">{_text("; ".join(said))}</p>'] if said else []
    if protocol.get("unsupervised"):
        lines.append('<p class="note">Unsupervised: no link confirms the pairs that it was trained on.</p>')
    if protocol.get("simulated"):
        simulated = ", ".join(protocol["simulated"])
        lines.append(f'<p class="note">Simulated, not measured: {_text(simulated)}.</p>')
    tiles = "".join(
        f'<div class="tile"><b>{value}</b><span>{_text(name)}</span></div>'
        for name, value in _numbers(results)
    )
    return "\n".join([*lines, f'<div class="tiles">{tiles}</div>' if tiles else ""])


def _numbers(results: Record) -> Iterable[tuple[str, str]]:
    test = results.get("test") or {}
    main = (test.get("csls") or {}).get("l2r") or (test.get("filtered") or {}).get("both") or {}
    for key, name in (("hits@1", "Hits@1"), ("hits@10", "Hits@10"), ("mrr", "MRR")):
        if main.get(key) is not None:
            yield name, f"{main[key]:.3f}"
    found = results.get("alignment") or {}
    for key in ("matched", "no_match"):
        if key in found:
            yield f"entities {key.replace('_', ' ')}", f"{found[key]:,}"
    quality = found.get("gold") or found.get("held_out") or {}
    on = "gold links" if found.get("gold") else "held-out seeds"
    for kind, prefix in (("matches", ""), ("no-match verdicts", "no_match_")):
        for key in ("precision", "recall"):
            if quality.get(f"{prefix}{key}") is not None:
                yield f"{key} of {kind}, {on}", f"{quality[f'{prefix}{key}']:.3f}"
    error = (found.get("gold") or results.get("calibration") or {}).get("ece", None)
    error = (results.get("calibration") or {}).get("ece_after") if error is None else error
    if error is not None:
        yield "calibration error", f"{error:.3f}"


def _table_section(work: Work) -> str:
    if not work.results:
        return '<section><p class="note">The run has not finished; this is what it left so far.</p></section>'
    text = html.escape(results_table(work.results))
    return f"<section><h2>Results</h2><pre>{text}</pre></section>"


def _picture(name: str, heading: str, title: str, png: bytes) -> str:
    data = base64.b64encode(png).decode()
    image = f'<img src="data:image/png;base64,{data}" alt="{_text(title or heading)}">'
    return f'<section id="{name}"><h2>{_text(heading)}</h2>{image}</section>'


def _mistakes(work: Work) -> str:
    """The wrong answers of highest probability: where to look first."""
    answers = work.answers
    if not answers:
        return ""
    # That an entity has no counterpart was seen where its candidate fell below the threshold.
    line = (work.results.get("alignment") or {}).get("threshold", 0.0)
    seen = np.array([not name for name in answers["answer"]]) & (answers["probability"] < line)
    wrong = np.flatnonzero((answers["correct"] == 0) & ~seen)
    order = wrong[np.argsort(-answers["probability"][wrong], kind="stable")][:_MISTAKES]
    if not len(order):
        return (
            "<section><h2>Most confident mistakes</h2><p>None among the answers that are known.</p></section>"
        )
    rows = [
        (
            answers["entity1"][k],
            answers["predicted"][k] or "–",
            answers["answer"][k] or "no counterpart",
            f"{answers['probability'][k]:.3f}",
            f"{answers['degree'][k]:.0f}",
        )
        for k in order
    ]
    head = ("entity of KG 1", "answered", "true", "probability", "degree")
    return f"<section><h2>Most confident mistakes</h2>{_html_table(head, rows, 2)}</section>"


def _examples(work: Work) -> str:
    """Pairs near the threshold, whose reasons are the most worth reading."""
    if not work.evidence:
        return ""
    line = (work.results.get("alignment") or {}).get("threshold", 0.5)
    near = sorted(work.evidence, key=lambda row: abs(float(row["probability"]) - line))[:_EXAMPLES]
    names = list(near[0])
    parts = names[names.index("similarity") + 1 : names.index("matched_neighbours")]
    head = (
        "entity of KG 1", "best candidate", "status", "equal values", "probability", "margin", *parts,
        "matched neighbours",
    )  # fmt: skip
    rows = [
        [
            *(row[key] for key in ("entity1", "entity2", "status", "equal_values", "probability", "margin")),
            *(row[part] for part in parts),
            row["matched_neighbours"],
        ]
        for row in sorted(near, key=lambda row: -float(row["probability"]))
    ]
    return (
        "<section><h2>Pairs nearest to the threshold, and why</h2>"
        f"{_html_table(head, rows, len(parts) + 3)}</section>"
    )


def _html_table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int) -> str:
    """A table whose last ``numbers`` columns are numbers."""

    def line(tag: str, fields: Sequence[str]) -> str:
        first = len(fields) - numbers
        cells = (
            f"<{tag}{' class=number' if k >= first else ''}>{_text(field)}</{tag}>"
            for k, field in enumerate(fields)
        )
        return f"<tr>{''.join(cells)}</tr>"

    return (
        f'<div class="wide"><table>{line("th", head)}{"".join(line("td", row) for row in rows)}</table></div>'
    )


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)

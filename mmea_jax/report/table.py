"""The final table of a run, for a terminal."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

from mmea_jax.vocabulary import MODALITIES

WIDTH = 100
# Columns for a row's name, at least, and for a number.
_LABEL, _CELL = 40, 9
_METRICS = ("hits@1", "hits@3", "hits@5", "hits@10", "hits@50", "mr", "mrr")
_HEADINGS = {"mr": "MR", "mrr": "MRR"}
_UNKNOWN = "-"

Lines = list[str]
Record = Mapping[str, Any]


def results_table(results: Record, path: str | PathLike | None = None) -> str:
    """A run's results as plain text of at most 100 columns.

    Args:
      results: what ``results.json`` holds; whatever is missing is left out.
      path: of the file, named on the last line.

    Returns:
      Lines without a trailing newline; shares are written as ``.123``, unknown numbers as ``-``.
    """
    sections = [
        _heading(results),
        _floors(results),
        _unimodal(results),
        _fused(results),
        _assignment(results.get("assignment") or {}),
        _slices("by number of triples of the KG-1 entity", results.get("by_degree")),
        _slices("by category of the relation", results.get("by_category"), "triples"),
        _slices(
            "by modalities that both entities have",
            results.get("by_modalities"),
            "queries" if results.get("task") == "completion" else "links",
        ),
        _findings(results),
        _own(results.get("alignment") or {}),
        _cost(results, path),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _heading(results: Record) -> Lines:
    protocol, counts = results.get("protocol") or {}, results.get("counts") or {}
    title = [str(results[key]) for key in ("model", "dataset") if results.get(key)]
    return (
        ([" on ".join(title)] if title else [])
        + _fact("protocol", _protocol(protocol))
        + _fact("counts", _counts(counts))
        + _fact("modalities", _coverage(counts.get("modalities") or {}, protocol.get("simulated") or ()))
        + _fact("weights", (f"{name} {w:.2f}" for name, w in (results.get("score_weights") or {}).items()))
    )


def _protocol(protocol: Record) -> Iterable[str]:
    if "selection" in protocol:
        yield f"selection {protocol['selection']}"
    if "candidates" in protocol:
        yield f"candidates {protocol['candidates']}"
    if "split" in protocol:
        digest = protocol.get("split_sha256")
        yield f"split {protocol['split']}" + (f" (sha256 {digest[:12]})" if digest else "")
    if "validation" in protocol:
        yield f"validation {protocol['validation']}"
    if "csls_k" in protocol:
        yield f"CSLS k = {protocol['csls_k']}"
    if "names_used" in protocol:
        yield "names used" if protocol["names_used"] else "names not used"
    if protocol.get("iterative"):
        yield "iterative"
    if protocol.get("unsupervised"):
        yield "unsupervised"


def _counts(counts: Record) -> Iterable[str]:
    for key, value in counts.items():
        if isinstance(value, int):
            yield f"{value:,} {key.replace('_', ' ')}"


def _coverage(modalities: Record, simulated: Sequence[str]) -> Iterable[str]:
    for modality in sorted(modalities, key=_canonical):
        present = modalities[modality].get("present")
        share = "" if present is None else f" {present:.1%}"
        yield f"{modality}{share}{' SIMULATED' if modality in simulated else ''}"


def _floors(results: Record) -> Lines:
    rows = {name: [_share(hits)] for name, hits in (results.get("floors") or {}).items()}
    if results.get("task") == "completion":
        return _by_source(results, "train-free floor (MRR, both ends)", ["MRR"], rows)
    return _by_source(results, "train-free floors (Hits@1, l2r)", ["Hits@1"], rows)


def _unimodal(results: Record) -> Lines:
    rows = {name: _cells(row, ("hits@1", "mrr")) for name, row in (results.get("unimodal") or {}).items()}
    return _by_source(results, "one trained modality alone (CSLS, l2r)", ["Hits@1", "MRR"], rows)


def _by_source(results: Record, title: str, headings: Sequence[str], rows: Mapping[str, list[str]]) -> Lines:
    ordered = sorted(rows, key=_canonical)
    return _table(title, headings, [(_marked(results, name), rows[name]) for name in ordered])


def _fused(results: Record) -> Lines:
    by_label = _by_label(results.get("test") or {}, "")
    alone = results.get("without_consensus") or {}
    by_label |= _by_label({k: v for k, v in alone.items() if k == "csls"}, ", no consensus")
    metrics = [metric for metric in _METRICS if any(metric in values for values in by_label.values())]
    rows = [(label, _cells(values, metrics)) for label, values in by_label.items()]
    title = "test triples" if results.get("task") == "completion" else "all modalities fused"
    return _table(title, [_HEADINGS.get(m, m.title()) for m in metrics], rows) + _gain(results)


def _by_label(measured: Record, suffix: str) -> dict[str, Record]:
    return {
        f"{measure} {direction}{suffix}": values
        for measure, directions in measured.items()
        for direction, values in directions.items()
    }


def _gain(results: Record) -> Lines:
    """What fusing modalities is worth, in one line; the neighbours' consensus is no part of that."""
    compared = "without_consensus" if "without_consensus" in results else "test"
    fused = _dig(results, compared, "csls", "l2r", "hits@1")
    rows = (results.get("unimodal") or {}).items()
    alone = {name: row["hits@1"] for name, row in rows if row.get("hits@1") is not None}
    if fused is None or not alone:
        return []
    best = max(alone, key=alone.get)
    gain = fused - alone[best]
    verb, side = ("gains +", "over") if gain >= 0 else ("loses ", "against")
    return [
        f"  fusion {verb}{_share(abs(gain))} Hits@1 {side} the best single modality"
        f" ({_marked(results, best)} {_share(alone[best])})"
    ]


def _assignment(assignment: Record) -> Lines:
    lines, sinkhorn, mutual = [], assignment.get("sinkhorn"), assignment.get("mutual_nearest")
    if sinkhorn:
        state = "converged" if sinkhorn.get("converged") else "NOT CONVERGED"
        state += f", {sinkhorn.get('iterations', _UNKNOWN)} iterations"
        lines += _fact("sinkhorn", [f"accuracy {_share(sinkhorn.get('accuracy'))}", state])
    if mutual:
        names = ("precision", "recall", "f1")
        lines += _fact("mutual nearest", [f"{name} {_share(mutual.get(name))}" for name in names])
    return ["one-to-one assignment", *lines] if lines else []


def _slices(title: str, slices: Record | None, counted: str = "links") -> Lines:
    rows = [
        (name, [f"{row.get('count', 0):,}", *_cells(row, ("hits@1", "mrr"))])
        for name, row in (slices or {}).items()
    ]
    return _table(title, [counted, "Hits@1", "MRR"], rows)


def _findings(results: Record) -> Lines:
    return (
        _fact("calibration", _calibration(results.get("calibration") or {}))
        + _fact("pivots", _pivots(results.get("pivots") or {}))
        + _fact("pseudo-links", _pseudo_links(results.get("pseudo_links") or {}))
    )


def _own(found: Record) -> Lines:
    """What became of the entities of KG 1, on graphs of the user's own."""
    if not found:
        return []
    verdicts = [f"{found[key]:,} {key.replace('_', ' ')}" for key in ("seeds", "matched", "no_match")]
    how = "given" if found.get("threshold_given") else f"chosen on {found['fitted_on']:,} held-out links"
    share = "given" if found.get("dangling_given") else "estimated"
    return [
        "verdicts on KG 1",
        *_fact("entities", verdicts),
        *_fact("threshold", [f"probability {_share(found['threshold'])}, {how}"]),
        *_fact("no match", [f"share without counterpart {_share(found['dangling'])}, {share}"]),
        *_fact("held-out", _quality(found["held_out"])),
        *_fact("gold links", _gold(found.get("gold") or {})),
    ]


def _quality(found: Record) -> Iterable[str]:
    yield ", ".join(f"{key} {_share(found.get(key))}" for key in ("precision", "recall", "f1"))
    none = [f"{key} {_share(found.get(f'no_match_{key}'))}" for key in ("precision", "recall")]
    yield f"no match: {', '.join(none)}"


def _gold(found: Record) -> Iterable[str]:
    if found:
        yield f"{found['links']:,} links, Hits@1 {_share(found['hits@1'])}"
        yield f"calibration error {_share(found['ece'])}"
        yield from _quality(found)


def _calibration(found: Record) -> Iterable[str]:
    if "ece_after" in found:
        before, after = _share(found.get("ece_before")), _share(found["ece_after"])
        yield f"expected calibration error {before} -> {after} on test links"
    if "temperature" in found:
        yield f"temperature {_number(found['temperature'])}"
    if "threshold" in found:
        yield f"a match from probability {_share(found['threshold'])}"
    if "rows" in found:
        yield f"fitted on {found['rows']:,} links"


def _pivots(found: Record) -> Iterable[str]:
    if found:
        how = "beside" if "checked" in found else "instead of"
        yield f"{found.get('count', 0):,} {found.get('modality', '')} pairs {how} seed links"
    if "checked" in found:
        yield f"{found['right']:,} of {found['checked']:,} that the seeds tell of are right"
    if "precision" in found:
        yield f"precision {_share(found['precision'])} (measured afterwards, used for nothing)"


def _pseudo_links(found: Record) -> Iterable[str]:
    if found:
        yield f"{found.get('accepted', 0):,} accepted"
    if "precision" in found:
        yield f"precision {_share(found['precision'])} (measured afterwards, used for nothing)"


def _cost(results: Record, path: str | PathLike | None) -> Lines:
    seconds = results.get("seconds") or {}
    return (
        _fact("seconds", [f"{name} {_number(value)}" for name, value in seconds.items()])
        + _fact("speed", _speed(results))
        + _fact("devices", _devices(results.get("devices") or {}))
        + ([] if path is None else [f"  {'results':<14} {path}"])
    )


def _speed(results: Record) -> Iterable[str]:
    if results.get("seconds_per_epoch") is not None:
        yield f"{_number(results['seconds_per_epoch'])} s an epoch"
    if results.get("seconds_per_step") is not None:
        yield f"{_number(1000 * results['seconds_per_step'])} ms a step"
    if results.get("peak_memory_bytes") is not None:
        yield f"peak memory {results['peak_memory_bytes'] / 2**30:.2f} GiB"


def _devices(devices: Record) -> Iterable[str]:
    if devices:
        kind, platform = devices.get("kind", _UNKNOWN), devices.get("platform", _UNKNOWN)
        yield f"{devices.get('count', 1)} x {kind} ({platform})"
        yield f"processes {devices.get('processes', 1)}"


def _table(title: str, headings: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> Lines:
    """A title and headings above rows of a label and right-aligned cells; nothing without rows."""
    if not rows:
        return []
    longest = max(len(label) for label, _ in rows)
    room = min(max(_LABEL, longest), WIDTH - 2 - _CELL * len(headings))
    lines = [f"{title:<{room + 2}}" + "".join(f"{heading:>{_CELL}}" for heading in headings)]
    for label, cells in rows:
        short = label if len(label) <= room else f"{label[: room - 3]}..."
        lines.append(f"  {short:<{room}}" + "".join(f"{cell:>{_CELL}}" for cell in cells))
    return lines


def _fact(name: str, parts: Iterable[str]) -> Lines:
    """``name`` and its parts, wrapped below one another; nothing without parts."""
    text = "; ".join(parts)
    start = f"  {name:<14} "
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))


def _cells(values: Record, metrics: Iterable[str]) -> list[str]:
    return [_number(values.get(m)) if m == "mr" else _share(values.get(m)) for m in metrics]


def _share(value: float | None) -> str:
    """Three decimals without the zero before the point."""
    if value is None:
        return _UNKNOWN
    text = f"{value:.3f}"
    return text if abs(float(text)) >= 1 else text.replace("0.", ".", 1)


def _number(value: float | None) -> str:
    """Three significant digits of a small number, one decimal of a large one."""
    if value is None:
        return _UNKNOWN
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"


def _marked(results: Record, name: str) -> str:
    return f"{name} SIMULATED" if name in (_dig(results, "protocol", "simulated") or ()) else name


def _canonical(name: str) -> tuple[int, str]:
    return (MODALITIES.index(name) if name in MODALITIES else len(MODALITIES), name)


def _dig(tree: Any, *keys: str) -> Any:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree

"""What a work directory holds, for the report. Whatever is missing or damaged is left out."""

import csv
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmea_jax.errors import InputError

Record = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Work:
    """A work directory, or the folder of a study.

    Attributes:
      folder: where it is.
      config: of the run; empty if there is none.
      results: of the run; empty if it has not finished.
      events: lines of ``metrics.jsonl``.
      answers: columns of ``evaluation.tsv``: names as lists, numbers as float arrays (NaN for none).
      evidence: lines of ``evidence.tsv``, the fields by name.
      sweep: lines of a study's ``cells.csv``.
    """

    folder: Path
    config: Record
    results: Record
    events: list[Record]
    answers: dict[str, Any]
    evidence: list[dict[str, str]]
    sweep: list[dict[str, str]]


def read_work(folder: Path) -> Work:
    """Reads what there is.

    Raises:
      InputError: no such folder, or nothing of a run in it.
    """
    if not folder.is_dir():
        raise InputError(
            "no such folder", expected="the work directory of a run", mend="correct the path", file=folder
        )
    work = Work(
        folder,
        _json(folder / "config.json"),
        _json(folder / "results.json"),
        _events(folder / "metrics.jsonl"),
        _answers(folder / "evaluation.tsv"),
        _rows(folder / "evidence.tsv", "\t"),
        _rows(folder / "cells.csv", ","),
    )
    if not (work.results or work.events or work.sweep):
        raise InputError(
            "neither results.json nor metrics.jsonl nor cells.csv",
            expected="the work directory of a run, or the folder of a study",
            mend="correct the path, or run something with this --workdir first",
            file=folder,
        )
    return work


def _json(path: Path) -> Record:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _events(path: Path) -> list[Record]:
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue  # torn by a crash
        if isinstance(event, dict) and "train" in event:
            found.append(event)
    return found


def _rows(path: Path, delimiter: str) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
        return list(csv.DictReader(file, delimiter=delimiter, quoting=quoting))


def _answers(path: Path) -> dict[str, Any]:
    rows = _rows(path, "\t")
    if not rows:
        return {}
    texts = {name: [row[name] for row in rows] for name in ("entity1", "answer", "predicted")}
    numbers = ("score", "margin", "probability", "correct", "degree")
    return texts | {name: np.array([_number(row[name]) for row in rows]) for name in numbers}


def _number(field: str) -> float:
    return float(field) if field else float("nan")

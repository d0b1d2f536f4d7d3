"""The work directory: configuration, events, TensorBoard scalars and results.

In a run of several processes one of them owns the folder and writes.
"""

import json
import math
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tensorboardX import summary
from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import RecordWriter

from mmea_jax.errors import InputError
from mmea_jax.training.system import check_writable

CONFIG = "config.json"
RESULTS = "results.json"
METRICS = "metrics.jsonl"
_NAMED_DIFFERENCES = 5
_ABSENT = "absent"
# Where a run runs is no part of what it is: it may go on elsewhere.
_OF_THE_MACHINE = ("train.devices",)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns an OSError within, while writing ``path``, into an InputError that says what to do."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"a write that the disk refused ({error.strerror or error})",
            expected="a folder that can be written, with free space",
            mend="free some space or choose another folder with --workdir; what was written before stays",
            file=path,
        ) from error


class RunFolder:
    """Owns a run's work directory; nothing is written before the first call that writes.

    Every method that writes raises InputError if the disk refuses.

    Args:
      path: the folder; made, with its parents, by the first write.
      writes: whether this process owns it; in all others, what would write does nothing.
    """

    def __init__(self, path: str | os.PathLike, writes: bool = True):
        self.path, self.writes = Path(path).absolute(), writes
        self._scalars: _ScalarWriter | None = None
        self._first_step = 0

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def check_config(self, config: Mapping[str, Any]) -> None:
        """Refuses a folder that cannot take this run. Writes nothing.

        Raises:
          InputError: if the folder holds a run of another configuration (naming what differs), is no
            folder, cannot be written, or lies on a full disk.
        """
        check_writable(self.path)
        self._refuse_other(config)

    def finished(self, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """Results of training that the folder holds, if it came to its end; ``None`` otherwise.

        Raises:
          InputError: the folder holds a run of another configuration.
        """
        self._refuse_other(config)
        results = self.results()
        return results if "stages" in results else None

    def results(self) -> dict[str, Any]:
        """What ``results.json`` holds; empty where there is none that can be read."""
        file = self.path / RESULTS
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _refuse_other(self, config: Mapping[str, Any]) -> None:
        file = self.path / CONFIG
        if not file.exists():
            return
        try:
            first = json.loads(file.read_text(encoding="utf-8"))
            if not isinstance(first, dict):
                raise ValueError(f"a {type(first).__name__}")
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(
                f"a configuration that cannot be read ({error})",
                expected="the JSON that the first run wrote",
                mend="choose another folder with --workdir, or delete this one",
                file=file,
            ) from error
        refuse_differences(file, first, config)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Writes the resolved configuration, keys sorted."""
        self._replace(CONFIG, json.dumps(plain_values(config), indent=2, sort_keys=True) + "\n")

    def write_results(self, results: Mapping[str, Any]) -> Path:
        """Writes ``results.json``, NaN and infinities as null; returns its path."""
        return self._replace(RESULTS, json.dumps(plain_values(results), indent=2) + "\n")

    def write_text(self, name: str, text: str) -> Path:
        """Writes a text file of that name, whole or not at all; returns its path."""
        return self._replace(name, text)

    def log(self, event: Mapping[str, Any]) -> None:
        """Appends one event to ``metrics.jsonl``; its numbers go to TensorBoard if it names a ``step``.

        Args:
          event: ``{"step": …, "train": {"joint": …}}``; nested names become tags such as ``train/joint``.
        """
        if not self.writes:
            return
        event = plain_values(event)
        file = self.path / METRICS
        with disk_errors(file):
            self.path.mkdir(parents=True, exist_ok=True)
            fresh = b"\n" if _is_torn(file) else b""
            with file.open("ab") as stream:
                stream.write(fresh + json.dumps(event).encode() + b"\n")
        if "step" in event:
            values = {tag: value for tag, value in _flat(event, "/").items() if tag != "step"}
            self._write_scalars(values, event["step"])

    def events(self) -> list[dict[str, Any]]:
        """What was logged so far, in order; lines that a crash tore are left out."""
        file = self.path / METRICS
        if not file.exists():
            return []
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        return [event for event in map(_parsed, lines) if event is not None]

    def truncate_after(self, step: int) -> None:
        """Drops events later than ``step``, where a run resumes; TensorBoard is told to hide them too."""
        self._first_step = step + 1
        events = self.events()
        if events:
            kept = [event for event in events if event.get("step", step) <= step]
            self._replace(METRICS, "".join(json.dumps(event) + "\n" for event in kept))

    def close(self) -> None:
        """Closes the TensorBoard file; further events open a new one."""
        if self._scalars is not None:
            writer, self._scalars = self._scalars, None
            with disk_errors(self.path):
                writer.close()

    def _write_scalars(self, values: Mapping[str, Any], step: int) -> None:
        with disk_errors(self.path):
            if self._scalars is None:
                self._scalars = _ScalarWriter(self.path, self._first_step)
            self._scalars.write(values, step)

    def _replace(self, name: str, text: str) -> Path:
        """Writes the file whole or not at all."""
        file = self.path / name
        if not self.writes:
            return file
        unfinished = file.with_name(f"{name}.tmp")
        with disk_errors(file):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                # JSON and RDF can escape halves of characters, which UTF-8 has no bytes for.
                with unfinished.open("w", encoding="utf-8", errors="backslashreplace") as stream:
                    stream.write(text)
                    stream.flush()
                    os.fsync(stream.fileno())
                unfinished.replace(file)
            finally:
                unfinished.unlink(missing_ok=True)
        return file


class _ScalarWriter:
    """TensorBoard events, written at once.

    tensorboardX's own SummaryWriter hands events to a thread, which dies silently on a full disk and
    leaves ``close()`` waiting for ever.
    """

    def __init__(self, folder: Path, first_step: int):
        name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}"
        self._file = RecordWriter(str(folder / name))
        self._put(file_version="brain.Event:2")
        if first_step:
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._put(step=first_step, session_log=start)

    def write(self, values: Mapping[str, Any], step: int) -> None:
        for tag, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._put(step=step, summary=summary.scalar(re.sub(r"[^-/\w.]", "_", tag), value))
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _put(self, **fields) -> None:
        self._file.write(event_pb2.Event(wall_time=time.time(), **fields).SerializeToString())


def plain_values(value: Any) -> Any:
    """The value in JSON's own types: arrays become lists, NaN and infinities None."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, os.PathLike) else value


def _flat(tree: Mapping[str, Any], separator: str = ".", prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, separator, f"{prefix}{key}{separator}")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _is_torn(file: Path) -> bool:
    """Whether the last line has no end, as after a crash."""
    if not file.exists() or file.stat().st_size == 0:
        return False
    with file.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read() != b"\n"


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def refuse_differences(file: Path, first: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses a configuration that is not the folder's own.

    Raises:
      InputError: naming the keys that differ.
    """
    first, now = _flat(first), _flat(plain_values(now))
    keys = sorted({*first, *now}.difference(_OF_THE_MACHINE))
    different = [key for key in keys if first.get(key, _ABSENT) != now.get(key, _ABSENT)]
    if not different:
        return
    named = [f"{key} = {first.get(key, _ABSENT)!r}" for key in different[:_NAMED_DIFFERENCES]]
    asked = [f"{key} = {now.get(key, _ABSENT)!r}" for key in different[:_NAMED_DIFFERENCES]]
    more = len(different) - len(named)
    raise InputError(
        f"a run of another configuration: {', '.join(named)}{f' and {more} more' if more else ''}",
        expected=f"this run's {', '.join(asked)}",
        mend="give the values of the first run, or choose another folder with --workdir or --fresh",
        file=file,
    )

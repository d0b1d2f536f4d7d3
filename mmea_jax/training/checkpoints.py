"""Checkpoints: a thin layer over Orbax that falls back to the newest checkpoint that can be read."""

import contextlib
import json
import logging
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from mmea_jax.errors import InputError
from mmea_jax.training.writers import disk_errors

_log = logging.getLogger(__name__)
PyTree = Any
_NAMED_DIFFERENCES = 3
# Orbax's description of a whole checkpoint, and what damage to it raises when any checkpoint is opened.
_DESCRIPTION = "_CHECKPOINT_METADATA"
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
_PARTS = {"meta", "layout", "best", "sum"}


def _is_no_traceback_of_orbax(record: logging.LogRecord) -> bool:
    """What fails in Orbax's threads is raised here too, and told in one sentence."""
    return not (record.exc_info and "orbax" in record.pathname)


def _set_aside_descriptions(folder: Path) -> None:
    """Renames what describes the checkpoints, which are read without it, too."""
    for file in folder.glob(f"*/{_DESCRIPTION}"):
        # Another process of the run may have been first.
        with contextlib.suppress(FileNotFoundError):
            file.replace(file.with_name(f"{_DESCRIPTION}.damaged"))


def _passes_over_closed_loops(hook: Callable) -> Callable:
    """``hook`` for exceptions that nobody caught, but for those of writes that outlive a failed one.

    They come from threads of the storage library, which finds its event loop closed.
    """

    def own(kind, error, traceback):
        if not (kind is RuntimeError and "Event loop is closed" in str(error)):
            hook(kind, error, traceback)

    return own


sys.excepthook = _passes_over_closed_loops(sys.excepthook)


class Checkpoints:
    """The newest checkpoints of a run and the best, one subfolder a step, each complete or absent.

    A checkpoint is written into a temporary folder that is renamed at the end, so that a run that is
    killed half-way leaves the earlier ones as they were. In a run of several processes all call alike.

    Args:
      folder: made by the first ``save``.
      keep: how many of the newest to keep, besides the best.
    """

    def __init__(self, folder: str | os.PathLike, keep: int = 2):
        logging.getLogger("absl").addFilter(_is_no_traceback_of_orbax)  # once, however often
        self._folder, self._kept = Path(folder).absolute(), _NewestAndBest(keep)
        self._opened: ocp.CheckpointManager | None = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, ascending."""
        return sorted(self._manager().all_steps()) if self._folder.is_dir() else []

    @property
    def busy(self) -> bool:
        """Whether a ``save`` now would wait for the disk, as the one before is still being written.

        Processes of one run must do the same, and disks differ in speed: of several none is ever busy.
        """
        opened = self._opened
        return opened is not None and jax.process_count() == 1 and opened.is_saving_in_progress()

    def save(self, step: int, arrays: PyTree, meta: dict[str, Any], best: bool = False) -> None:
        """Starts to save; returns once the arrays may change, and writes in the background.

        Checkpoints of this or a later step, which a run that resumed before them has abandoned, are
        deleted.

        Args:
          step: of the run, not negative.
          arrays: any pytree of arrays; a PRNG key as its raw data.
          meta: whatever JSON holds.
          best: whether this one is to be kept as the best until a better one comes.

        Raises:
          InputError: if the disk refuses this write or the one before; earlier checkpoints stay.
        """
        with self._disk_errors():
            manager = self._manager()
            manager.wait_until_finished()
            for abandoned in (old for old in self.steps() if old >= step):
                manager.delete(abandoned)
            self._kept.best = step if best else self._kept.best
            described = {"meta": meta, "layout": _layout(arrays), "best": self._kept.best}
            described["sum"] = _sum(described)
            items = {"arrays": ocp.args.StandardSave(arrays), "meta": ocp.args.JsonSave(described)}
            manager.save(step, args=ocp.args.Composite(**items))

    def wait(self) -> None:
        """Blocks until what ``save`` began is on disk.

        Raises:
          InputError: if the disk refused it; earlier checkpoints stay.
        """
        if self._opened is not None:
            with self._disk_errors():
                self._opened.wait_until_finished()

    def restore(self, abstract_arrays: PyTree | Callable[[dict], PyTree]) -> tuple[int, PyTree, dict] | None:
        """The newest checkpoint that reads completely; a damaged one costs a warning.

        Missing and cut files are noticed, and whatever changes the meta; a flipped bit inside an array's
        data may not be.

        Args:
          abstract_arrays: the saved pytree's types with arrays or ``jax.ShapeDtypeStruct`` as leaves;
            shardings are respected, and a leaf without one goes to the first device. Or a function from
            the checkpoint's meta to it, where it depends on how far the run got.

        Returns:
          ``(step, arrays, meta)``, or None where nothing was ever saved.

        Raises:
          InputError: if a checkpoint holds other arrays than asked for, or none can be read.
        """
        steps, failure = self.steps(), None
        for step in reversed(steps):
            try:
                return step, *self._read(step, abstract_arrays)
            except _DamagedError as error:
                failure = error
                _log.warning("checkpoint %s is damaged (%s)", self._folder / str(step), error)
        if failure is None:
            return None
        raise InputError(
            f"no checkpoint among {len(steps)} that can be read ({failure})",
            expected="at least one that is complete",
            mend="delete the folder to train from the start, or choose another with --workdir",
            file=self._folder,
        ) from failure

    def close(self) -> None:
        """Waits as ``wait`` does, and frees the threads behind it."""
        if self._opened is None:
            return
        manager, self._opened = self._opened, None
        with self._disk_errors():
            manager.close()

    def _manager(self) -> ocp.CheckpointManager:
        if self._opened is None:
            options = ocp.CheckpointManagerOptions(
                preservation_policy=self._kept, cleanup_tmp_directories=True
            )
            try:
                self._opened = ocp.CheckpointManager(self._folder, options=options)
            except _UNREADABLE as error:
                # Which of them it is, Orbax does not say.
                _set_aside_descriptions(self._folder)
                _log.warning("descriptions of the checkpoints in %s are set aside (%s)", self._folder, error)
                self._opened = ocp.CheckpointManager(self._folder, options=options)
        return self._opened

    def _read(self, step: int, abstract_arrays: PyTree | Callable[[dict], PyTree]) -> tuple[PyTree, dict]:
        """Reads the meta first, for what to expect of the arrays depends on it."""
        stored = self._item(step, "meta", ocp.args.JsonRestore())
        if callable(abstract_arrays):
            abstract_arrays = abstract_arrays(stored["meta"])
        self._refuse_other_layout(step, stored["layout"], _layout(abstract_arrays))
        target = jax.tree.map(_placed, abstract_arrays)
        arrays = self._item(step, "arrays", ocp.args.StandardRestore(target))
        self._kept.best = stored["best"]
        return arrays, stored["meta"]

    def _item(self, step: int, name: str, how: ocp.args.CheckpointArgs) -> Any:
        try:
            found = self._manager().restore(step, args=ocp.args.Composite(**{name: how}))[name]
            if name == "meta":
                _refuse_damaged(found)
            return found
        # Damage raises ValueError, OSError, KeyError, bare Exception and more, by the file it hit.
        except Exception as error:
            raise _DamagedError(str(error).partition("\n")[0][:200]) from error

    def _refuse_other_layout(self, step: int, stored: dict[str, str], asked: dict[str, str]) -> None:
        # Orbax itself would pass over another dtype, and its message for another shape names no array.
        different = [key for key in sorted({*stored, *asked}) if stored.get(key) != asked.get(key)]
        if different:
            named = different[:_NAMED_DIFFERENCES]
            raise InputError(
                "other arrays: " + ", ".join(f"{key} {stored.get(key, 'absent')}" for key in named),
                expected=", ".join(f"{key} {asked.get(key, 'absent')}" for key in named),
                mend="choose another folder with --workdir, or the configuration and version that saved it",
                file=self._folder / str(step),
            )

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        with disk_errors(self._folder):
            try:
                yield
            except ValueError as error:
                # TensorStore reports a failed write as a ValueError that quotes the system's error.
                if "os_error_code" not in str(error):
                    raise
                raise OSError(None, str(error).rsplit(": ", 1)[-1]) from error


class _NewestAndBest(ocp.checkpoint_managers.PreservationPolicy):
    """Which checkpoints stay. Not by Orbax's metrics: it would read those of all when a folder is opened."""

    def __init__(self, newest: int):
        self._newest = newest
        self.best: int | None = None

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        first = len(checkpoints) - self._newest
        return [at >= first or info.step == self.best for at, info in enumerate(checkpoints)]


class _DamagedError(Exception):
    """A checkpoint that cannot be read."""


def save_params(folder: str | os.PathLike, params: PyTree, meta: dict[str, Any]) -> None:
    """Replaces the folder's parameters, and returns when they are on disk; the old ones stay until then.

    Raises:
      InputError: if the disk refuses; the old ones stay.
    """
    with Checkpoints(folder, keep=1) as saved:
        saved.save(max(saved.steps(), default=-1) + 1, params, meta)


def load_params(folder: str | os.PathLike, abstract: PyTree) -> tuple[PyTree, dict] | None:
    """``(params, meta)`` that ``save_params`` left, or None; ``abstract`` as in ``Checkpoints.restore``.

    Raises:
      InputError: as ``Checkpoints.restore`` does.
    """
    with Checkpoints(folder, keep=1) as saved:
        found = saved.restore(abstract)
    return None if found is None else found[1:]


def _sum(described: dict[str, Any]) -> int:
    """Of a checkpoint's meta as JSON holds it: a changed letter must not pass for another run's meta."""
    parts = {name: described[name] for name in sorted(_PARTS - {"sum"})}
    return zlib.crc32(json.dumps(json.loads(json.dumps(parts)), sort_keys=True).encode())


def _refuse_damaged(described: dict[str, Any]) -> None:
    if not described.keys() >= _PARTS:
        raise ValueError(f"its meta lacks {', '.join(sorted(_PARTS - described.keys()))}")
    if described["sum"] != _sum(described):
        raise ValueError("its meta is not what was saved")


def _layout(arrays: PyTree) -> dict[str, str]:
    """``{path of a leaf: "float32[2, 3]"}``."""
    leaves = jax.tree_util.tree_leaves_with_path(arrays)
    return {jax.tree_util.keystr(path): f"{jnp.dtype(x.dtype)}{list(x.shape)}" for path, x in leaves}


def _placed(leaf: Any) -> Any:
    """The leaf with a sharding: without one Orbax would look for the devices of the run that saved it."""
    if not isinstance(leaf, jax.ShapeDtypeStruct) or leaf.sharding is not None:
        return leaf
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here)

"""The command line: flags, and one call.

    python -m mmea_jax.main --config configs/mimea.py[:DATASET[/SPLIT]] [--mode train|eval|align|export]
        [--workdir DIR] [--fresh] [--coordinator HOST:PORT --processes N --process I] [--config.key=value …]
    python -m mmea_jax.main --config configs/adamf_mat.py[:DATASET]
        [--mode train|eval|predict|complete|export] [--query "head,relation,?"] [--workdir DIR] [--fresh]
        [--config.key=value …]

The same command on the same --workdir goes on where a run was interrupted; a finished one prints its results.

Exit codes: 0 done; 2 bad input or configuration, or a disk that refuses; 3 training met a number that is not
finite; 75 interrupted by SIGTERM or SIGINT and resumable; 130 or 143 ended at once by a second such signal.
"""

import logging
import shlex
import sys
import time
from pathlib import Path

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from mmea_jax.errors import InputError
from mmea_jax.training.flag_errors import explain
from mmea_jax.training.interrupts import EXIT_CODE, Interrupted, Signals
from mmea_jax.training.processes import join
from mmea_jax.training.virtual_devices import give_threads
from mmea_jax.training.workdirs import default_workdir, fresh

MODES = ("train", "eval", "align", "predict", "complete", "export")

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "Method's configuration file, with the data set after a colon: configs/mimea.py:DBP15K/zh_en, or "
    "configs/mimea.py:DBP15K/zh_en/published_0.3_3408 for a split from files; without a colon the "
    "generated data set. Any field can be set: --config.data.seed_ratio=0.2 --config.train.max_epochs=10.",
    lock_config=True,
)
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder of the run: configuration, results.json, metrics.jsonl, TensorBoard events, checkpoints, "
    "alignment.tsv. Default: runs/<config>/<dataset>/<time>.",
)
_FRESH = flags.DEFINE_bool(
    "fresh",
    False,
    "Trains from the start: where --workdir holds something, in a new folder beside it, DIR-2, DIR-3, …",
)
_MODE = flags.DEFINE_enum(
    "mode",
    "train",
    MODES,
    "train: train and evaluate; eval: evaluate the weights in --workdir; align: write alignment.tsv from "
    "them; export: write embeddings, weights and a model card to export/. For completion methods, predict: "
    "answer --query by them; complete: write likely new triples to predictions.tsv.",
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator",
    None,
    "HOST:PORT of process 0, where a run has several and neither SLURM, Open MPI nor a TPU pod tells; all of "
    "them need the same --workdir, on a disk that they share.",
)
_PROCESSES = flags.DEFINE_integer("processes", None, "How many processes a run has, with --coordinator.")
_PROCESS = flags.DEFINE_integer("process", None, "Which of them this one is, from 0 on, with --coordinator.")
_QUERY = flags.DEFINE_string(
    "query",
    None,
    "A question for --mode predict: 'head,relation,?' or '?,relation,tail', with names or ids of the files.",
)


def run(argv: list[str]) -> int:
    """Parses nothing more than flags and hands over; returns the exit code."""
    if len(argv) > 1:
        print(f"mmea_jax: unexpected argument {argv[1]!r}; see --help", file=sys.stderr)
        return 2
    if _CONFIG.value is None:
        print("mmea_jax: --config is missing; try --config configs/mimea.py, or --help", file=sys.stderr)
        return 2
    try:
        workdir = _workdir()
        # With several processes, joining makes JAX's devices.
        give_threads()
        join(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value, bool(_WORKDIR.value and not _FRESH.value))
        with Signals() as signals:
            return _launch(workdir, signals)
    except InputError as error:
        print(f"mmea_jax: {error}", file=sys.stderr)
        return 2


def _launch(workdir: Path, signals: Signals) -> int:
    try:
        # Imported here, so that --help and a misspelt flag answer at once.
        from mmea_jax.training.launch import launch

        launch(_CONFIG.value, _MODE.value, workdir, _QUERY.value, signals)
    except FloatingPointError as error:
        print(f"mmea_jax: {error}", file=sys.stderr)
        return 3
    except Interrupted:
        print(f"mmea_jax: interrupted; to go on: {_again(sys.argv[1:], workdir)}", file=sys.stderr)
        return EXIT_CODE
    return 0


def _again(arguments: list[str], workdir: Path) -> str:
    """The command that goes on in ``workdir``."""
    kept, skip = [], False
    for argument in arguments:
        name, given, _ = argument.lstrip("-").partition("=")
        if skip or (argument.startswith("-") and name in ("workdir", "fresh", "nofresh")):
            # The value of --workdir may be the next argument.
            skip = not skip and name == "workdir" and not given
            continue
        kept.append(argument)
    return shlex.join(["python", "-m", "mmea_jax.main", *kept, "--workdir", str(workdir)])


def _workdir() -> Path:
    if _FRESH.value and _MODE.value != "train":
        raise InputError(
            f"--fresh with --mode {_MODE.value}", expected="it with --mode train", mend="leave it out"
        )
    if _WORKDIR.value:
        folder = Path(_WORKDIR.value)
        return fresh(folder) if _FRESH.value else folder
    if _MODE.value != "train":
        raise InputError(
            f"--mode {_MODE.value} without --workdir",
            expected="the folder of a finished run",
            mend="name it with --workdir",
        )
    name = Path(config_flags.get_config_filename(flags.FLAGS["config"])).stem
    return default_workdir(name, _CONFIG.value.data.dataset, time.strftime("%Y%m%d-%H%M%S"))


def _parse(argv: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS(argv)
        # A file that does not load is noticed only when one of its fields is asked for.
        if _CONFIG.value is not None:
            _ = _CONFIG.value.method
        return rest
    except SystemExit:
        # absl prints the help and exits with 1, as if it were an error.
        sys.exit(0)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError, ImportError) as error:
        print(f"mmea_jax: {explain(error, argv)}", file=sys.stderr)
        sys.exit(2)


def main() -> None:
    """Entry point of ``python -m mmea_jax.main`` and of the ``mmea-jax`` command."""
    # absl resets the root handlers; this one belongs to the project's own logger, which says what a user
    # wants to read. Orbax's running commentary stays out.
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("mmea_jax")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    absl_logging.set_verbosity(absl_logging.WARNING)
    app.run(run, flags_parser=_parse)


if __name__ == "__main__":
    main()

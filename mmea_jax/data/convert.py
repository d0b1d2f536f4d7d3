"""Rewrites a feature file, or a data set's folder into the other layout.

python -m mmea_jax.data.convert IN.pkl OUT.npz
python -m mmea_jax.data.convert DATA/FBDB15K/norm OUT/FBDB15K/norm
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmea_jax.data import layouts
from mmea_jax.data.formats.features import read_features, write_features
from mmea_jax.errors import InputError

_DESCRIPTION = """\
Rewrites pre-computed features into a format that cannot carry code.

IN holds one vector an entity: a pickled dict from an entity's id (or name) to its vector, as published
with DBP15K, FBDB15K, FBYG15K and OpenEA; or a file that this command wrote. The pickle is read without
running anything in it: one that holds more than containers, numbers, strings and NumPy arrays is refused.

OUT holds the arrays 'features' [n, f], in the numbers' own precision, and 'ids' [n]; for keys that are
names, 'names' (their UTF-8 bytes) and 'name_ends' [n + 1] (where each begins and ends) instead of 'ids'.
Beside the .pkl and under its name, the data layer takes OUT in place of it.

Where IN is a folder, it is a data set's, and OUT a new folder for the other layout: from ids (ent_ids_1,
triples_1, ill_ent_ids, ...) to names (rel_triples_1, attr_triples_1, 721_5fold/<k>/..., and with features
clip_image_1.pkl and bert_attr_1.pkl), or back. Both are read by the data layer as they are. From ids,
features come from --visual and --attribute or from images.npz and abstracts.npz in IN; back, they are
written there, for --config.data.features.visual and .attribute. Folds become splits 721_5fold_<k>.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Converts one file; returns the exit code, 0 or, for input that is refused, 2."""
    parser = argparse.ArgumentParser(
        prog="python -m mmea_jax.data.convert",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit codes: 0 done, 2 the input or the command was refused, and nothing was written.",
    )
    parser.add_argument("source", metavar="IN", type=Path, help="a .pkl, .npz or .safetensors file; a folder")
    parser.add_argument(
        "target", metavar="OUT", type=Path, help="the .npz or .safetensors file, or the folder"
    )
    for modality in layouts.STEMS:
        parser.add_argument(
            f"--{modality}", metavar="FILE", type=Path, help="features of a folder's entities"
        )
    parsed = parser.parse_args(arguments)
    given = {m: getattr(parsed, m) for m in layouts.STEMS if getattr(parsed, m)}
    try:
        if parsed.source.is_dir():
            written = layouts.convert(parsed.source, parsed.target, given)
            print(f"{parsed.target}: {len(written)} files: {', '.join(written)}")
            return 0
        if given:
            parser.error(f"--{next(iter(given))} goes with a folder")
        features = read_features(parsed.source)
        write_features(parsed.target, features)
    except (InputError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    count, width = features.vectors.shape
    print(f"{parsed.target}: {count} vectors of width {width}, {features.vectors.dtype}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

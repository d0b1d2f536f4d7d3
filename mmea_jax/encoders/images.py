"""Image files to vectors: ``python -m mmea_jax.encoders.images --encoder MODEL --images … --out FILE``."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmea_jax.encoders.cache import Cache
from mmea_jax.encoders.command import make_parser, run
from mmea_jax.encoders.entities import plain_keys, positions, read_entities
from mmea_jax.encoders.image_encoder import ImageEncoder
from mmea_jax.encoders.image_files import image_files
from mmea_jax.encoders.output import table_line, write_table, write_text

_DESCRIPTION = """\
Encodes entities' images by a pre-trained vision model. --images is a folder, in which KEY.jpg or all of
KEY/*.jpg are the images of entity KEY (percent-encoded where a key is no file name), or a table of lines
key, tab, path (and further paths, tab-separated). Of several images of one entity the mean counts.

With --data the keys are ids or names of the data set's entities. Images that are missing or cannot be read
stop nothing: they, and with --data the entities without any, stand in FILE.absent.tsv, and are masked.

FILE holds 'features' float32[N, f], 'ids' or 'names' of N keys and the mask 'present' bool[N]; it is what
--config.data.features.visual=FILE reads.
"""


def main(arguments: list[str] | None = None) -> int:
    """Encodes; returns the exit code."""
    parser = make_parser("images", _DESCRIPTION)
    parser.add_argument("--images", required=True, type=Path, help="a folder, or a table of key<TAB>path")
    parser.add_argument("--data", help="a data set: its folder, or its name below the root")
    return run(parser, arguments, _work)


def _work(asked: argparse.Namespace) -> list[str]:
    files = image_files(asked.images)
    keys, owners = _owners(asked, [key for key, _ in files])
    encoder = ImageEncoder(asked.encoder, asked.device)
    with Cache(asked.cache) as cache:
        vectors, faults = encoder.encode([path for _, path in files], cache, asked.batch_size)
    rows = _means(vectors, owners)
    lines = [table_line(files[i][0], files[i][1], fault) for i, fault in sorted(faults.items())]
    owning = set(owners)
    lines += [table_line(key, "", "no image") for i, key in enumerate(keys) if i not in owning]
    absent = asked.out.with_name(asked.out.name + ".absent.tsv")
    made_of = {"images": str(asked.images), "encoder": asked.encoder, "files": len(files)}
    written = write_table(asked.out, keys, rows, {**made_of, "unreadable": len(faults)})
    write_text(absent, "".join(lines))
    bad = f"{len(faults):,} of {len(files):,} images missing or unreadable"
    return [written, f"{bad}, {len(keys) - len(owning):,} entities without an image; listed in {absent}"]


def _owners(asked: argparse.Namespace, keys: list[str]) -> tuple[list, list[int]]:
    """All keys of the table to be written, and of each file the position of its entity in them."""
    if asked.data is not None:
        entities = read_entities(asked.data, asked.root)
        return list(entities.ids), positions(keys, entities, asked.images)
    different = list(dict.fromkeys(keys))
    place = {key: i for i, key in enumerate(different)}
    return plain_keys(different), [place[key] for key in keys]


def _means(vectors: Mapping[int, np.ndarray], owners: list[int]) -> dict[int, np.ndarray]:
    """The unit vector of the mean of each entity's images."""
    own: dict[int, list[np.ndarray]] = defaultdict(list)
    for file, vector in vectors.items():
        own[owners[file]].append(vector)
    means = {entity: np.mean(rows, axis=0) for entity, rows in own.items()}
    return {entity: mean / max(float(np.linalg.norm(mean)), 1e-12) for entity, mean in means.items()}


if __name__ == "__main__":
    sys.exit(main())

"""Images of the user's entities as a feature file, made of whatever the user has."""

import logging
from pathlib import Path

import numpy as np

from mmea_jax.data.formats.features import SUFFIXES, Features, write_features
from mmea_jax.data.own import tables
from mmea_jax.errors import InputError

log = logging.getLogger("mmea_jax")

_VECTOR = ".npy"


def feature_file(location: str | Path | None, side: int, out: Path, model: str | None) -> Path | None:
    """The file of one side's image features; None for no images.

    Args:
      location: a file of features; a table (entity, path) of ``.npy`` vectors; or a folder or table of
        pictures, which the image encoder makes vectors of.
      side: 1 or 2.
      out: folder of the run; vectors that are computed here go to its ``features/``.
      model: image encoder, for pictures.

    Raises:
      InputError: nothing there, no file that can be read, vectors of several widths, or pictures without a
        model. Single files that are missing or damaged stop nothing: they are listed beside the features.
    """
    if location is None:
        return None
    path = Path(location)
    if path.suffix in SUFFIXES:
        return path
    if not path.exists():
        raise InputError(
            "nothing there",
            expected=f"features ({', '.join(SUFFIXES)}), or a folder or table of pictures",
            mend="correct --images-left or --images-right",
            file=path,
        )
    target = out / "features" / f"images_{side}.npz"
    listed = [] if path.is_dir() else [row for _, row in tables.rows(path, 2, "entity and path")]
    if listed and all(row[1].endswith(_VECTOR) for row in listed):
        target.parent.mkdir(parents=True, exist_ok=True)
        write_features(target, _stacked(listed, path, target.with_name(f"{target.name}.absent.tsv")))
        return target
    if model is None:
        raise InputError(
            "pictures, and no model to encode them",
            expected="a model such as a CLIP or ViT folder, or an identifier of one",
            mend="add --image-model MODEL (needs pip install -e '.[features]'), or give features",
            file=path,
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    return _encoded(_plain_table(listed, path, target.parent / f"images_{side}.tsv"), target, model)


def _stacked(listed: list[list[str]], table: Path, absent: Path) -> Features:
    """The vectors that can be read; ``absent`` lists the others, whose entities count as without image."""
    vectors, lines = {}, []
    for key, name, *_ in listed:
        try:
            vectors[key] = np.load(table.parent / name, allow_pickle=False).reshape(-1).astype(np.float32)
        # A damaged file raises whatever its bytes drive the reader to.
        except Exception as error:
            fault = " ".join(str(getattr(error, "strerror", None) or error).split())
            lines.append(f"{key}\t{name}\t{fault}\n")
    if not vectors:
        raise InputError(
            f"no sound array in any of {len(listed):,} files; the first: {' '.join(lines[0].split())}",
            expected="files of one vector each",
            mend="correct the paths, which count from the table's folder, or write the files again",
            file=table,
        )
    widths = {len(vector) for vector in vectors.values()}
    if len(widths) > 1:
        raise InputError(
            f"vectors of widths {sorted(widths)}",
            expected="one width",
            mend="compute all with one model",
            file=table,
        )
    absent.write_text("".join(lines), encoding="utf-8")
    if lines:
        log.info(
            "%s: %d of %d files missing or unreadable; listed in %s", table, len(lines), len(listed), absent
        )
    return Features(tuple(vectors), np.stack(list(vectors.values())))


def _plain_table(listed: list[list[str]], source: Path, target: Path) -> Path:
    """The table as the encoder reads it: tabs, no heading, paths from the root; a folder as it is."""
    if source.is_dir():
        return source
    lines = ["\t".join([key, *(str((source.parent / p).resolve()) for p in paths if p)])
             for key, *paths in listed]  # fmt: skip
    target.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return target


def _encoded(source: Path, target: Path, model: str) -> Path:
    # Imported here: most runs have no pictures to encode.
    from mmea_jax.encoders import images

    log.info("encoding the pictures of %s with %s", source, model)
    if images.main(["--encoder", model, "--images", str(source), "--out", str(target)]):
        raise InputError(
            "pictures that could not be encoded",
            expected="what python -m mmea_jax.encoders.images --help describes",
            mend="see the message above",
            file=source,
        )
    return target

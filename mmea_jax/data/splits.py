"""Gold links divided into seeds, validation and test; read from files, or drawn."""

import hashlib
from pathlib import Path

import numpy as np

from mmea_jax.data.formats import named
from mmea_jax.data.formats.tables import line_of, read_integers
from mmea_jax.data.knowledge_graphs import KnowledgeGraphs, Split
from mmea_jax.data.options import DataOptions
from mmea_jax.data.streams import stream
from mmea_jax.errors import InputError, closest

MIN_VALID = 100  # links; fewer tell epochs apart too poorly
_PARTS = ("train", "valid", "test")


def make_split(kgs: KnowledgeGraphs, options: DataOptions, folder: Path | None = None) -> Split:
    """The split that the options ask for: ``folder/splits/<options.split>``, or a draw.

    In the layout that goes by names a split is one of its folds, ``folder/721_5fold/<k>``.

    Without a file of validation links, and always in a draw, ``options.valid_ratio`` of the training
    links validate: at least 100 of them, at most half; none if the ratio is 0.

    Args:
      kgs: whose links are divided.
      options: ``split``, or else ``seed_ratio``; ``split_seed`` and ``valid_ratio``.
      folder: the data set's folder; None where there is none.

    Raises:
      InputError: an unknown split; a file that is malformed, or has a link that is no gold link, stands
        twice or in two parts; a split without training or test links.
    """
    if options.split is None:
        name = f"drawn (seed_ratio {options.seed_ratio:g}, split_seed {options.split_seed})"
        parts = _drawn(kgs.links, options)
    else:
        name = options.split
        parts = _from_files(kgs, options, _folder(options.split, folder))
    for part in ("train", "test"):
        if not len(parts[part]):
            raise InputError(
                f"a split without {part} links ({name}, {len(kgs.links)} gold links)",
                expected="one at least",
                mend="change --config.data.seed_ratio, or choose a split with --config.data.split",
            )
    return Split(name=name, **parts, sha256=digest(*(parts[part] for part in _PARTS)))


def digest(train: np.ndarray, valid: np.ndarray, test: np.ndarray) -> str:
    """SHA-256 of the three arrays of links, each preceded by its length."""
    total = hashlib.sha256()
    for part in (train, valid, test):
        total.update(np.array(len(part), "<i8").tobytes())
        total.update(np.ascontiguousarray(part, "<i4").tobytes())
    return total.hexdigest()


def _drawn(links: np.ndarray, options: DataOptions) -> dict[str, np.ndarray]:
    order = stream(options.split_seed, "split/order").permutation(len(links))
    seeds = round(options.seed_ratio * len(links))
    train, valid = _held_out(links[order[:seeds]], options)
    return {"train": train, "valid": valid, "test": links[order[seeds:]]}


def _held_out(train: np.ndarray, options: DataOptions) -> tuple[np.ndarray, np.ndarray]:
    """Training links without, and the validation links."""
    wanted = max(MIN_VALID, round(options.valid_ratio * len(train))) if options.valid_ratio else 0
    count = min(wanted, len(train) // 2)
    # A stream of its own: the draw of the test links must not depend on the validation share.
    chosen = stream(options.split_seed, "split/valid").permutation(len(train))[:count]
    validates = np.zeros(len(train), bool)
    validates[chosen] = True
    return train[~validates], train[validates]


def _folder(name: str, folder: Path | None) -> Path:
    """The folder of a split's files."""
    splits = None if folder is None else folder / "splits"
    if folder is not None and named.fold(folder, name):
        return folder / name
    known = [] if folder is None else named.folds(folder)
    known += sorted(p.name for p in splits.iterdir() if p.is_dir()) if splits and splits.is_dir() else []
    if name not in known:
        raise InputError(
            f"the split {name!r}{closest(name, known)}",
            expected=f"one of {', '.join(known)}"
            if known
            else "no split, for this data set has none in files",
            mend="choose another --config.data.split, or leave it out to draw one by seed_ratio",
            file=splits,
        )
    return splits / name


def _from_files(kgs: KnowledgeGraphs, options: DataOptions, folder: Path) -> dict[str, np.ndarray]:
    if folder.parent.name == named.FOLDS:
        keys = [tuple(kgs.entity_names[end] for end in link) for link in kgs.links]
    else:
        keys = [tuple(pair) for pair in kgs.entity_ids[kgs.links].tolist()]
    gold = {pair: row for row, pair in enumerate(keys)}
    read = _read_ids if folder.parent.name != named.FOLDS else lambda path: _without_dropped(path, keys)
    seen: dict[int, tuple[Path, int]] = {}
    parts = {"valid": np.zeros((0, 2), np.int32)}
    for part in _PARTS:
        path = folder / f"{part}_links"
        if part == "valid" and not path.exists():
            continue
        parts[part] = kgs.links[_rows(read(path), path, gold, seen)]
    if not len(parts["valid"]):
        parts["train"], parts["valid"] = _held_out(parts["train"], options)
    return parts


def _read_ids(path: Path) -> list[tuple[int, int]]:
    return [tuple(pair) for pair in read_integers(path, "id1 id2").tolist()]


def _without_dropped(path: Path, gold: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A fold's links without those that contradict a gold one: a load may have dropped them."""
    known = set(gold)
    linked = [{link[end] for link in gold} for end in (0, 1)]
    return [
        link
        for link in named.read_links(path)
        if link in known or not (link[0] in linked[0] or link[1] in linked[1])
    ]


def _rows(
    pairs: list[tuple], path: Path, gold: dict[tuple, int], seen: dict[int, tuple[Path, int]]
) -> list[int]:
    """The gold links' rows of a file's ``pairs``; adds them, with where they stand, to ``seen``."""
    rows = []
    for position, pair in enumerate(pairs):
        row = gold.get(pair)
        if row is None:
            raise InputError(
                f"link {pair[0]}–{pair[1]}, which is no gold link",
                expected="links that ill_ent_ids lists",
                mend="remove the line, or add the link to ill_ent_ids",
                file=path,
                line=line_of(path, position),
            )
        if row in seen:
            other, before = seen[row]
            earlier = f"line {line_of(other, before)} of {other.name}"
            raise InputError(
                f"link {pair[0]}–{pair[1]}, which stands in {earlier} too",
                expected="each link once, and in one part of the split",
                mend="remove one of the two lines",
                file=path,
                line=line_of(path, position),
            )
        seen[row] = path, position
        rows.append(row)
    return rows

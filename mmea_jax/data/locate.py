"""Where a data set is on disk."""

from pathlib import Path

from mmea_jax.data.paths import check_name
from mmea_jax.errors import InputError, closest

SYNTHETIC = "synthetic"


def locate(root: Path | None, dataset: str, *marks: str) -> Path:
    """The folder of ``dataset`` below ``root``.

    Args:
      root: the folder that holds the data sets.
      dataset: a name such as ``DBP15K/zh_en``.
      marks: for each layout a file that every data set of it has, one or two folders below the root.

    Raises:
      InputError: no root, no such root, or no such data set in it; the error names the closest.
    """
    if root is None:
        raise InputError(
            f"data set {dataset!r} without a root",
            expected="the folder that holds the data sets",
            mend="give it with --config.data.root, or leave the data set out for the generated one",
        )
    check_name("data.dataset", dataset)
    root = Path(root)
    found = [path for depth in ("*", "*/*") for mark in marks for path in root.glob(f"{depth}/{mark}")]
    known = sorted({str(path.parent.relative_to(root)) for path in found})
    folder = root / dataset
    # A folder that holds files but lacks the one that marks a data set is a damaged one; its reader says
    # what is missing.
    if dataset not in known and not any(p.is_file() for p in folder.glob("*")):
        raise InputError(
            f"the data set {dataset!r}{closest(dataset, [*known, SYNTHETIC])}",
            expected=f"one of {', '.join([SYNTHETIC, *known])}",
            mend="choose one of these, or correct --config.data.root",
            file=root,
        )
    return folder

"""Whether the files of an alignment are still what they were when it was made.

The configuration names files and does not hold what is in them: without this, the same command would give the
old answers after a seed has been added.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from mmea_jax.data.own import OwnOptions
from mmea_jax.data.own.read import graph_files
from mmea_jax.errors import InputError

INPUTS = "inputs.json"


def digests(own: OwnOptions) -> dict[str, str]:
    """SHA-256 of the content of every file that an alignment reads, by what it is there for and its name.

    Raises:
      InputError: there is no such graph.
    """
    files = [("left", path) for path in graph_files(own.left, 1)]
    files += [("right", path) for path in graph_files(own.right, 2)]
    others = {"seeds": own.seeds, "gold": own.gold, "images-left": own.images_left}
    others["images-right"] = own.images_right
    files += [(what, Path(file)) for what, file in others.items() if file and Path(file).is_file()]
    return {f"{what}: {path.name}": _digest(path) for what, path in files}


def refuse_changed(folder: Path, now: Mapping[str, str]) -> None:
    """Refuses a folder whose alignment was made of other content; one that does not say is taken.

    Args:
      folder: of the alignment.
      now: digests of the files as they are.

    Raises:
      InputError: naming the files that differ.
    """
    try:
        then = json.loads((folder / INPUTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    changed = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    if changed:
        raise InputError(
            f"an alignment of files that have changed since ({', '.join(changed[:5])})",
            expected="the files as they were when it began",
            mend="choose another --out, or restore the files",
            file=folder,
        )


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"no readable file ({error.strerror or error})",
            expected="a file",
            mend="correct the path, or make it readable",
            file=path,
        ) from None

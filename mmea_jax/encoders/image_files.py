"""Which image files are whose: a folder by file name, or a table of paths."""

from pathlib import Path
from urllib.parse import unquote

from mmea_jax.encoders.text import read_texts
from mmea_jax.errors import InputError

_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def image_files(source: Path) -> list[tuple[str, Path]]:
    """Pairs of a key and a file, sorted by key; an entity may have several files.

    In a folder, the key of ``KEY.jpg`` and of all files in ``KEY/`` is ``KEY``, percent-decoded (a name such
    as a URI is no file name otherwise). Anything else is a UTF-8 table of ``key<TAB>path`` lines, paths
    relative to the table's folder; several paths are separated by further tabs.

    Raises:
      InputError: neither is there, or it is empty.
    """
    if source.is_dir():
        found = [(unquote(_key(path, source)), path) for path in source.rglob("*") if _is_image(path)]
        if not found:
            raise InputError(
                "no image in the folder",
                expected=f"files such as 17.jpg or 17/1.png ({', '.join(sorted(_SUFFIXES))})",
                mend="correct --images, or give a table of key<TAB>path",
                file=source,
            )
        return sorted(found)
    table = read_texts(source)
    return sorted(
        (key, source.parent / path) for key, paths in table.items() for path in paths.split("\t") if path
    )


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and path.is_file()


def _key(path: Path, folder: Path) -> str:
    inside = path.relative_to(folder)
    return path.stem if len(inside.parts) == 1 else inside.parts[0]

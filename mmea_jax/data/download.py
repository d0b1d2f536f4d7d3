"""Fetches a public data set.

    python -m mmea_jax.data.download DBP15K/zh_en --root data
    python -m mmea_jax.data.download --list

Every file's content is checked; one that is there already, and whole, is not fetched again, and one that an
earlier command left half-way is continued. Of sets behind a form or a share the command says what to do.
Exit codes: 0 done, 2 no such set, a failed transfer or a wrong content, 4 the set is behind a form.
"""

import argparse
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from mmea_jax.data.catalogue import BY_HAND, DATASETS, Published
from mmea_jax.errors import InputError, closest

_CHUNK, _TIMEOUT = 1 << 16, 60
_PARTIAL = 206
_BEHIND_A_FORM = 4


class Resuming:
    """A downloader for pooch that continues where an earlier one stopped.

    Args:
      part: file that keeps what has come so far.
    """

    def __init__(self, part: Path):
        self._part = part

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Fetches ``url`` into ``output_file``, with a progress bar."""
        try:
            self._fetch(url, self._part.stat().st_size if self._part.exists() else 0)
        except urllib.error.HTTPError as error:
            # 416: nothing is left to send, or the part is longer than the file; begin again.
            if error.code != 416:
                raise
            self._part.unlink()
            self._fetch(url, 0)
        shutil.copyfile(self._part, output_file)
        self._part.unlink()

    def _fetch(self, url: str, have: int) -> None:
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            # A server that knows no ranges sends everything.
            have = have if answer.status == _PARTIAL else 0
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length else None
            bar = tqdm(
                total=total, initial=have, unit="B", unit_scale=True, desc=self._part.stem, leave=False
            )
            with self._part.open("ab" if have else "wb") as file, bar:
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
        if total is not None and self._part.stat().st_size < total:
            raise OSError(f"the connection ended after {self._part.stat().st_size:,} of {total:,} bytes")


def download(
    name: str, root: Path, datasets: Mapping[str, Published] = DATASETS, mirror: str | None = None
) -> Path:
    """Fetches what is missing of a data set; returns its folder.

    Args:
      name: key of ``datasets``.
      root: folder that holds the data sets.
      datasets: the catalogue.
      mirror: address of a folder that holds ``<name>/<file>``, in place of the catalogue's.

    Raises:
      InputError: no such set, a transfer that fails, or content that is not what it should be.
    """
    if name not in datasets:
        known = [*datasets, *BY_HAND]
        raise InputError(
            f"the data set {name!r}{closest(name, known)}",
            expected=f"one of {', '.join(known)}",
            mend="choose one of these",
        )
    found, folder = datasets[name], root / name
    folder.mkdir(parents=True, exist_ok=True)
    for here, (there, digest) in found.files.items():
        address = f"{mirror.rstrip('/')}/{name}/{here}" if mirror else f"{found.base}/{there}"
        _retrieve(address, digest, folder / here)
    return folder


def _retrieve(address: str, digest: str, target: Path) -> None:
    # Imported here, so that --help and --list answer without it.
    import pooch

    pooch.utils.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(
            address,
            known_hash=f"sha256:{digest}",
            fname=target.name,
            path=target.parent,
            downloader=Resuming(target.with_name(f"{target.name}.part")),
        )
    except ValueError as error:
        raise InputError(
            f"another content than expected ({str(error)[:200]})",
            expected=f"SHA-256 {digest}",
            mend="try again; if it stays so the file was changed at its source: fetch it from elsewhere",
            file=target,
        ) from None
    except OSError as error:
        raise InputError(
            f"no transfer of {address} ({error})",
            expected="the file",
            mend="run the same command again, which goes on where this one stopped, or name a --mirror",
            file=target,
        ) from None


def _listing() -> str:
    lines = ["fetched by this command:"]
    lines += [
        f"  {name}: {len(found.files)} files, without {found.lacks}" for name, found in DATASETS.items()
    ]
    return "\n".join([*lines, "by hand:", *(f"  {name}: {how}" for name, how in BY_HAND.items())])


def main(argv: Sequence[str] | None = None) -> int:
    """Parses flags and fetches; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m mmea_jax.data.download",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", help="such as DBP15K/zh_en; see --list")
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(os.environ.get("MMEA_DATA", "data")),
        help="folder for the data sets; default: $MMEA_DATA, or data",
    )
    parser.add_argument(
        "--mirror", metavar="URL", help="a folder that holds NAME/FILE, in place of the source"
    )
    parser.add_argument("--list", action="store_true", help="what there is")
    asked = parser.parse_args(argv)
    if asked.list or not asked.name:
        print(_listing())
        return 0
    if asked.name in BY_HAND:
        print(BY_HAND[asked.name].replace("ROOT", str(asked.root)))
        return _BEHIND_A_FORM
    try:
        folder = download(asked.name, asked.root, mirror=asked.mirror)
    except InputError as error:
        print(f"mmea_jax: {error}", file=sys.stderr)
        return 2
    print(f"{folder}\nnot in it: {DATASETS[asked.name].lacks}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

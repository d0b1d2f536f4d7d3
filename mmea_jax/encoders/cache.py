"""What models gave, by the digest of what they were given, so that no work is done twice."""

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from mmea_jax.data.cache import default_folder
from mmea_jax.errors import InputError

_AT_ONCE = 500  # digests in one query; SQLite's least limit on variables is 999
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS results (
        model BLOB NOT NULL, content BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (model, content)
    )
"""


def default_path() -> Path:
    """``encoders.sqlite`` in the user's cache folder."""
    return default_folder() / "encoders.sqlite"


def digest(content: str | bytes) -> bytes:
    """SHA-256 of a text or of a file's bytes."""
    # Names may hold lone surrogates.
    encoded = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return hashlib.sha256(encoded).digest()


class Cache:
    """A file of results; every ``put`` is on disk when it returns, whole or not at all.

    Several processes may share one. It is a context manager.

    Args:
      path: the file; made with its folder if absent.

    Raises:
      InputError: the file is no sound cache, or cannot be made.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=60)
            self._connection.execute("PRAGMA busy_timeout = 60000")
            with self._connection:
                self._connection.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from None

    def __enter__(self) -> "Cache":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, model: str, contents: Iterable[bytes]) -> dict[bytes, bytes]:
        """The results of ``model`` for those of the digests ``contents`` that have one."""
        asked, key, found = list(contents), digest(model), {}
        try:
            for start in range(0, len(asked), _AT_ONCE):
                part = asked[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                query = f"SELECT content, value FROM results WHERE model = ? AND content IN ({marks})"
                found |= dict(self._connection.execute(query, (key, *part)))
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        return found

    def put(self, model: str, results: Mapping[bytes, bytes]) -> None:
        """Keeps results by the digest of their content."""
        key = digest(model)
        rows = [(key, content, value) for content, value in results.items()]
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> InputError:
        return InputError(
            f"no usable cache ({error})",
            expected="a file that this command made, or a place where it can make one",
            mend="delete the file, or choose another with --cache",
            file=self.path,
        )

"""Names that become paths."""

import re
from pathlib import Path

from mmea_jax.errors import InputError


def check_name(key: str, name: str) -> None:
    """Refuses a name that is used as a path below some folder and would lead out of it.

    Raises:
      InputError: an absolute path, or one with ``..``.
    """
    parts = re.split(r"[/\\]", name)
    if ".." in parts or "\0" in name or Path(name).is_absolute():
        raise InputError(
            f"{key} = {name!r}",
            expected="a name, or names separated by '/', without '..'",
            mend=f"correct --config.{key}; the folder above is --config.data.root",
        )

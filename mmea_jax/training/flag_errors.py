"""Turns a flag that cannot be parsed into a sentence that says how to mend it."""

import importlib.util
import re
from pathlib import Path

from ml_collections import ConfigDict

from mmea_jax.errors import InputError, closest


def explain(error: Exception, argv: list[str]) -> str:
    """What is wrong with the command line.

    Args:
      error: what the flag parser raised.
      argv: the command line.
    """
    config, overrides = _config_argument(argv), _overrides(argv)
    if config is None:
        return str(error)
    file, _, mode = config.partition(":")
    if not Path(file).is_file():
        known = sorted(str(path) for path in Path(file).parent.glob("*.py"))
        found = f"the configuration {file!r}{closest(file, known)}"
        return str(InputError(found, expected="an existing file", mend="correct --config"))
    for key, value in overrides:
        message = _wrong_override(_load(file, mode), key, value)
        if message:
            return message
    return str(error)


def _config_argument(argv: list[str]) -> str | None:
    for position, argument in enumerate(argv):
        name, _, value = argument.lstrip("-").partition("=")
        if argument.startswith("-") and name == "config":
            return value or (argv[position + 1] if position + 1 < len(argv) else None)
    return None


def _overrides(argv: list[str]) -> list[tuple[str, str]]:
    found = [re.match(r"--?config\.([^=]+)=?(.*)", argument) for argument in argv]
    return [(match[1], match[2]) for match in found if match]


def _load(file: str, mode: str) -> ConfigDict:
    spec = importlib.util.spec_from_file_location("_configuration", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(mode)


def _wrong_override(config: ConfigDict, key: str, value: str) -> str | None:
    """Why ``--config.key=value`` does not fit, or ``None`` if the key is known and the type looks right."""
    node, path = config, key.split(".")
    for depth, part in enumerate(path):
        if not isinstance(node, ConfigDict) or part not in node:
            known = list(node.keys()) if isinstance(node, ConfigDict) else []
            prefix = "".join(f"{p}." for p in path[:depth])
            return str(
                InputError(
                    f"the key {key}{closest(part, known)}",
                    expected=f"one of {', '.join(prefix + k for k in known) or 'no further key'}",
                    mend=f"correct or drop --config.{key}",
                )
            )
        node = node[part]
    try:
        if isinstance(node, int | float) and not isinstance(node, bool):
            type(node)(value)
    except ValueError:
        return str(
            InputError(
                f"{key} = {value!r}",
                expected=f"a value like {node!r} ({type(node).__name__})",
                mend=f"correct --config.{key}",
            )
        )
    return None

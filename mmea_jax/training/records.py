"""Plain values of a configuration into typed records, unknown keys refused."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from mmea_jax.errors import InputError, closest

Record = TypeVar("Record")


def read_record(record: type[Record], values: Mapping[str, Any], prefix: str) -> Record:
    """``record(**values)``; ``prefix`` is where the values stand in the configuration, as in ``train.``.

    Raises:
      InputError: a key that is no field.
    """
    refuse_unknown(values, field_names(record), prefix)
    return record(**values)


def field_names(record: type, without: Collection[str] = ()) -> tuple[str, ...]:
    """Names of a dataclass's fields."""
    return tuple(field.name for field in dataclasses.fields(record) if field.name not in without)


def refuse_unknown(keys: Collection[str], known: Collection[str], prefix: str, kind: str = "one of") -> None:
    """Refuses the first of ``keys`` that is not ``known``.

    Raises:
      InputError: naming the closest known key, and after ``kind`` all of them.
    """
    for key in keys:
        if key not in known:
            raise InputError(
                f"the key {prefix}{key}{closest(key, known)}",
                expected=f"{kind} {', '.join(known)}",
                mend=f"correct or drop --config.{prefix}{key}",
            )


def check_method(method: str, known: Collection[str]) -> None:
    """Refuses a method that there is not.

    Raises:
      InputError: naming the closest.
    """
    if method not in known:
        raise InputError(
            f"the method {method!r}{closest(method, known)}",
            expected=f"one of {', '.join(known)}",
            mend="change --config.method",
        )


def named_files(values: Mapping[str, str | None]) -> dict[str, str]:
    """``features`` of data options without the modalities that no file is named for."""
    return {modality: path for modality, path in values.items() if path}


def asked_shares(values: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """``missing`` and ``ambiguous`` of data options without what they do not change.

    1 keeps every row and 0 repeats none: as if not asked for, also for a modality that is switched off.
    """
    return {
        option: {m: share for m, share in values[option].items() if share != neutral}
        for option, neutral in (("missing", 1), ("ambiguous", 0))
    }

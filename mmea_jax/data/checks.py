"""Options of the data layer, checked before a file is opened."""

from collections.abc import Mapping, Sequence

from mmea_jax.data.options import DataOptions
from mmea_jax.errors import InputError, closest
from mmea_jax.vocabulary import MODALITIES, STRUCTURE

_CHOICES = {
    "relation": ("files", "none"),
    "attribute": ("files", "none"),
    "visual": ("files", "simulated", "none"),
    "name": ("words", "none"),
    "char": ("bigrams", "none"),
    "contradicting_links": ("auto", "drop", "refuse"),
}
# Modalities that come as bags.
_BAGS = ("relation", "attribute", "name", "char")
_LEAST = {"bag_width": 1, "simulated_width": 1, "split_seed": 0, "missing_seed": 0}


def check(options: DataOptions) -> None:
    """Refuses options outside their allowed values.

    Raises:
      InputError: naming the option, the value, and what is allowed.
    """
    for field, allowed in _CHOICES.items():
        check_choice(f"data.{field}", getattr(options, field), allowed)
    for field in ("seed_ratio", "simulated_present"):
        check_ratio(f"data.{field}", getattr(options, field))
    # Here 0 has a meaning of its own: no validation links.
    if options.valid_ratio != 0:
        check_ratio("data.valid_ratio", options.valid_ratio)
    for modality in options.neighbours:
        check_choice("a modality of data.neighbours", modality, _BAGS)
    check_least(options, _LEAST)
    check_shares(options, MODALITIES)
    check_features(options, MODALITIES[1:-1])
    for modality in options.neighbours:
        if modality in options.features:
            raise InputError(
                f"data.neighbours with {modality!r}, whose features are those of data.features.{modality}",
                expected="a modality that comes as a bag of words",
                mend=f"leave {modality!r} out of --config.data.neighbours, or the feature file",
            )
    for option, shares in (("data.missing", options.missing), ("data.ambiguous", options.ambiguous)):
        for modality, share in shares.items():
            if getattr(options, modality) == "none" and modality not in options.features:
                raise InputError(
                    f"{option}.{modality} = {share} with data.{modality} = 'none'",
                    expected="a modality that is switched on",
                    mend=f"leave --config.{option}.{modality} out, or set --config.data.{modality}",
                )


def check_least(options: object, least: Mapping[str, int]) -> None:
    """Refuses fields of ``options`` that are no integers or below their ``least`` value.

    Raises:
      InputError: naming the option, the value and the least one.
    """
    for field, lowest in least.items():
        value = getattr(options, field)
        if not isinstance(value, int) or value < lowest:
            raise InputError(
                f"data.{field} = {value!r}",
                expected=f"an integer from {lowest}",
                mend=f"change --config.data.{field}",
            )


def check_shares(options: object, modalities: Sequence[str]) -> None:
    """Refuses shares in ``options.missing`` and ``options.ambiguous`` out of range or of no such modality.

    Raises:
      InputError: naming the option and what is allowed.
    """
    for option, shares in (("data.missing", options.missing), ("data.ambiguous", options.ambiguous)):
        for modality, share in shares.items():
            check_choice(f"a key of {option}", modality, [m for m in modalities if m != STRUCTURE])
            # To repeat no row is a point of a sweep; to keep no row is a modality switched off.
            if option != "data.ambiguous" or share != 0:
                check_ratio(f"{option}.{modality}", share)


def check_features(options: object, modalities: Sequence[str]) -> None:
    """Refuses feature files in ``options.features`` for what is not among ``modalities``.

    Raises:
      InputError: naming the option and what is allowed.
    """
    for modality in options.features:
        check_choice("a key of data.features", modality, modalities)


def check_choice(option: str, value: object, allowed: Sequence[str]) -> None:
    """Refuses a value outside a set of words.

    Raises:
      InputError: naming the option, the allowed values and the closest of them.
    """
    if value not in allowed:
        hint = closest(value, allowed) if isinstance(value, str) else ""
        raise InputError(
            f"{option} = {value!r}{hint}", expected=f"one of {', '.join(allowed)}", mend="choose one of these"
        )


def check_ratio(option: str, value: object) -> None:
    """Refuses a value outside (0, 1].

    Raises:
      InputError: naming the option and the value.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
        raise InputError(
            f"{option} = {value!r}", expected="a ratio in (0, 1]", mend=f"change --config.{option}"
        )

"""One vector of many: what a sentence encoder makes of its tokens' vectors."""

import json
from pathlib import Path
from typing import Any

from mmea_jax.encoders.libraries import torch_library, transformers_library
from mmea_jax.errors import InputError

# Names that the sentence encoders' own configuration files use.
_MODES = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "first",
    "pooling_mode_lasttoken": "last",
    "pooling_mode_max_tokens": "largest",
}
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")


def pooling_of(source: str) -> str:
    """``mean``, ``first``, ``last`` or ``largest``: what the model was trained with, else ``mean``.

    Sentence encoders say it in ``modules.json`` and in the configuration of the pooling module.

    Args:
      source: a folder or an id of the model hub.

    Raises:
      InputError: a module besides the transformer, its pooling and a normalisation, which would be left
        out; or a way of pooling that is not known.
    """
    modules = _json(source, "modules.json")
    if modules is None:
        return "mean"
    kinds = {module["type"].rpartition(".")[2]: module["path"] for module in modules}
    strange = [kind for kind in kinds if kind not in _KNOWN_MODULES]
    if strange:
        raise InputError(
            f"a module {strange[0]} in modules.json of {source}",
            expected=f"none besides {', '.join(_KNOWN_MODULES)}",
            mend="take another sentence encoder",
        )
    settings = _json(source, f"{kinds['Pooling']}/config.json") if "Pooling" in kinds else None
    # Newer configurations hold one word in place of a switch a way.
    asked = [settings["pooling_mode"]] if settings and settings.get("pooling_mode") else []
    asked += [key for key, on in (settings or {}).items() if key.startswith("pooling_mode_") and on is True]
    words = {"mean": "mean", "cls": "first", "lasttoken": "last", "max": "largest", **_MODES}
    modes = [words.get(key) for key in asked] or ["mean"]
    if len(modes) > 1 or modes[0] is None:
        raise InputError(
            f"the pooling {', '.join(asked)} of {source}",
            expected=f"one of {', '.join(_MODES)}",
            mend="take another sentence encoder",
        )
    return modes[0]


def pooled(tokens: Any, mask: Any, mode: str) -> Any:
    """[B, f] unit vectors of tokens' vectors [B, S, f]; ``mask`` int[B, S] is 1 for tokens, 0 for padding."""
    torch = torch_library()
    weights = mask.unsqueeze(-1).to(tokens.dtype)
    if mode == "mean":
        rows = (tokens * weights).sum(1) / weights.sum(1).clamp(min=1)
    elif mode == "first":
        rows = tokens[:, 0]
    elif mode == "last":
        # Padding stands on the right.
        rows = tokens[torch.arange(len(tokens), device=tokens.device), mask.sum(1) - 1]
    else:
        rows = tokens.masked_fill(weights == 0, float("-inf")).amax(1)
    return torch.nn.functional.normalize(rows.float(), dim=-1)


def features_of(output: Any) -> Any:
    """[B, f] unit vectors of what ``get_text_features`` or ``get_image_features`` gave."""
    # A tensor in older versions of transformers, a record in newer ones.
    rows = getattr(output, "pooler_output", output)
    return torch_library().nn.functional.normalize(rows.float(), dim=-1)


def _json(source: str, name: str) -> Any:
    """The content of a JSON file of the model; None if it has no such file."""
    transformers = transformers_library()
    path = transformers.utils.hub.cached_file(source, name, _raise_exceptions_for_missing_entries=False)
    if path is None:
        return None
    try:
        return json.loads(Path(path).read_bytes())
    except ValueError as error:
        raise InputError(
            f"no JSON ({error})", expected="the model's own file", mend="restore it", file=path
        ) from None

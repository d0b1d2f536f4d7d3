"""torch and transformers, imported late and quietly."""

import os
from typing import Any

from mmea_jax.errors import InputError

_INSTALL = "pip install 'mmea-jax[features]'"


def torch_library() -> Any:
    """The module ``torch``, told to use the cores that this process may run on.

    Raises:
      InputError: it is not installed.
    """
    torch = _imported("torch")
    # torch counts the machine's cores; with threads that wait for one another on fewer it crawls.
    if hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(min(torch.get_num_threads(), len(os.sched_getaffinity(0))))
    return torch


def transformers_library() -> Any:
    """The module ``transformers``, without its progress bars and advice.

    Raises:
      InputError: it is not installed.
    """
    transformers = _imported("transformers")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def pillow_image() -> Any:
    """The module ``PIL.Image``.

    Raises:
      InputError: Pillow is not installed.
    """
    return _imported("PIL.Image")


def chosen_device(asked: str | None) -> str:
    """``asked``, or the accelerator that torch sees, or ``cpu``.

    Raises:
      InputError: torch cannot put anything on the device.
    """
    torch = torch_library()
    if asked is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=asked)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"--device {asked} ({str(error).splitlines()[0]})",
            expected="a device that torch can use here, such as cpu or cuda",
            mend="leave --device out",
        ) from None
    return asked


def _imported(name: str) -> Any:
    try:
        return __import__(name, fromlist=["_"])
    except ImportError as error:
        raise InputError(
            f"no package {name.split('.')[0]} ({error})",
            expected="the packages of the [features] extra",
            mend=_INSTALL,
        ) from None

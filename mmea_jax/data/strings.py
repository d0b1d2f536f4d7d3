"""Lists of strings as plain arrays, so that they can be stored without pickling."""

import itertools
from collections.abc import Iterable

import numpy as np


def pack(strings: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """``(uint8[bytes], int64[n+1])``: the UTF-8 text of all strings, and where each begins and ends."""
    # JSON may hold lone surrogates; they must survive the way there and back.
    encoded = [string.encode("utf-8", "surrogatepass") for string in strings]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), ends


def unpack(text: np.ndarray, ends: np.ndarray) -> tuple[str, ...]:
    """The strings that ``pack`` was given.

    Raises:
      ValueError: ``ends`` do not ascend within the text.
    """
    if len(ends) and (np.any(np.diff(ends) < 0) or ends[0] < 0 or ends[-1] > len(text)):
        raise ValueError("ends of strings that do not ascend within the text")
    whole, bounds = text.tobytes(), ends.tolist()
    return tuple(
        whole[start:end].decode("utf-8", "surrogatepass") for start, end in itertools.pairwise(bounds)
    )

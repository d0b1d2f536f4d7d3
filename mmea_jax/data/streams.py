"""Named random streams: one seed, and as many independent generators as there are names."""

import zlib

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """The generator of one purpose; a draw from it shifts no draw of another name.

    Args:
      seed: non-negative.
      name: the purpose, such as ``synthetic/names``.
    """
    return np.random.default_rng([seed, zlib.crc32(name.encode())])

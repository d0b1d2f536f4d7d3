"""The loop that all encoders share: what is cached is not computed, what is computed is cached at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from tqdm import tqdm

from mmea_jax.encoders.cache import Cache

_Item = TypeVar("_Item")


def resumed(
    items: Mapping[bytes, _Item],
    work: Callable[[list[_Item]], Sequence[bytes | None]],
    cache: Cache,
    model: str,
    *,
    size: Callable[[_Item], int],
    batch_size: int,
    label: str,
) -> dict[bytes, bytes]:
    """A result for every item, by its digest; interrupted, the next call goes on where this one ended.

    Items of like size share a batch, the largest first, so that one that does not fit in memory fails
    early. Before a batch, none of its items need be in memory in full: ``work`` may open files.

    Args:
      items: by digest of their content.
      work: from a batch to its results; None for an item that has none, which is not cached.
      cache: where results are looked up and kept.
      model: what else the results depend on.
      size: of an item, in any unit.
      batch_size: items a batch.
      label: of the progress bar on standard error.

    Returns:
      Results by digest, without those that are None.
    """
    results = cache.get(model, items)
    left = sorted((key for key in items if key not in results), key=lambda key: (-size(items[key]), key))
    progress = {"total": len(items), "initial": len(results), "desc": label, "disable": not left}
    with tqdm(**progress, unit="", mininterval=1.0, smoothing=0.05) as bar:
        for keys in _batches(left, batch_size):
            values = work([items[key] for key in keys])
            new = {key: value for key, value in zip(keys, values, strict=True) if value is not None}
            cache.put(model, new)
            results |= new
            bar.update(len(keys))
    return results


def _batches(keys: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]

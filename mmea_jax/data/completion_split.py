"""What validates a completion run, and how far the published files overlap."""

import numpy as np

from mmea_jax.data.completion import contained, distinct
from mmea_jax.data.completion_options import CompletionOptions
from mmea_jax.data.streams import stream
from mmea_jax.errors import InputError

MIN_VALID = 100  # triples; fewer tell epochs apart too poorly


def overlaps(parts: dict[str, np.ndarray]) -> list[str]:
    """Lines on repeats within the files and triples that two of them share.

    Args:
      parts: int[·, 3] of ``train``, ``test`` and, where there is one, ``valid``, as the files have them.
    """
    notes = []
    for part, triples in parts.items():
        repeats = int((~distinct(triples)).sum())
        if repeats:
            notes.append(f"{part}: {repeats:,} of {len(triples):,} triples repeat an earlier one")
    for part, other in (("valid", "train"), ("test", "train"), ("valid", "test")):
        if part in parts:
            shared = int(contained(parts[part], parts[other]).sum())
            if shared:
                notes.append(f"{part}: {shared:,} of {len(parts[part]):,} triples are {other} triples too")
    return notes


def divided(
    parts: dict[str, np.ndarray], sizes: tuple[int, int], options: CompletionOptions
) -> tuple[dict[str, np.ndarray], str]:
    """Training, validation and test triples without any overlap between validation and the others.

    The test triples stay as published, also those that are training triples; the notes of ``overlaps``
    say so where there are any.

    Args:
      parts: as ``overlaps`` takes them.
      sizes: numbers of entities and relations.
      options: ``validation``, ``valid_ratio`` and ``split_seed``.

    Returns:
      The three arrays, distinct, and where the validation triples come from.

    Raises:
      InputError: no training or test triple; or files are to validate, and there is no clean triple in them.
    """
    parts = {part: triples[distinct(triples)] for part, triples in parts.items()}
    for part in ("train", "test"):
        if not len(parts[part]):
            raise InputError(
                f"no {part} triple",
                expected="one at least",
                mend=f"restore {part}2id.txt, or choose another data set",
            )
    if options.validation == "none":
        return {**parts, "valid": parts["train"][:0]}, "none: every training triple trains"
    if options.validation == "held_out":
        # A test triple that is a training triple too stays with training.
        chosen = _held_out(parts["train"], contained(parts["train"], parts["test"]), sizes, options)
        name = f"{chosen.sum():,} training triples, held out by split_seed {options.split_seed}"
        return {**parts, "train": parts["train"][~chosen], "valid": parts["train"][chosen]}, name
    published = parts.get("valid", np.zeros((0, 3), np.int32))
    clean = ~contained(published, parts["train"]) & ~contained(published, parts["test"])
    if not clean.any():
        raise InputError(
            f"{len(published):,} validation triples in the files, each a training or test triple",
            expected="validation triples that are neither",
            mend="hold triples out of the training triples, --config.data.validation=held_out",
        )
    name = f"{clean.sum():,} of {len(published):,} published triples, the others being train or test triples"
    return {**parts, "valid": published[clean]}, name if not clean.all() else "as published"


def _held_out(
    train: np.ndarray, closed: np.ndarray, sizes: tuple[int, int], options: CompletionOptions
) -> np.ndarray:
    """bool[T]: triples that validate. The others still name every entity and relation that all name."""
    wanted = min(max(MIN_VALID, round(options.valid_ratio * len(train))), len(train) // 2)
    entities = np.bincount(train[:, [0, 2]].ravel(), minlength=sizes[0])
    relations = np.bincount(train[:, 1], minlength=sizes[1])
    chosen = np.zeros(len(train), bool)
    for row in stream(options.split_seed, "completion/valid").permutation(len(train)).tolist():
        if wanted == 0:
            break
        head, relation, tail = train[row].tolist()
        # A loop uses its entity up twice.
        need = 3 if head == tail else 2
        if closed[row] or entities[head] < need or entities[tail] < need or relations[relation] < 2:
            continue
        chosen[row] = True
        entities[head] -= 1
        entities[tail] -= 1
        relations[relation] -= 1
        wanted -= 1
    if not chosen.any():
        raise InputError(
            f"{len(train):,} training triples, of which none can be spared to validate",
            expected="a triple whose entities and relation others name too",
            mend="take the published ones, --config.data.validation=files, or a larger data set",
        )
    return chosen

"""Entity names as modalities: the words of a name, its bag of words and of character bigrams."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from mmea_jax.data.bags import bag_from_counts, normalised
from mmea_jax.data.bounds import read_within
from mmea_jax.data.knowledge_graphs import Bag
from mmea_jax.errors import InputError

_SEPARATORS = re.compile(r"[\W_]+")
_LAYOUT = "a JSON list of [entity id, [word, …]]"


def words_of(name: str) -> list[str]:
    """Lower-cased words of an entity name; of a URI, those of its last path segment, percent-decoded."""
    segment = unquote(name.rstrip("/").rpartition("/")[2])
    return [word for word in _SEPARATORS.split(segment.lower()) if word]


def translated_file(folder: Path) -> Path | None:
    """The file of translated names that belongs to a data set's folder, if there is one."""
    found = sorted((folder.parent / "translated_ent_name").glob(f"*{folder.name}.json"))
    return found[0] if found else None


def read_translated(path: Path, index: Mapping[int, int]) -> list[list[str]]:
    """Words of every entity, lower-cased, from ``[[id, [word, …]], …]``; an entity not listed has none.

    Args:
      path: the JSON file.
      index: from an id of the files to the entity.

    Raises:
      InputError: the file is no such list, or names an id that is no entity, or one twice.
    """
    try:
        entries = json.loads(read_within(path, 20))
    except json.JSONDecodeError as error:
        raise InputError(
            f"no JSON ({error.msg})", expected=_LAYOUT, mend="restore the file", file=path, line=error.lineno
        ) from None
    except RecursionError:
        raise InputError("too many brackets", expected=_LAYOUT, mend="restore the file", file=path) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"text that is not UTF-8 ({error.reason} at byte {error.start})",
            expected=_LAYOUT,
            mend="save the file as UTF-8",
            file=path,
        ) from None
    except ValueError as error:  # such as a number of thousands of digits
        raise InputError(
            f"no sound JSON ({error})", expected=_LAYOUT, mend="restore the file", file=path
        ) from None
    if not isinstance(entries, list):
        raise InputError(f"a {type(entries).__name__}", expected=_LAYOUT, mend="restore the file", file=path)
    words: list[list[str] | None] = [None] * len(index)
    for position, entry in enumerate(entries, start=1):
        identifier, own = _checked(entry, position, path)
        entity = index.get(identifier)
        if entity is None or words[entity] is not None:
            fault = "that is no entity" if entity is None else "a second time"
            raise InputError(
                f"id {identifier} {fault} (entry {position})",
                expected="each id once, and declared in ent_ids_1 or ent_ids_2",
                mend="remove the entry, or take the names that belong to this data set",
                file=path,
            )
        words[entity] = [word.lower() for word in own]
    return [own or [] for own in words]


def char_bag(words: Sequence[Sequence[str]]) -> Bag:
    """Character bigrams within each entity's words: counts, each row scaled to Euclidean length 1.

    The columns are all bigrams that occur, sorted. An entity without a word of two letters is absent.

    Args:
      words: N lists of words.
    """
    bigrams = [[w[i : i + 2] for w in own for i in range(len(w) - 1)] for own in words]
    vocabulary = sorted({bigram for own in bigrams for bigram in own})
    return normalised(_counted(bigrams, vocabulary))


def word_bag(words: Sequence[Sequence[str]]) -> Bag:
    """Words that at least two entities have, weighed by 1/√(entities that have them), rows of length 1.

    An entity that shares no word with any other is absent, for nothing could be learnt of it.

    Args:
      words: N lists of words.
    """
    frequency = Counter(word for own in words for word in set(own))
    vocabulary = sorted(word for word, entities in frequency.items() if entities > 1)
    counts = _counted(words, vocabulary)
    weight = np.array([frequency[word] ** -0.5 for word in vocabulary], np.float32)
    weighed = counts.values * weight[counts.columns]
    return normalised(Bag(counts.offsets, counts.columns, weighed, counts.vocabulary, counts.present))


def _counted(items: Sequence[Sequence[str]], vocabulary: Sequence[str]) -> Bag:
    """Counts of each entity's items that are in the vocabulary."""
    column = {item: position for position, item in enumerate(vocabulary)}
    columns = [[column[item] for item in own if item in column] for own in items]
    rows = np.repeat(np.arange(len(items)), [len(own) for own in columns])
    flat = np.array(list(itertools.chain.from_iterable(columns)), np.int64)
    return bag_from_counts(rows, flat, np.ones(len(flat)), len(items), vocabulary)


def _checked(entry: object, position: int, path: Path) -> tuple[int, list[str]]:
    match entry:
        case [int(identifier), list(own)] if all(isinstance(word, str) for word in own):
            return identifier, own
    raise InputError(
        f"{json.dumps(entry, ensure_ascii=False)[:80]} (entry {position})",
        expected=_LAYOUT,
        mend="restore the entry",
        file=path,
    )

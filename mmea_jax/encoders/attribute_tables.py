"""The attributes of both graphs' entities, as names in words and, where files have them, numbers."""

import dataclasses
import re
from urllib.parse import unquote

import numpy as np
from scipy import sparse

from mmea_jax.data import DataOptions, Dense, KnowledgeGraphs, load
from mmea_jax.data.load import dataset_folder, layout_of
from mmea_jax.data.locate import SYNTHETIC
from mmea_jax.encoders.attribute_values import Values, read_values
from mmea_jax.errors import InputError
from mmea_jax.vocabulary import ATTRIBUTE

# More columns than any data set has attributes: none is left out.
_ALL = 1 << 30
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[\W_]+")


@dataclasses.dataclass(frozen=True)
class AttributeTables:
    """Who has which attributes; those of one graph or both that read the same in words are one.

    Attributes:
      owns: 0/1 CSR float32[N, A].
      words: A distinct strings, the names in lower-case words.
      side: int8[N].
      train: int[L, 2], the training links.
      values: from an entity and an attribute to its number, where the data set's files have one.
    """

    owns: sparse.csr_array
    words: tuple[str, ...]
    side: np.ndarray
    train: np.ndarray
    values: Values


def attribute_words(name: str) -> str:
    """``'birth date'`` of ``http://dbpedia.org/property/birthDate``; of dotted names the last part."""
    tail = re.split(r"[/#]", unquote(name).rstrip("/#>"))[-1].rpartition(".")[2]
    return " ".join(_SEPARATORS.sub(" ", _CAMEL.sub(" ", tail)).lower().split()) or name.lower()


def read_tables(options: DataOptions) -> tuple[KnowledgeGraphs, AttributeTables]:
    """The graphs and their attributes; validation and test links are not among the training links.

    Args:
      options: the data set and its split, as for training; the modalities are chosen here.

    Raises:
      InputError: the data set or the split is at fault, or no entity has an attribute.
    """
    off = dict.fromkeys(("relation", "visual", "name", "char"), "none")
    kgs, split = load(dataclasses.replace(options, **off, attribute="files", bag_width=_ALL))
    on_disk = options.dataset != SYNTHETIC
    if on_disk and isinstance(kgs.modalities.get(ATTRIBUTE), Dense):
        # The layout has vectors of its own, which training takes; here the names behind them are asked for.
        folder = dataset_folder(options)
        plain = layout_of(folder).read(folder, options.dataset, (ATTRIBUTE,), _ALL, True)
        kgs = dataclasses.replace(kgs, modalities=plain.modalities)
    if ATTRIBUTE not in kgs.modalities:
        raise InputError(
            f"no attributes in {kgs.name}",
            expected="training_attrs_1 or training_attrs_2 with a line at least",
            mend="choose a data set that has attributes",
        )
    bag = kgs.modalities[ATTRIBUTE]
    spoken = [attribute_words(name) for name in bag.vocabulary]
    words = tuple(dict.fromkeys(spoken))
    column = {word: i for i, word in enumerate(words)}
    columns = np.array([column[word] for word in spoken], np.int64)
    owns = summed(bag.matrix(), columns, len(words))
    by_name = dict(zip(bag.vocabulary, columns.tolist(), strict=True))
    values = read_values(dataset_folder(options), kgs, by_name) if on_disk else {}
    return kgs, AttributeTables(owns, words, kgs.side, split.train, values)


def summed(owns: sparse.sparray, columns: np.ndarray, width: int) -> sparse.csr_array:
    """0/1 [N, width]: column ``c`` of ``owns`` [N, C] becomes, or joins, column ``columns[c]``."""
    entries = sparse.coo_array(owns)
    ones = np.ones(entries.nnz, np.float32)
    cells = (entries.coords[0], columns[entries.coords[1]])
    merged = sparse.coo_array((ones, cells), shape=(owns.shape[0], width)).tocsr()
    merged.sum_duplicates()
    merged.data[:] = 1
    return merged

"""Sparse bag modalities: which words are kept, and who owns how many of them."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from mmea_jax.data.knowledge_graphs import Bag


def bag_from_counts(
    rows: np.ndarray,
    columns: np.ndarray,
    counts: np.ndarray,
    num_entities: int,
    vocabulary: Sequence[str],
) -> Bag:
    """A bag from coordinate entries; entries of one cell add up, and zeros are dropped.

    Args:
      rows: int[n], entities.
      columns: int[n], indexes into ``vocabulary``.
      counts: float[n].
      num_entities: N.
      vocabulary: the words that the columns stand for.

    Returns:
      A ``Bag`` of N rows; an entity without any entry is absent.
    """
    shape = (num_entities, len(vocabulary))
    matrix = sparse.coo_array((np.asarray(counts, np.float32), (rows, columns)), shape=shape).tocsr()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return Bag(
        offsets=matrix.indptr.astype(np.int64),
        columns=matrix.indices.astype(np.int32),
        values=matrix.data.astype(np.float32),
        vocabulary=tuple(vocabulary),
        present=np.diff(matrix.indptr) > 0,
    )


def most_frequent(codes: np.ndarray, num_codes: int, width: int) -> np.ndarray:
    """int64[≤ width]: the codes that occur most often, most frequent first.

    Codes of equal frequency stand in the order of their first appearance in ``codes``; it is this
    rule that keeps the same words as the published features do.
    """
    frequency = np.bincount(codes, minlength=num_codes)
    seen, first = np.unique(codes, return_index=True)
    return seen[np.lexsort((first, -frequency[seen]))][:width]


def relation_bag(
    triples: np.ndarray, num_entities: int, relation_names: Sequence[str], width: int = 1000
) -> Bag:
    """Counts of the ``width`` most frequent relations over the triples of which an entity is head or tail.

    A triple from an entity to itself counts twice.

    Args:
      triples: int[T, 3], distinct, in the files' order, which decides between equally frequent relations.
      num_entities: N.
      relation_names: R names.
      width: how many relations are kept.
    """
    kept = most_frequent(triples[:, 1], len(relation_names), width)
    column = np.full(len(relation_names), -1)
    column[kept] = np.arange(len(kept))
    columns = np.tile(column[triples[:, 1]], 2)
    rows = np.concatenate([triples[:, 0], triples[:, 2]])
    inside = columns >= 0
    ones = np.ones(inside.sum(), np.float32)
    vocabulary = [relation_names[r] for r in kept]
    return bag_from_counts(rows[inside], columns[inside], ones, num_entities, vocabulary)


def attribute_bag(
    rows: np.ndarray, codes: np.ndarray, num_entities: int, attributes: Sequence[str], width: int = 1000
) -> Bag:
    """0/1 over the ``width`` attributes that most entities have.

    Args:
      rows: int[n], entities; with ``codes`` the pairs in the files' order, repeats allowed.
      codes: int[n], indexes into ``attributes``.
      num_entities: N.
      attributes: all attribute names.
      width: how many attributes are kept.
    """
    pairs = np.asarray(rows, np.int64) * max(len(attributes), 1) + codes
    _, first = np.unique(pairs, return_index=True)
    first.sort()  # back to the files' order, which decides between equally frequent attributes
    rows, codes = np.asarray(rows)[first], np.asarray(codes)[first]
    kept = most_frequent(codes, len(attributes), width)
    column = np.full(len(attributes), -1)
    column[kept] = np.arange(len(kept))
    columns = column[codes]
    inside = columns >= 0
    ones = np.ones(inside.sum(), np.float32)
    return bag_from_counts(rows[inside], columns[inside], ones, num_entities, [attributes[a] for a in kept])


def normalised(bag: Bag) -> Bag:
    """The same bag with present rows of Euclidean length 1, so that a product of rows is their cosine."""
    owner = np.repeat(np.arange(len(bag.present)), np.diff(bag.offsets))
    squares = np.bincount(owner, weights=bag.values.astype(np.float64) ** 2, minlength=len(bag.present))
    values = (bag.values / np.sqrt(squares)[owner]).astype(np.float32)
    return Bag(bag.offsets, bag.columns, values, bag.vocabulary, bag.present)

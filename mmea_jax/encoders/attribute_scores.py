"""How alike the attributes of two graphs are: by letters, by meaning, and by who has them."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse

_BLOCK = 256  # rows compared at once
_DOUBT = 2.0  # added to the number of owners, so that a lone coincidence does not count as agreement
_ENOUGH = 5  # linked pairs with the attribute from which on their agreement speaks for itself
_BY_LINKS = 0.5  # its weight beside letters and meaning, if they are enough


def trigrams(words: Sequence[str]) -> sparse.csr_array:
    """Letter trigrams of each name, weighed by rarity; rows float32 of length 1.

    Args:
      words: A names, of both graphs.
    """
    own = [Counter(f" {name} "[i : i + 3] for i in range(len(name))) for name in words]
    columns = {gram: column for column, gram in enumerate(sorted({g for grams in own for g in grams}))}
    rows = np.repeat(np.arange(len(words)), [len(grams) for grams in own])
    cells = np.array([columns[gram] for grams in own for gram in grams], np.int64)
    counts = np.array([count for grams in own for count in grams.values()], np.float32)
    matrix = sparse.csr_array((counts, (rows, cells)), shape=(len(words), len(columns)))
    holders = np.bincount(cells, minlength=len(columns))
    matrix = matrix @ sparse.diags_array(np.log1p(len(words) / np.maximum(holders, 1)).astype(np.float32))
    norms = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    return sparse.csr_array(sparse.diags_array(1 / np.maximum(norms, 1e-9)) @ matrix)


def agreement(owns: sparse.csr_array, links: np.ndarray) -> tuple[sparse.csr_array, np.ndarray, np.ndarray]:
    """On linked pairs, how often the first has ``a`` and the second ``b``.

    Args:
      owns: 0/1 [N, A].
      links: int[L, 2], training links.

    Returns:
      float32[A, A] counts of pairs, and float32[A] owners among the first and the second entities.
    """
    first, second = owns[links[:, 0]], owns[links[:, 1]]
    together = sparse.csr_array(first.T @ second).astype(np.float32)
    return together, np.asarray(first.sum(axis=0)).ravel(), np.asarray(second.sum(axis=0)).ravel()


def scores(
    one: np.ndarray,
    two: np.ndarray,
    letters: sparse.csr_array,
    meanings: np.ndarray,
    linked: tuple[sparse.csr_array, np.ndarray, np.ndarray],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of the similarity of attributes ``one`` of KG 1 to attributes ``two`` of KG 2.

    Names count by the mean of the cosines of letters and of meanings. Where enough training links have
    the two attributes, half the score is by 2·both/(first + second + 2), the share of owners in common.

    Args:
      one: int[P].
      two: int[Q].
      letters: ``trigrams`` of all A attributes.
      meanings: float32[A, f] unit vectors.
      linked: what ``agreement`` gives.

    Yields:
      int[b] positions in ``one``, and their scores float32[b, Q].
    """
    together, first, second = linked
    letters_two, meanings_two = letters[two].T.tocsr(), meanings[two].T
    for start in range(0, len(one), _BLOCK):
        here = np.arange(start, min(start + _BLOCK, len(one)))
        rows = one[here]
        named = ((letters[rows] @ letters_two).toarray() + meanings[rows] @ meanings_two) / 2
        owners = first[rows][:, None] + second[two][None, :]
        shared = 2 * together[rows][:, two].toarray() / (owners + _DOUBT)
        enough = np.minimum(first[rows][:, None], second[two][None, :]) >= _ENOUGH
        weight = _BY_LINKS * enough
        yield here, ((1 - weight) * named + weight * shared).astype(np.float32)

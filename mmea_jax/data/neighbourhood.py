"""Bags that also say what an entity's neighbours hold.

Two entities that share few words of their own may still be told apart by what surrounds them: a film by
the attributes of its actors, a person by the relations of the places she lived in. Unlike a learned entity
table such columns mean the same for entities of the seed links and for all others.
"""

import numpy as np
from scipy import sparse

from mmea_jax.data.bags import bag_from_counts
from mmea_jax.data.knowledge_graphs import Bag, KnowledgeGraphs
from mmea_jax.data.structure import edges

_OF_NEIGHBOURS = "neighbour: "


def with_neighbours(bag: Bag, kgs: KnowledgeGraphs) -> Bag:
    """``bag`` with a second half of columns: the mean of the rows of an entity's neighbours.

    Counts enter as ``log(1 + count)``. A neighbour's row sums to 1 before the mean is taken, and each half
    of a row has Euclidean length 1, so that neither a long row nor a high degree drowns the rest.

    Args:
      bag: ``N`` rows of ``width`` words.
      kgs: whose triples say who is a neighbour (as head or tail, self-loops aside).

    Returns:
      A bag of ``2 · width`` columns. An entity is present if it or one of its neighbours has words.
    """
    own = bag.matrix()
    own.data = np.log1p(own.data)
    receivers, senders = edges(kgs)
    others = receivers != senders
    shape = (kgs.num_entities, kgs.num_entities)
    links = sparse.csr_array((np.ones(others.sum(), np.float32), (receivers[others], senders[others])), shape)
    # The length is set to 1 afterwards, so that the sum serves as the mean.
    around = links @ _scaled(own, np.abs(own).sum(axis=1))
    halves = [_scaled(half, np.sqrt(half.multiply(half).sum(axis=1))) for half in (own, around)]
    rows = sparse.hstack(halves, format="coo")
    words = (*bag.vocabulary, *(_OF_NEIGHBOURS + word for word in bag.vocabulary))
    return bag_from_counts(*rows.coords, rows.data, kgs.num_entities, words)


def _scaled(rows: sparse.csr_array, lengths: np.ndarray) -> sparse.csr_array:
    """Each row divided by its length; an empty row stays empty."""
    lengths = np.asarray(lengths).ravel()
    return sparse.diags_array(1 / np.where(lengths > 0, lengths, 1)) @ rows

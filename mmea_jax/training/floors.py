"""What the data give away before anything is learnt."""

from mmea_jax.data import Bag, KnowledgeGraphs, Split
from mmea_jax.data.names import char_bag
from mmea_jax.data.structure import edges
from mmea_jax.matching import cosine_floor, equality_floor, seed_neighbour_floor
from mmea_jax.vocabulary import CHAR


def measure_floors(kgs: KnowledgeGraphs, split: Split) -> dict[str, float]:
    """Hits@1, KG 1 → KG 2, of direct similarity on the test links, one number a modality.

    ``structure`` is the cosine of the sets of seed links in two entities' neighbourhoods, ``char_cosine``
    and ``name`` are cosines of character bigrams and of words, ``name_equality`` is equality of all words.
    A modality that is switched off has no floor, but names always have: readers must know what they alone
    would give.
    """
    left, right = split.test.T
    floors = {"structure": seed_neighbour_floor(edges(kgs), split.train, kgs.num_entities, left, right)}
    for modality, rows in kgs.modalities.items():
        features = rows.matrix() if isinstance(rows, Bag) else rows.features
        floors["char_cosine" if modality == CHAR else modality] = cosine_floor(features, left, right)
    floors["name_equality"] = equality_floor([kgs.words[i] for i in left], [kgs.words[i] for i in right])
    if CHAR not in kgs.modalities:
        bigrams = char_bag([words.split() for words in kgs.words])
        floors["char_cosine"] = cosine_floor(bigrams.matrix(), left, right)
    return floors

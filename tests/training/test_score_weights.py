"""Weights of the modalities, chosen on validation links."""

import numpy as np
import pytest

from mmea_jax.models.embeddings import Embeddings
from mmea_jax.training.evaluate import Sides
from mmea_jax.training.score_weights import choose_weights, named_weights

MODALITIES = ("structure", "attribute")
PAIRS, MORE = 40, 30


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def world(noise: float, seed: int = 0):
    """Structure tells pairs apart, the joint vector half does, and attributes are ``noise`` times as loud."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((PAIRS + MORE, 16))
    tables = []
    for _ in range(2):
        near = unit(latent + 0.3 * rng.standard_normal(latent.shape))
        misleading = unit(rng.standard_normal((len(latent), 3)))
        joint = unit(np.concatenate([0.5 * near, noise * misleading], axis=1))
        tables.append((near, misleading, joint))

    def embed(left, right):
        return [
            Embeddings(
                modal={"structure": near[own], "attribute": misleading[own]},
                joint=joint[own],
                confidence=np.full((len(own), 2), 0.5, np.float32),
                modalities=MODALITIES,
            )
            for own, (near, misleading, joint) in zip((left, right), tables, strict=True)
        ]

    everyone = np.arange(PAIRS + MORE)
    gold = np.where(everyone < PAIRS, everyone, -1)
    return embed, Sides(everyone, everyone, gold)


def test_what_misleads_counts_less_than_what_tells_pairs_apart():
    weights = named_weights(choose_weights(*world(2.0), 3), MODALITIES)
    assert weights["attribute"] < 0.2 * weights["structure"]
    assert weights["structure"] > weights["joint"]
    assert sum(weights.values()) == pytest.approx(3)


def test_weights_stay_equal_where_nothing_is_gained():
    embed, sides = world(0.0)

    def alike(left, right):
        # Attributes as good as structure: everything is found by equal weights already.
        return [e.replace(modal=dict.fromkeys(MODALITIES, e.modal["structure"])) for e in embed(left, right)]

    assert choose_weights(alike, sides, 3) == (1.0, 1.0, 1.0)


def test_the_choice_is_the_same_every_time():
    assert choose_weights(*world(1.0, 3), 3) == choose_weights(*world(1.0, 3), 3)

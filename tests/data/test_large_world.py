"""Large worlds: what is on disk is what was asked for, and one view is the other's counterpart."""

import dataclasses

import numpy as np
import pytest

from mmea_jax.data.large_world import LargeOptions, Numbered, generate_large, open_large
from mmea_jax.errors import InputError

OPTIONS = LargeOptions(entities=500, triples_per_entity=6.0, relations=20, width=8)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world") / "w"
    generate_large(folder, OPTIONS)
    return folder, open_large(folder)


def test_arrays_are_mapped_and_consistent(world):
    _, kgs = world
    assert isinstance(kgs.triples, np.memmap)
    assert isinstance(kgs.modalities["visual"].features, np.memmap)
    assert kgs.num_entities == 1000
    assert sorted(kgs.links[:, 0]) == list(range(500))
    assert sorted(kgs.links[:, 1]) == list(range(500, 1000))
    heads, relations, tails = kgs.triples.T
    assert ((heads < 500) == (tails < 500)).all()
    assert ((heads < 500) == (relations < 20)).all()
    assert len(np.unique(kgs.triples, axis=0)) == len(kgs.triples)
    bag = kgs.modalities["relation"]
    assert bag.values.sum() == 2 * len(kgs.triples)
    images = kgs.modalities["visual"]
    np.testing.assert_allclose(np.linalg.norm(images.features, axis=1), images.present, atol=1e-5)
    assert 0.4 < images.present.mean() < 0.6


def test_counterparts_share_triples_and_images(world):
    _, kgs = world
    place = np.empty(500, int)
    place[kgs.links[:, 0]] = kgs.links[:, 1]
    left = kgs.triples[kgs.triples[:, 0] < 500]
    mapped = {(place[h], r + 20, place[t]) for h, r, t in left}
    right = set(map(tuple, kgs.triples[kgs.triples[:, 0] >= 500].tolist()))
    # Of a true triple that one view has, the other has it with a chance of 1 − dropout.
    assert 0.65 < len(mapped & right) / len(mapped) < 0.85
    images = kgs.modalities["visual"]
    both = images.present[kgs.links].all(axis=1)
    own, other = (images.features[kgs.links[both, k]] for k in (0, 1))
    assert np.mean(np.sum(own * other, axis=1)) > 0.4
    assert abs(np.mean(np.sum(own * np.roll(other, 1, axis=0), axis=1))) < 0.1


def test_the_same_knobs_give_the_same_world_and_others_are_refused(world, tmp_path):
    folder, kgs = world
    generate_large(tmp_path / "again", OPTIONS)
    again = open_large(tmp_path / "again")
    np.testing.assert_array_equal(kgs.triples, again.triples)
    np.testing.assert_array_equal(kgs.modalities["visual"].features, again.modalities["visual"].features)
    generate_large(folder, OPTIONS)
    with pytest.raises(InputError, match="other knobs"):
        generate_large(folder, dataclasses.replace(OPTIONS, seed=1))
    with pytest.raises(InputError, match="dropout"):
        generate_large(tmp_path / "bad", dataclasses.replace(OPTIONS, dropout=1.0))
    with pytest.raises(InputError, match="no world"):
        open_large(tmp_path / "nothing")


def test_numbered_names_are_a_sequence():
    names = Numbered("e", 4)
    assert list(names) == ["e0", "e1", "e2", "e3"]
    assert names[-1] == "e3"
    assert names[1:3] == ["e1", "e2"]
    with pytest.raises(IndexError):
        names[4]

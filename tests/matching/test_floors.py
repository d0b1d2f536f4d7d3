import numpy as np
import pytest
from scipy import sparse

from mmea_jax.matching import floors


def dense_floor(features, left, right):
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    unit = np.divide(features, norm, out=np.zeros_like(features), where=norm > 0)
    scores = np.round(unit[left] @ unit[right].T, 6)
    gold = np.diag(scores)[:, None]
    rank = 1 + (scores > gold).sum(1) + ((scores == gold).sum(1) - 1) / 2
    return np.mean(rank <= 1)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csr_matrix])
def test_equals_dense_ranks(form, monkeypatch):
    monkeypatch.setattr(floors, "_BLOCK_ROWS", 7)
    draw = np.random.default_rng(0)
    features = (draw.random((80, 9)) * (draw.random((80, 9)) < 0.4)).round(1)
    features[3] = features[60] = 0
    left, right = draw.permutation(40)[:30], 40 + draw.permutation(40)[:30]
    features[right] = np.where(draw.random((30, 1)) < 0.5, features[left], features[right])
    got = floors.cosine_floor(form(features), left, right)
    assert got == pytest.approx(dense_floor(features, left, right))
    assert 0 < got < 1


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_constant_features_hit_nothing(value):
    features = np.full((20, 7), value)
    assert floors.cosine_floor(features, np.arange(10), np.arange(10, 20)) == 0


def test_equal_names_hit_unless_shared():
    left = ["a", "b", "b", "", None, "e"]
    right = ["a", "b", "b", "", None, "f"]
    assert floors.equality_floor(left, right) == pytest.approx(1 / 6)


def test_a_lone_candidate_is_first():
    assert floors.equality_floor(["a"], ["b"]) == 1


def test_seed_neighbours_identify_an_entity():
    # 0..4 in KG 1, 5..9 in KG 2. Of the seeds, 2 and 7 touch the first, 3 and 8 both, 4 and 9 none.
    receivers, senders = np.array([2, 3, 1, 5, 8, 8]), np.array([0, 0, 3, 7, 5, 6])
    seeds = np.array([[0, 5], [1, 6]])
    got = floors.seed_neighbour_floor(
        (receivers, senders), seeds, 10, np.array([2, 3, 4]), np.array([7, 8, 9])
    )
    assert got == pytest.approx(2 / 3)


def test_without_seeds_structure_says_nothing():
    edges = (np.array([0, 2]), np.array([1, 3]))
    none = np.zeros((0, 2), int)
    assert floors.seed_neighbour_floor(edges, none, 4, np.array([0, 1]), np.array([2, 3])) == 0


def test_no_link_is_refused():
    for call in (
        lambda: floors.cosine_floor(np.ones((2, 2)), np.array([], int), np.array([], int)),
        lambda: floors.equality_floor([], []),
    ):
        with pytest.raises(ValueError, match="no link"):
            call()

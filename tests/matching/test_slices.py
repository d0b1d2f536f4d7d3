import numpy as np
import pytest

from mmea_jax.matching import slices


def test_degree_buckets_include_their_ends():
    degree = np.array([0, 1, 2, 3, 5, 6, 10, 11, 20, 21, 400])
    got = slices.by_degree(np.ones(11), degree)
    assert {name: row["count"] for name, row in got.items()} == {
        "0": 1, "1-2": 2, "3-5": 2, "6-10": 2, "11-20": 2, ">20": 2,
    }  # fmt: skip


def test_metrics_of_a_bucket():
    got = slices.by_degree(np.array([1.0, 1.5, 4.0]), np.array([4, 4, 4]))
    assert got == {"3-5": {"count": 3, "hits@1": 1 / 3, "mrr": pytest.approx((1 + 1 / 1.5 + 0.25) / 3)}}


def test_modalities_are_those_that_both_sides_have():
    left = {"attribute": np.array([1, 1, 0, 1], bool), "relation": np.array([1, 1, 0, 1], bool)}
    right = {"relation": np.array([1, 1, 1, 0], bool), "attribute": np.array([1, 1, 1, 1], bool)}
    got = slices.by_modalities(np.array([1.0, 2.0, 4.0, 8.0]), left, right)
    assert list(got) == ["relation+attribute", "none", "attribute"]
    assert got["relation+attribute"] == {"count": 2, "hits@1": 0.5, "mrr": 0.75}
    assert got["none"]["mrr"] == 0.25


def test_counts_add_up_to_all_queries():
    draw = np.random.default_rng(0)
    present = {m: draw.random(50) < 0.5 for m in ("visual", "relation", "name")}
    got = slices.by_modalities(np.ones(50), present, present)
    assert sum(row["count"] for row in got.values()) == 50


def test_no_modality_at_all():
    assert list(slices.by_modalities(np.ones(2), {}, {})) == ["none"]

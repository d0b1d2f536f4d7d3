"""A data set small enough to be read at a glance, in the published layout."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from mmea_jax.data import DataOptions

# Ids alternate between the sides, as in DBP15K; 8 and 9 are not linked, 9 has no triple.
FILES = {
    "ent_ids_1": "0\thttp://a/Red_Apple\n2\thttp://a/Green_Pear\n4\thttp://a/Old_Tree\n8\thttp://a/Axe\n",
    "ent_ids_2": "1\thttp://b/Red_Apple\n3\thttp://b/Green_Pear\n5\thttp://b/Tree\n9\thttp://b/Stone\n",
    "triples_1": "0\t7\t2\n4\t7\t4\n2\t6\t4\n8\t6\t0\n2\t6\t4\n",
    "triples_2": "1\t11\t3\n3\t10\t5\n",
    "ill_ent_ids": "0\t1\n2\t3\n4\t5\n",
    "rel_ids_1": "6\thttp://a/grows\n7\thttp://a/near\n",
    "training_attrs_1": "http://a/Red_Apple\tcolour\ttaste\nhttp://a/Axe\tweight\n",
    "training_attrs_2": "http://b/Red_Apple\ttaste\tsize\ttaste\n\nhttp://b/Tree\n",
    "splits/files/train_links": "0\t1\n",
    "splits/files/test_links": "4\t5\n2\t3\n",
}


class Tiny:
    """The folder, with ways to spoil it."""

    def __init__(self, root: Path):
        self.root = root
        self.folder = root / "Tiny" / "a_b"
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def write_features(self, features: dict, tail: str = "") -> Path:
        path = self.root / "pkls" / f"Tiny_id_img_feature_dict{tail}.pkl"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps(features))
        return path

    def options(self, **kwargs) -> DataOptions:
        defaults = {"dataset": "Tiny/a_b", "root": self.root, "visual": "none", "split": "files"}
        return DataOptions(**{**defaults, "cache": self.root / "cache", **kwargs})


@pytest.fixture
def tiny(tmp_path) -> Tiny:
    return Tiny(tmp_path)


@pytest.fixture
def images() -> dict[int, np.ndarray]:
    """Features of four of the tiny set's eight entities."""
    rng = np.random.default_rng(0)
    return {entity: rng.standard_normal(3).astype(np.float16) for entity in (0, 1, 4, 9)}

"""Splits: drawn ones are disjoint and repeatable, those from files are checked."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.data import DataOptions, KnowledgeGraphs
from mmea_jax.data.formats import published
from mmea_jax.data.splits import digest, make_split
from mmea_jax.errors import InputError


def _graphs(links):
    entities = np.arange(2 * links)
    return KnowledgeGraphs(
        name="drawn",
        entity_ids=entities,
        entity_names=tuple(map(str, entities)),
        words=tuple(map(str, entities)),
        side=np.repeat(np.array([0, 1], np.int8), links),
        triples=np.zeros((0, 3), np.int32),
        relation_names=(),
        links=entities.reshape(2, -1).T.astype(np.int32),
        modalities={},
    )


@settings(max_examples=60)
@given(
    links=st.integers(4, 900),
    ratio=st.floats(0.2, 0.8),
    valid=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 99),
)
def test_a_drawn_split_divides_the_links(links, ratio, valid, seed):
    options = DataOptions(seed_ratio=ratio, valid_ratio=valid, split_seed=seed)
    split = make_split(_graphs(links), options)
    together = np.concatenate([split.train, split.valid, split.test])
    assert len(together) == links
    assert len(np.unique(together[:, 0])) == links
    seeds = len(split.train) + len(split.valid)
    assert seeds == round(ratio * links)
    wanted = max(100, round(valid * seeds)) if valid else 0
    assert len(split.valid) == min(wanted, seeds // 2)
    again = make_split(_graphs(links), options)
    assert again.sha256 == split.sha256
    np.testing.assert_array_equal(again.train, split.train)


def test_seed_moves_the_split_and_the_validation_share_leaves_the_test_links():
    kgs = _graphs(500)
    splits = [
        make_split(kgs, DataOptions(split_seed=s, valid_ratio=v)) for s, v in [(0, 0.1), (0, 0), (1, 0.1)]
    ]
    np.testing.assert_array_equal(splits[0].test, splits[1].test)
    assert len({split.sha256 for split in splits}) == 3


def test_digest_tells_the_parts_apart():
    links = np.arange(8, dtype=np.int32).reshape(4, 2)
    assert digest(links[:1], links[1:2], links[2:]) != digest(links[:2], links[:0], links[2:])


@pytest.mark.parametrize("ratio", [1e-6, 1.0])
def test_a_draw_without_train_or_test_links_is_refused(ratio):
    with pytest.raises(InputError, match=r"a split without (train|test) links") as error:
        make_split(_graphs(10), DataOptions(seed_ratio=ratio))
    assert "--config.data.seed_ratio" in error.value.mend


@pytest.fixture
def read(tiny):
    kgs = published.read(tiny.folder, "Tiny/a_b", ())
    return lambda **kwargs: make_split(kgs, tiny.options(**kwargs), tiny.folder)


def test_files_give_the_split_in_their_order(read):
    split = read()
    assert split.name == "files"
    assert split.train.tolist() == [[0, 1]]
    assert split.test.tolist() == [[4, 5], [2, 3]]
    assert len(split.valid) == 0  # half of one link


def test_a_file_of_validation_links_is_taken(tiny, read):
    tiny.write("splits/files/test_links", "4\t5\n")
    tiny.write("splits/files/valid_links", "2\t3\n")
    assert read(valid_ratio=0.9).valid.tolist() == [[2, 3]]


def test_an_unknown_split_names_the_closest(read, tiny):
    with pytest.raises(InputError, match=r"the split 'file' \(did you mean 'files'\?\)") as error:
        read(split="file")
    assert error.value.file == tiny.folder / "splits"
    with pytest.raises(InputError, match="no split"):
        make_split(_graphs(5), DataOptions(split="x"))


BAD = {
    "no gold link": (
        "test_links",
        "4\t5\n0\t3\n",
        2,
        "0–3, which is no gold link",
        "add the link to ill_ent_ids",
    ),
    "repeated": ("test_links", "4\t5\n4\t5\n", 2, "4–5, which stands in line 1 of test_links", "remove one"),
    "in two parts": ("test_links", "\n0\t1\n", 2, "0–1, which stands in line 1 of train_links", "remove one"),
    "in valid too": ("valid_links", "0\t1\n", 1, "0–1, which stands in line 1 of train_links", "remove one"),
    "too few fields": ("test_links", "4\n", 1, "1 field(s)", "complete or remove"),
    "no training links": ("train_links", "", None, "an empty file", "restore train_links"),
    "no test links": ("test_links", "\n", None, "an empty file", "restore test_links"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_split_files_are_named(tiny, read, case):
    name, content, line, found, mend = BAD[case]
    path = tiny.write(f"splits/files/{name}", content)
    with pytest.raises(InputError, match=re.escape(found)) as error:
        read()
    assert (error.value.file, error.value.line) == (path, line)
    assert mend in error.value.mend


@pytest.mark.parametrize("name", ["train_links", "test_links"])
def test_a_missing_part_is_named(tiny, read, name):
    (tiny.folder / "splits/files" / name).unlink()
    with pytest.raises(InputError, match=f"put {name} there"):
        read()


def test_published_split(shared_data):
    folder = shared_data / "DBP15K" / "zh_en"
    options = DataOptions(split="published_0.3_3408")
    split = make_split(published.read(folder, "DBP15K/zh_en", ()), options, folder)
    assert [len(split.train), len(split.valid), len(split.test)] == [4050, 450, 10_500]

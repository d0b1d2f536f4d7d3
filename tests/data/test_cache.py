"""The cache gives back what was read, and never stands in the way."""

import dataclasses

import numpy as np
import pytest

from mmea_jax.data import cache
from mmea_jax.data.formats import published
from mmea_jax.data.strings import pack, unpack

EVERY = ("relation", "attribute", "name", "char")


@pytest.fixture
def kgs(tiny):
    return published.read(tiny.folder, "Tiny/a_b", EVERY)


def never():
    raise AssertionError("read again")


def assert_same(one, other):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
        elif field.name == "modalities":
            assert list(a) == list(b)
            for modality in a:
                assert_same(a[modality], b[modality])
        else:
            assert a == b


def test_an_entry_comes_back_whole(tmp_path, kgs):
    assert cache.cached(tmp_path / "new", "entry", lambda: kgs) is kgs
    assert_same(cache.cached(tmp_path / "new", "entry", never), kgs)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["entry.npz"]


@pytest.mark.parametrize("damage", ["cut", "junk", "other", "nothing"])
def test_a_damaged_entry_is_made_anew(tmp_path, kgs, damage):
    cache.cached(tmp_path, "entry", lambda: kgs)
    path = tmp_path / "entry.npz"
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "other":
        np.savez(path, side=np.zeros(3))
    else:
        path.write_bytes(b"junk" if damage == "junk" else b"")
    assert_same(cache.cached(tmp_path, "entry", lambda: kgs), kgs)
    assert_same(cache.cached(tmp_path, "entry", never), kgs)


def test_a_flipped_byte_never_shows(tmp_path, kgs):
    cache.cached(tmp_path, "entry", lambda: kgs)
    path = tmp_path / "entry.npz"
    content = path.read_bytes()
    for place in range(0, len(content), len(content) // 97):
        path.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        assert_same(cache.cached(tmp_path, "entry", lambda: kgs), kgs)


def test_an_unwritable_folder_costs_a_warning(tmp_path, kgs):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(RuntimeWarning, match="is not cached") as warned:
        assert cache.cached(tmp_path / "file" / "cache", "entry", lambda: kgs) is kgs
    assert len(warned) == 1
    assert "--config.data.cache" in str(warned[0].message)


def test_the_key_follows_content_and_request(tmp_path):
    file = tmp_path / "a"
    file.write_text("1")
    keys = {cache.key([file], "x"), cache.key([file], "y"), cache.key([], "x")}
    file.write_text("2")
    assert len(keys | {cache.key([file], "x")}) == 4
    file.write_text("1")
    assert cache.key([file], "x") in keys


def test_the_default_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.default_folder() == tmp_path / "mmea_jax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.default_folder().parts[-2:] == (".cache", "mmea_jax")


@pytest.mark.parametrize("strings", [(), ("",), ("a", "", "é\n\0", "\ud800")])
def test_strings_survive_packing(strings):
    assert unpack(*pack(strings)) == strings

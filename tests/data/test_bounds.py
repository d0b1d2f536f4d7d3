"""Sizes are refused before memory is asked for, and the refusal says how much it would have been."""

import bz2
import gzip
import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest

from mmea_jax.data import SyntheticOptions, bounds
from mmea_jax.data.completion_features import name_vectors, read_modality
from mmea_jax.data.formats import pickles
from mmea_jax.data.formats.features import read_features
from mmea_jax.data.formats.pickle_limits import check_memo
from mmea_jax.data.formats.torch_archives import load_tensor
from mmea_jax.data.names import read_translated
from mmea_jax.data.own.rdf import read_rdf
from mmea_jax.data.own.source import Source
from mmea_jax.data.synthetic import generate
from mmea_jax.errors import InputError

NEEDS = r"need about [\d,]+\.\d GiB of memory; expected at most the [\d,]+\.\d GiB"


@pytest.fixture
def small_memory(monkeypatch):
    """As if 1 MiB were free."""
    monkeypatch.setattr(bounds, "host_memory", lambda: 1 << 20)


@pytest.mark.parametrize("knobs", [{"entities": 10**12}, {"visual_width": 10**10}, {"relations": 10**11}])
def test_a_generated_world_beyond_the_memory(knobs):
    with pytest.raises(InputError, match=NEEDS):
        generate(SyntheticOptions(**knobs))


def test_text_features_beyond_the_memory():
    with pytest.raises(InputError, match=NEEDS):
        name_vectors([["a"]] * 1000, 10**12)


def _npy(shape, dtype="<f4") -> bytes:
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)


def test_an_array_that_promises_more_than_its_file_holds(tmp_path):
    path = tmp_path / "Tiny-visual.npy"
    path.write_bytes(_npy((10**6, 10**6)))
    with pytest.raises(InputError, match=r"no sound \.npy.*4,000,000,000,000 bytes in"):
        read_modality(path, ["a"])
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("features.npy", _npy((10**6, 10**6)))
        archive.writestr("ids.npy", _npy((2,), "<i8"))
    with pytest.raises(InputError, match=r"no sound \.npz.*4,000,000,000,000 bytes in"):
        read_features(path)


@pytest.mark.parametrize(("name", "read"), [("a.npz", read_features), ("a.pth", load_tensor)])
def test_an_archive_that_unpacks_to_more_than_the_memory(tmp_path, small_memory, name, read):
    path = tmp_path / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(1 << 22))
    assert path.stat().st_size < 1 << 13
    with pytest.raises(InputError, match="4,194,304 bytes when unpacked, which " + NEEDS):
        read(path)


def test_a_file_whose_content_would_not_fit(tmp_path, small_memory):
    path = tmp_path / "names.json"
    path.write_text(json.dumps([[0, ["a" * 60_000]]]))
    with pytest.raises(InputError, match=NEEDS) as error:
        read_translated(path, {0: 0})
    assert error.value.file == path


@pytest.mark.parametrize(("name", "pack"), [("a.nt.gz", gzip.compress), ("a.ttl.bz2", bz2.compress)])
def test_packed_statements_that_unpack_to_more_than_the_memory(tmp_path, small_memory, name, pack):
    path = tmp_path / name
    path.write_bytes(pack(b"# nothing but a comment\n" * 100_000))
    assert path.stat().st_size < 1 << 14
    with pytest.raises(InputError, match="and more bytes when unpacked, which " + NEEDS) as error:
        read_rdf(path, Source("a"))
    assert error.value.file == path


def test_one_vector_named_by_many_keys(tmp_path, small_memory):
    path, vector = tmp_path / "a.pkl", np.ones(3000)
    path.write_bytes(pickle.dumps({key: vector for key in range(100)}))
    with pytest.raises(InputError, match="100 vectors, which " + NEEDS):
        read_features(path)


def test_lists_that_hold_themselves_many_times(tmp_path):
    nested = [1.0]
    for _ in range(60):
        nested = [nested] * 9
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({0: nested}))
    with pytest.raises(InputError, match="a vector of numbers"):
        read_features(path)


def test_brackets_without_end(tmp_path):
    path = tmp_path / "names.json"
    for content in ("[" * 100_000, "[[" + "9" * 10_000 + ", []]]"):
        path.write_text(content)
        with pytest.raises(InputError, match=r"JSON|brackets"):
            read_translated(path, {0: 0})


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_that_programs_write_pass(protocol):
    many = [str(i) for i in range(300)]
    value = {"a": [1, 2.5, True, None], 2**70: (b"x", "é"), "b": np.arange(9.0), "c": [many, many, 70_000]}
    check_memo(pickle.dumps(value, protocol))
    check_memo(pickle.dumps({i: [float(i)] * 5000 for i in range(3)}, protocol))


@pytest.mark.parametrize(
    "content", [b"\x80\x02}r\xff\xff\xff\x7f.", b"(dp999999999999\n.", b"]" * 9 + b"r\x13\0\0\0."]
)
def test_a_memo_larger_than_its_pickle(tmp_path, content):
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"object number [\d,]+ in \d+ bytes"):
        pickles.load(path)


@pytest.mark.parametrize("content", [b"", b"]", b"cos", b"r\x01", b"\xff", b"X\xff\xff\xff\xff."])
def test_what_is_no_pickle_is_an_error(content):
    with pytest.raises(ValueError):
        check_memo(content)


def test_headers_alone_are_read():
    bounds.check_npy(io.BytesIO(_npy((4, 4))), 64)
    with pytest.raises(ValueError, match="64 bytes in 63"):
        bounds.check_npy(io.BytesIO(_npy((4, 4))), 63)

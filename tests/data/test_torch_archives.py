"""Tensors from files of torch.save: values are right, and nothing in them runs."""

import io
import os
import pickle
import sys
import types
import zipfile

import numpy as np
import pytest

from mmea_jax.data.formats.torch_archives import load_tensor
from mmea_jax.errors import InputError

TABLE = np.arange(12, dtype=np.float32).reshape(4, 3) / 8


@pytest.fixture
def fake_torch(monkeypatch):
    """Just so much of PyTorch that pickling writes its names."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*_):
        raise AssertionError("a function that the file names was called")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    for name in ("FloatStorage", "HalfStorage", "BFloat16Storage", "IntStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


class Tensor:
    def __init__(self, rebuild, storage, *shape):
        self.parts = rebuild, storage, shape

    def __reduce__(self):
        rebuild, storage, (offset, size, stride) = self.parts
        return rebuild, (storage, offset, size, stride, False, {})


class Storage:
    def __init__(self, kind, key, count):
        self.pid = ("storage", kind, key, "cpu", count)


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.pid if isinstance(value, Storage) else None


def write(path, value, content=b"", order=b"little", key="0"):
    buffer = io.BytesIO()
    Pickler(buffer, 2).dump(value)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", buffer.getvalue())
        archive.writestr("x/byteorder", order)
        archive.writestr(f"x/data/{key}", content)
    return path


def tensor(torch, kind="FloatStorage", count=12, view=(0, (4, 3), (3, 1)), key="0"):
    rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
    return Tensor(rebuild, Storage(getattr(torch, kind), key, count), *view)


def test_a_file_that_pytorch_wrote(golden):
    """``torch.save`` of ``TABLE`` in columns, without its first row: an offset and strides of their own."""
    np.testing.assert_array_equal(load_tensor(golden / "tensor.pth"), TABLE[1:])


@pytest.mark.parametrize("order", ["<", ">"])
def test_types_and_byte_orders(tmp_path, fake_torch, order):
    name = {"<": b"little", ">": b"big"}[order]
    for kind, dtype in (("FloatStorage", "f4"), ("HalfStorage", "f2")):
        content = TABLE.astype(order + dtype).tobytes()
        found = load_tensor(write(tmp_path / "a.pth", tensor(fake_torch, kind), content, name))
        np.testing.assert_array_equal(found, TABLE)
        assert found.dtype == np.dtype(dtype)
    upper = (TABLE.view(np.uint32) >> 16).astype(f"{order}u2").tobytes()
    found = load_tensor(write(tmp_path / "b.pth", tensor(fake_torch, "BFloat16Storage"), upper, name))
    np.testing.assert_array_equal(found, TABLE)  # eighths up to 11/8 are exact in bfloat16


def test_views_of_a_storage(tmp_path, fake_torch):
    content = TABLE.tobytes()
    columns = tensor(fake_torch, view=(1, (3, 2), (3, 1)))
    np.testing.assert_array_equal(load_tensor(write(tmp_path / "a.pth", columns, content)), TABLE[:3, 1:])


@pytest.mark.parametrize(
    "view", [(0, (5, 3), (3, 1)), (1, (4, 3), (3, 1)), (-1, (1, 1), (1, 1)), (0, (9, 9), (0, 0))]
)
def test_views_beyond_the_storage_are_refused(tmp_path, fake_torch, view):
    path = write(tmp_path / "a.pth", tensor(fake_torch, view=view), TABLE.tobytes())
    with pytest.raises(InputError, match=r"storage|negative"):
        load_tensor(path)


def test_a_state_dictionary_of_one_table(tmp_path, fake_torch):
    path = write(tmp_path / "a.pth", {"weight": tensor(fake_torch)}, TABLE.tobytes())
    np.testing.assert_array_equal(load_tensor(path), TABLE)


class Calls:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", [os.system, eval, getattr, pickle.loads])
def test_other_names_are_refused_and_nothing_runs(tmp_path, function):
    marker = tmp_path / "ran"
    path = write(tmp_path / "a.pth", Calls(function, f"touch {marker}"))
    with pytest.raises(InputError, match=r"calls for") as error:
        load_tensor(path)
    assert error.value.file == path
    assert not marker.exists()


@pytest.mark.parametrize("key", ["../../0", "data.pkl"])
def test_storages_lie_inside_the_archive(tmp_path, fake_torch, key):
    with pytest.raises(InputError):
        load_tensor(write(tmp_path / "a.pth", tensor(fake_torch, key=key), TABLE.tobytes(), key=key))


def test_other_content_says_what_was_found(tmp_path, fake_torch):
    cases = {
        "calls for torch.IntStorage": tensor(fake_torch, "IntStorage"),
        "found a list": [tensor(fake_torch)],
        "found a int": 5,
    }
    for words, value in cases.items():
        with pytest.raises(InputError, match=words):
            load_tensor(write(tmp_path / "a.pth", value, TABLE.tobytes()))


def test_no_archive_and_cut_ones(tmp_path, golden):
    (tmp_path / "a.pth").write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
    with pytest.raises(InputError, match="no zip archive"):
        load_tensor(tmp_path / "a.pth")
    whole = (golden / "tensor.pth").read_bytes()
    (tmp_path / "b.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError):
        load_tensor(tmp_path / "b.pth")
    with zipfile.ZipFile(tmp_path / "c.pth", "w") as archive:
        archive.writestr("x/other", b"")
    with pytest.raises(InputError, match=r"data\.pkl"):
        load_tensor(tmp_path / "c.pth")

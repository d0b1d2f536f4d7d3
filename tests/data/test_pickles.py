"""Feature files: nothing in a pickle runs, and every format gives the same vectors."""

import collections
import io
import os
import pickle
import pickletools
import re
import subprocess
import sys

import numpy as np
import pytest

from mmea_jax.data import convert
from mmea_jax.data.formats import pickles
from mmea_jax.data.formats.features import Features, read_features, write_features
from mmea_jax.errors import InputError

VALUES = {
    "ints": [1, -5, 2**70],
    "floats": (1.5, float("inf")),
    "text": "é",
    "nested": {1: {"a": [True, None]}},
    "array": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "half": np.arange(4, dtype=np.float16),
    "big endian": np.arange(3, dtype=">i4"),
    "empty": np.zeros((0, 3)),
    "scalar": np.float32(2.5),
    "strings": np.array(["ab", "c"]),
}


class Calls:
    """Pickles to a call of any function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_containers_survive_every_protocol(tmp_path, protocol):
    path = tmp_path / "values.pkl"
    path.write_bytes(pickle.dumps(VALUES, protocol))
    loaded = pickles.load(path)
    assert loaded.keys() == VALUES.keys()
    for key, value in VALUES.items():
        np.testing.assert_array_equal(np.asarray(loaded[key]), value)
        if isinstance(value, np.ndarray):
            dtype = np.asarray(loaded[key]).dtype
            assert dtype.newbyteorder("=") == value.dtype.newbyteorder("=")


@pytest.mark.parametrize("protocol", [2, 4])
def test_numpy_1_and_2_name_their_parts_differently(tmp_path, protocol):
    content = pickle.dumps({0: np.ones(3, np.float32)}, protocol)
    if protocol == 2:
        renamed = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    else:  # the name is preceded by its length, and the frame by its own
        renamed = content.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
        renamed = renamed[:3] + (len(renamed) - 11).to_bytes(8, "little") + renamed[11:]
    assert renamed != content
    path = tmp_path / "old.pkl"
    path.write_bytes(renamed)
    assert read_features(path).vectors.tolist() == [[1, 1, 1]]


HOSTILE = {
    "os.system": Calls(os.system, "touch ran"),
    "eval": Calls(eval, "open('ran', 'w')"),
    "getattr": Calls(getattr, "x", "upper"),
    "subprocess": Calls(subprocess.check_output, ["touch", "ran"]),
    "numpy.load": Calls(np.load, "x"),
    "a set type": Calls(set, [1]),
    "OrderedDict": collections.OrderedDict(a=1),
    "deque": collections.deque([1]),
    "bytearray": Calls(bytearray, 10**12),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_other_names_are_refused_by_name_and_nothing_runs(tmp_path, monkeypatch, name, protocol):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "hostile.pkl"
    content = pickle.dumps({0: HOSTILE[name]}, protocol)
    path.write_bytes(content)
    called = [argument for opcode, argument, _ in pickletools.genops(content) if opcode.name == "GLOBAL"]
    with pytest.raises(InputError, match="a pickle that calls for") as error:
        read_features(path)
    if called and name != "a set type":
        assert any(call.replace(" ", ".") in str(error.value) for call in called)
    assert error.value.file == path
    assert "if you trust the file" in error.value.mend
    assert not (tmp_path / "ran").exists()


def test_arrays_of_objects_and_records_are_refused(tmp_path):
    for array in (np.array([{}, None], object), np.zeros(2, [("a", "i4")])):
        path = tmp_path / "objects.pkl"
        path.write_bytes(pickle.dumps({0: array}))
        with pytest.raises(InputError, match="no sound pickle"):
            pickles.load(path)


def test_allowed_names_cannot_be_tampered_with(tmp_path):
    # BUILD with a pair sets attributes on what a name stands for.
    hostile = b"cnumpy\ndtype\n(N}V__call__\nI1\nstb."
    path = tmp_path / "tampering.pkl"
    path.write_bytes(hostile)
    with pytest.raises(InputError, match="no sound pickle"):
        pickles.load(path)
    path.write_bytes(pickle.dumps({0: np.ones(2)}))
    assert read_features(path).vectors.tolist() == [[1, 1]]


def test_every_truncation_is_an_input_error(tmp_path):
    content = pickle.dumps({0: np.ones(3, np.float32), 1: np.zeros(3, np.float32)}, 2)
    path = tmp_path / "cut.pkl"
    for end in range(len(content)):
        path.write_bytes(content[:end])
        with pytest.raises(InputError):
            read_features(path)


def _dumped(value, tmp_path):
    path = tmp_path / "features.pkl"
    path.write_bytes(pickle.dumps(value))
    return path


def test_lists_and_single_rows_count_as_vectors(tmp_path):
    features = read_features(_dumped({"b": np.ones((1, 2)), "a": [1, 2]}, tmp_path))
    assert features.keys == ("b", "a")
    assert features.vectors.tolist() == [[1, 1], [1, 2]]
    assert read_features(_dumped({np.int64(3): np.ones(2)}, tmp_path)).keys == (3,)


BAD = {
    "unequal width": ({0: [1.0, 2], 1: [1.0], 2: [0.0, 1]}, "width 1 for 1", "remove the entry"),
    "not a number": ({0: [1.0, 2], 7: [1.0, np.nan]}, "nan in component 1 of the vector for 7", "remove the"),
    "infinite": ({0: np.array([np.inf, 2], np.float16)}, "inf in component 0 of the vector for 0", "remove"),
    "text as a vector": ({0: "abc"}, "str 'abc' for 0", "remove the entry"),
    "ragged": ({0: [[1.0], [1.0, 2.0]]}, "for 0", "remove the entry"),
    "no dict": ([1.0], "a pickled list", "take the feature file"),
    "nothing": ({}, "no features", "write the file again"),
    "mixed keys": ({0: [1.0], "a": [1.0]}, "keys of type int, str", "one kind of key"),
    "float keys": ({0.5: [1.0]}, "keys of type float", "one kind of key"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_features_are_named(tmp_path, case):
    value, found, mend = BAD[case]
    path = _dumped(value, tmp_path)
    with pytest.raises(InputError, match=re.escape(found)) as error:
        read_features(path)
    assert error.value.file == path
    assert mend in error.value.mend


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("keys", [(4, 0, -3), ("b", "é", "")])
def test_own_formats_keep_keys_and_precision(tmp_path, suffix, keys):
    path = tmp_path / f"features{suffix}"
    features = Features(keys, np.arange(6, dtype=np.float16).reshape(3, 2))
    write_features(path, features)
    again = read_features(path)
    assert again.keys == keys
    assert again.vectors.dtype == np.float16
    np.testing.assert_array_equal(again.vectors, features.vectors)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pkl"])
def test_unsound_and_missing_files_are_input_errors(tmp_path, suffix):
    path = tmp_path / f"features{suffix}"
    with pytest.raises(InputError, match="no such file"):
        read_features(path)
    path.write_bytes(b"\x10junk")
    with pytest.raises(InputError, match=f"no sound .*{suffix[1:]}|no sound pickle"):
        read_features(path)


def test_an_npz_of_objects_or_without_keys_is_refused(tmp_path):
    path = tmp_path / "features.npz"
    np.savez(path, ids=np.array([{}], object), features=np.ones((1, 2)))
    with pytest.raises(InputError, match=r"no sound \.npz"):
        read_features(path)
    np.savez(path, features=np.ones((1, 2)))
    with pytest.raises(InputError, match="arrays 'features'"):
        read_features(path)
    np.savez(path, features=np.ones((1, 2)), ids=np.arange(2))
    with pytest.raises(InputError, match=r"float64\[1, 2\] for 2 keys"):
        read_features(path)


def test_converter(tmp_path, capsys):
    source, target = _dumped({5: [1.0, 2.0]}, tmp_path), tmp_path / "out.npz"
    assert convert.main([str(source), str(target)]) == 0
    assert read_features(target).keys == (5,)
    assert "1 vectors of width 2" in capsys.readouterr().out
    assert convert.main([str(source), str(tmp_path / "out.pkl")]) == 2
    assert "the suffix '.pkl'" in capsys.readouterr().err


def test_converter_refuses_hostile_pickles_with_exit_code_2(tmp_path):
    path = _dumped({0: Calls(os.system, "true")}, tmp_path)
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "mmea_jax.data.convert",
        str(path),
        str(tmp_path / "o.npz"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=convert.__file__.rpartition("/mmea_jax")[0]
    )
    assert done.returncode == 2, done.stderr
    assert "a pickle that calls for" in done.stderr
    assert not (tmp_path / "o.npz").exists()


def test_converter_explains_itself(capsys):
    with pytest.raises(SystemExit) as stop:
        convert.main(["--help"])
    assert stop.value.code == 0
    assert "Exit codes" in capsys.readouterr().out


def test_python_2_pickles_load(tmp_path):
    # What Python 2 wrote: protocol 2, contents as a string of single bytes.
    stream = io.BytesIO()
    stream.write(b"\x80\x02}K\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R")
    stream.write(b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xff")
    stream.write(b"J\xff\xff\xff\xffK\x00tb\x89U\x08\x00\x00\x80\x3f\x00\x00\x00\xc0tbs.")
    path = tmp_path / "python2.pkl"
    path.write_bytes(stream.getvalue())
    assert read_features(path).vectors.tolist() == [[1, -2]]


def test_published_feature_files(shared_data):
    features = read_features(shared_data / "pkls" / "zh_en_GA_id_img_feature_dict.pkl")
    assert features.vectors.shape == (30_388, 128)
    assert features.vectors.dtype == np.float16

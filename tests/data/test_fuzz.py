"""Mutated input files: each is read or refused by the documented error; no traceback, no hang.

More inputs than the default suite has time for, and how many were tried:

    python -m pytest -n 0 -s -m slow tests/data/test_fuzz.py
"""

import contextlib
import json
import shutil
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmea_jax.data import DataOptions, load
from mmea_jax.data.completion_load import load_completion
from mmea_jax.data.completion_options import CompletionOptions
from mmea_jax.data.formats.features import Features, write_features
from mmea_jax.errors import InputError
from mmea_jax.training.exporting import Embedded, read_export, write_export
from mmea_jax.training.writers import RunFolder
from tests.data.conftest import Tiny

FEW, MANY = 40, 4000
SECONDS = 20  # for one small input, on a busy machine
# What a careless or hostile file may have where another thing belongs.
BITS = [
    *(b"", b"\0", b"\t", b"\n", b"\r\n", b" ", b"-1", b"0", b"1e9", b"1_0", b"9" * 20, b"9" * 5000, b"nan"),
    *(b"inf", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", "é".encode(), "٣".encode(), b"../../x", b"[" * 5000),
    *(b'"', b"{}", b"null", b"r\xff\xff\xff\x7f", b"cos\nsystem\n", b"\x8c", b"\x95", b"\x80\x05", b"PK"),
]
PLACES = st.floats(0, 1)
MUTATIONS = st.one_of(
    st.tuples(st.just("cut"), PLACES, PLACES),
    st.tuples(st.just("flip"), PLACES, st.integers(1, 255)),
    st.tuples(st.just("put"), PLACES, st.sampled_from(BITS)),
    st.tuples(st.just("replace"), PLACES, st.sampled_from(BITS)),
    st.tuples(st.just("repeat"), PLACES, PLACES),
    st.tuples(st.just("end"), PLACES, st.none()),
    st.tuples(st.just("line"), PLACES, PLACES),
    st.tuples(st.just("all"), PLACES, st.binary(max_size=40)),
)


def mutated(content: bytes, how: str, place: float, what) -> bytes:
    """The content with one thing wrong."""
    at = int(place * len(content))
    if how == "cut":
        return content[:at] + content[at + 1 + int(what * 20) :]
    if how == "flip":
        return (
            content[:at] + bytes([content[at] ^ what]) + content[at + 1 :] if at < len(content) else content
        )
    if how == "put":
        return content[:at] + what + content[at:]
    if how == "replace":
        return content[:at] + what + content[at + len(what) :]
    if how == "repeat":
        return content[:at] + 2 * content[at : at + 1 + int(what * 50)] + content[at:]
    if how == "end":
        return content[:at]
    if how == "line":
        lines = content.split(b"\n")
        one, other = int(place * (len(lines) - 1)), int(what * (len(lines) - 1))
        lines[one], lines[other] = lines[other], lines[one] + lines[other]
        return b"\n".join(lines)
    return what


@contextlib.contextmanager
def limited(seconds: int):
    """Ends what hangs."""

    def late(*_):
        raise TimeoutError(f"still at it after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Target:
    """Sound files, and what reads them.

    Args:
      folder: of the files, which are mutated one at a time.
      read: takes no argument.
    """

    def __init__(self, folder: Path, read):
        self.files = sorted(
            path for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts
        )
        self.sound = {path: path.read_bytes() for path in self.files}
        self._read = read
        self.tried = self.refused = 0
        self.words = {"; expected ", "To mend it: "}  # that all errors had
        read()

    def attempt(self, path: Path, mutations) -> None:
        content = self.sound[path]
        for mutation in mutations:
            content = mutated(content, *mutation)
        path.write_bytes(content)
        self.tried += 1
        try:
            with limited(SECONDS):
                self._read()
        except InputError as error:
            self.refused += 1
            self.words &= {word for word in ("; expected ", "To mend it: ") if word in str(error)}
        finally:
            path.write_bytes(self.sound[path])


def _vectors(keys) -> Features:
    return Features(keys, np.random.default_rng(0).standard_normal((len(keys), 3)).astype(np.float32))


def _alignment(folder: Path) -> Target:
    tiny = Tiny(folder)
    names = tiny.root / "Tiny" / "translated_ent_name" / "ref_a_b.json"
    names.parent.mkdir()
    names.write_text(json.dumps([[0, ["red", "apple"]], [1, ["apple"]], [9, []]]))
    tiny.write("splits/files/valid_links", "0\t1\n")
    tiny.write("splits/files/train_links", "2\t3\n")
    tiny.write("splits/files/test_links", "4\t5\n")
    tiny.write_features({0: np.ones(3, np.float32), 1: [1.0, 2.0, 3.0], 9: np.zeros((1, 3), np.float16)})
    options = tiny.options(visual="files", name="words", char="bigrams")
    return Target(folder, lambda: load(options))


def _feature_files(folder: Path) -> Target:
    tiny = Tiny(folder)
    files = {"visual": "v.npz", "attribute": "a.safetensors", "name": "n.npz"}
    write_features(folder / files["visual"], _vectors((0, 1, 9)))
    write_features(folder / files["attribute"], _vectors(("http://a/Axe", "http://b/Stone")))
    write_features(folder / files["name"], _vectors((0, 1)), np.array([True, False]))
    paths = {modality: str(folder / name) for modality, name in files.items()}
    options = DataOptions(
        dataset="Tiny/a_b", root=tiny.root, split="files", cache=folder / "c", visual="none", features=paths
    )
    target = Target(folder, lambda: load(options))
    target.files = [folder / name for name in files.values()]
    return target


def _completion(folder: Path) -> Target:
    data = folder / "MKGC" / "Tiny"
    data.mkdir(parents=True)
    entities = "".join(f"<http://a/E_{i}>\t{i}\n" for i in range(6))
    triples = [(i, j, (i + j) % 2) for i in range(6) for j in range(6) if i != j]
    (data / "entity2id.txt").write_text(f"6\n{entities}")
    (data / "relation2id.txt").write_text("2\ngrows\t0\nnear\t1\n")
    for part, own in (("train", triples[:24]), ("valid", triples[24:27]), ("test", triples[27:])):
        lines = "".join(f"{h} {t} {r}\n" for h, t, r in own)
        (data / f"{part}2id.txt").write_text(f"{len(own)}\n{lines}")
    np.save(data / "Tiny-visual.npy", np.ones((6, 3), np.float32))
    _write_tensor(data / "Tiny-textual.pth", np.ones((6, 3), np.float32))
    options = CompletionOptions(dataset="MKGC/Tiny", root=folder, valid_ratio=0.1)
    return Target(folder, lambda: load_completion(options))


def _write_tensor(path: Path, table: np.ndarray) -> None:
    """As ``torch.save`` writes a tensor."""
    rows, columns = table.shape
    pickled = (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK%ctQK\x00K%cK%c\x86K%cK\x01\x86\x89}tR."
        % (table.size, rows, columns, columns)
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/byteorder", b"little")
        archive.writestr("x/data/0", table.astype("<f4").tobytes())


def _work_directory(folder: Path) -> Target:
    config = {"method": "eva", "seed": 0, "data": {"dataset": "synthetic"}}
    run = RunFolder(folder)
    run.write_config(config)
    run.write_results({"stages": [], "test": {"csls": {}}})
    run.log({"step": 1, "loss": 2.0})

    def read():
        run.finished(config)
        run.check_config(config)
        run.events()

    return Target(folder, read)


def _export(folder: Path) -> Target:
    arrays = {"joint": np.ones((2, 3), np.float32), "side": np.array([0, 1], np.int8)}
    config = {"method": "eva", "data": {"dataset": "synthetic"}}
    write_export(folder, Embedded(arrays, {"entities": ("a", "é")}, {"task": "alignment"}), {}, {}, config)
    target = Target(folder, lambda: read_export(folder / "export"))
    target.files = [folder / "export" / "embeddings.safetensors"]
    return target


TARGETS = {
    "alignment": _alignment,
    "feature files": _feature_files,
    "completion": _completion,
    "work directory": _work_directory,
    "export": _export,
}


def fuzz(kind: str, folder: Path, count: int, capsys) -> None:
    target = TARGETS[kind](folder)

    @settings(
        max_examples=count,
        derandomize=count == FEW,  # the default suite says the same each time
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(path=st.sampled_from(target.files), mutations=st.lists(MUTATIONS, min_size=1, max_size=3))
    def attempt(path, mutations):
        target.attempt(path, mutations)

    attempt()
    # With everything as it was, it is read again.
    target.attempt(target.files[0], [])
    with capsys.disabled():
        print(f"\n{kind}: {target.tried:,} mutated inputs tried, {target.refused:,} refused, the others read")
    assert 0 < target.refused < target.tried
    assert len(target.words) == 2
    shutil.rmtree(folder)


@pytest.mark.parametrize("kind", TARGETS)
def test_some_mutated_files(kind, tmp_path, capsys):
    fuzz(kind, tmp_path / "files", FEW, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("kind", TARGETS)
def test_many_mutated_files(kind, tmp_path, capsys):
    fuzz(kind, tmp_path / "files", MANY, capsys)

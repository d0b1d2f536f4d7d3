"""Sound input of every kind, small, and what reads it; ``test_fuzz.py`` mutates the files."""

import contextlib
import gzip
import json
import shutil
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mmea_jax.data import DataOptions, layouts, load
from mmea_jax.data.completion_load import load_completion
from mmea_jax.data.completion_options import CompletionOptions
from mmea_jax.data.formats.features import Features, write_features
from mmea_jax.data.own import OWN, OwnOptions
from mmea_jax.errors import InputError
from mmea_jax.training.checkpoints import Checkpoints
from mmea_jax.training.exporting import Embedded, read_export, write_export
from mmea_jax.training.writers import RunFolder
from tests.data.conftest import Tiny
from tests.data.own.test_load_own import NT, TABLES, TTL
from tests.data.test_named import Small

SAME = "<http://www.w3.org/2002/07/owl#sameAs>"
XML = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:a="http://a/">
<rdf:Description rdf:about="http://a/ulm"><a:twin rdf:resource="http://a/minster"/><a:people>12</a:people>
</rdf:Description></rdf:RDF>
"""
SECONDS = 20  # for one small input, on a busy machine


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
      folder: of the files, of which one at a time is to be spoilt.
      read: takes no argument.
    """

    def __init__(self, folder: Path, read: Callable[[], object]):
        self.files = sorted(
            path for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts
        )
        self.sound = {path: path.read_bytes() for path in self.files}
        self._read = read
        self.tried = self.refused = 0
        self.words = {"; expected ", "To mend it: "}  # that all errors had
        read()

    def attempt(self, path: Path, content: bytes) -> None:
        """Reads with ``content`` in the file; an InputError counts, any other error is raised."""
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


def _named(folder: Path) -> Target:
    small = Small(folder)
    return Target(folder, lambda: small.load())


def _conversion(folder: Path) -> Target:
    """Of either layout into the other; nothing is written where one is refused."""
    tiny, small = Tiny(folder), Small(folder)
    tiny.write("numerical_triples_1", "0\theight\t2.5\n")
    out = folder.with_name("converted")

    def read():
        shutil.rmtree(out, ignore_errors=True)
        try:
            layouts.convert(tiny.folder, out / "names")
            layouts.convert(small.folder, out / "ids")
        except InputError:
            assert len(list(out.glob("*"))) < 2
            raise

    return Target(folder, read)


def _own_graphs(folder: Path) -> Target:
    for side in ("left", "right"):
        (folder / side).mkdir(parents=True)
    (folder / "left" / "a.nt").write_text(NT, encoding="utf-8")
    (folder / "left" / "b.ttl").write_text(TTL, encoding="utf-8")
    (folder / "left" / "c.rdf").write_text(XML, encoding="utf-8")
    with gzip.open(folder / "left" / "d.nt.gz", "wb") as file:
        file.write(NT.encode())
    for name, text in TABLES.items():
        (folder / "right" / name).write_text(text)
    (folder / "seeds.tsv").write_text("http://a/ulm\thttp://a/ulm\nhttp://a/danube\thttp://a/danube\n")
    (folder / "gold.nt").write_text(f"<http://a/minster> {SAME} <http://a/minster> .\n")
    places = [str(folder / name) for name in ("left", "right", "seeds.tsv", "gold.nt")]
    options = DataOptions(dataset=OWN, own=OwnOptions(*places, few=True), visual="none")
    return Target(folder, lambda: load(options))


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


def _checkpoints(folder: Path) -> Target:
    """Of two, the newer is spoilt; what cannot be read of it gives way to the other."""
    arrays = {"x": np.arange(6, dtype=np.float32)}
    with Checkpoints(folder) as saved:
        for step in (1, 2):
            saved.save(step, arrays, {"epoch": step})

    def read():
        with Checkpoints(folder) as saved:
            step, *_ = saved.restore(arrays)
        assert step in (1, 2)

    target = Target(folder, read)
    target.files = [path for path in target.files if path.is_relative_to(folder / "2")]
    return target


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
    "layout by names": _named,
    "conversion": _conversion,
    "graphs of one's own": _own_graphs,
    "completion": _completion,
    "work directory": _work_directory,
    "export": _export,
    "checkpoints": _checkpoints,
}

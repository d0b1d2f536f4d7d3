"""The layout that goes by names: read as it is, converted there and back."""

import dataclasses
import pickle
import shutil

import numpy as np
import pytest

from mmea_jax.data import DataOptions, load
from mmea_jax.data.convert import main
from mmea_jax.data.formats import named, published
from mmea_jax.data.named_features import read_named_features
from mmea_jax.errors import InputError

FILES = {
    "rel_triples_1": "a/Red\tgrows\ta/Pear\na/Pear\tnear\ta/Red\na/Red\tgrows\ta/Pear\na/Old\tnear\ta/Old\n",
    "rel_triples_2": "b/Red\tgrows\tb/Pear\nb/Pear\tin\tb/Tree\n",
    "attr_triples_1": "a/Red\tcolour\tred\na/Red\ttaste\ta\tb\na/Axe\tweight\t3.5\n",
    "attr_triples_2": "b/Red\ttaste\t\n",
    "721_5fold/1/train_links": "a/Red\tb/Red\n",
    "721_5fold/1/valid_links": "a/Pear\tb/Pear\n",
    "721_5fold/1/test_links": "a/Old\tb/Tree\n",
    "721_5fold/2/train_links": "a/Old\tb/Tree\na/Pear\tb/Pear\n",
    "721_5fold/2/test_links": "a/Red\tb/Red\n",
}
NAMES = ("a/Red", "a/Pear", "a/Old", "a/Axe", "b/Red", "b/Pear", "b/Tree")


class Small:
    """The folder, with ways to spoil it."""

    def __init__(self, root):
        self.root, self.folder = root, root / "Small" / "a_b"
        for name, text in FILES.items():
            self.write(name, text)
        rng = np.random.default_rng(0)
        for stem in ("clip_image", "bert_attr"):
            for side, own in ((1, NAMES[:2]), (2, NAMES[4:6])):
                rows = {name: rng.standard_normal((1, 3)).astype(np.float32) for name in own}
                self.write(f"{stem}_{side}.pkl", pickle.dumps(rows))

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def load(self, **options):
        defaults = {"dataset": "Small/a_b", "root": self.root, "split": "721_5fold/1"}
        return load(DataOptions(**{**defaults, "cache": self.root / "cache", **options}))


@pytest.fixture
def small(tmp_path):
    return Small(tmp_path)


def test_graphs_are_read_by_name_in_the_order_of_the_files(small):
    kgs, _ = small.load()
    assert kgs.entity_names == NAMES
    np.testing.assert_array_equal(kgs.side, [0, 0, 0, 0, 1, 1, 1])
    assert kgs.relation_names == ("grows", "near", "grows", "in")
    np.testing.assert_array_equal(kgs.triples, [[0, 0, 1], [1, 1, 0], [2, 1, 2], [4, 2, 5], [5, 3, 6]])
    np.testing.assert_array_equal(kgs.links, [[0, 4], [1, 5], [2, 6]])
    assert "1 duplicate triples dropped" in kgs.notes
    assert kgs.words[0] == "red"


def test_folds_are_splits(small):
    _, split = small.load()
    assert [part.tolist() for part in (split.train, split.valid, split.test)] == [
        [[0, 4]],
        [[1, 5]],
        [[2, 6]],
    ]
    _, split = small.load(split="721_5fold/2", valid_ratio=0)
    np.testing.assert_array_equal(split.train, [[2, 6], [1, 5]])
    np.testing.assert_array_equal(split.test, [[0, 4]])
    with pytest.raises(InputError, match="721_5fold/1, 721_5fold/2"):
        small.load(split="721_5fold/3")


def test_features_come_from_both_sides_pickles(small):
    kgs, _ = small.load()
    for stem, modality in (("clip_image", "visual"), ("bert_attr", "attribute")):
        rows = kgs.modalities[modality]
        np.testing.assert_array_equal(rows.present, [1, 1, 0, 0, 1, 1, 0])
        stored = pickle.loads((small.folder / f"{stem}_2.pkl").read_bytes())["b/Pear"][0]
        np.testing.assert_allclose(rows.features[5], stored / np.linalg.norm(stored), rtol=1e-6)


def test_without_text_features_attribute_names_are_the_bag(small):
    for side in (1, 2):
        (small.folder / f"bert_attr_{side}.pkl").unlink()
    bag = small.load()[0].modalities["attribute"]
    assert bag.vocabulary == ("taste", "colour", "weight")
    np.testing.assert_array_equal(bag.matrix().toarray()[[0, 3, 4]], [[1, 1, 0], [0, 0, 1], [1, 0, 0]])


def test_a_pickle_that_would_run_code_is_refused(small):
    small.write("clip_image_1.pkl", b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(InputError, match="system"):
        small.load()


@pytest.mark.parametrize(
    ("file", "content", "line", "found"),
    [
        ("rel_triples_1", "a\tb\n", 1, "2 field"),
        ("rel_triples_2", "\n", None, "empty"),
        ("rel_triples_2", "b/Red\tgrows\tb/Pear\nb\t\tc\n", 2, "3 field"),
        ("attr_triples_2", "b/Red\n", 1, "b/Red"),
        ("721_5fold/1/valid_links", "a/Pear\tb/Pear\na/Red\tb/Red\n", 2, "repeats line 1 of train_links"),
        ("721_5fold/1/test_links", "a/Red\tb/Tree\n", 1, "contradicts line 1 of train_links"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(small, file, content, line, found):
    small.write(file, content)
    with pytest.raises(InputError, match=found) as caught:
        small.load()
    assert caught.value.file == small.folder / file
    assert caught.value.line == line


def test_links_that_contradict_can_be_dropped_from_folds_too(small):
    small.write("721_5fold/1/test_links", "a/Old\tb/Tree\na/Red\tb/Tree\n")
    kgs, split = small.load(contradicting_links="drop")
    np.testing.assert_array_equal(kgs.links, [[0, 4], [1, 5], [2, 6]])
    np.testing.assert_array_equal(split.test, [[2, 6]])
    assert any("a/Red – b/Tree" in note for note in kgs.notes)


def test_features_of_one_side_or_of_strangers_are_refused(small):
    kgs, _ = small.load()
    (small.folder / "clip_image_2.pkl").unlink()
    with pytest.raises(InputError, match=r"clip_image_1\.pkl alone"):
        small.load()
    small.write("clip_image_2.pkl", pickle.dumps({"a/Red": np.ones((1, 3))}))
    with pytest.raises(InputError, match="no entity of KG 2"):
        read_named_features(small.folder, "visual", kgs)
    small.write("clip_image_2.pkl", pickle.dumps({"b/Red": np.ones((1, 4))}))
    with pytest.raises(InputError, match="width 4"):
        read_named_features(small.folder, "visual", kgs)


def said(folder) -> dict:
    """What a folder of this layout says, whatever the order of its lines."""
    graphs = named.read_named(folder)
    return {
        "triples": [set(rows) for rows in graphs.triples],
        "attributes": [set(rows) for rows in graphs.attributes],
        "links": set(graphs.links),
        "folds": {
            f"{name}/{path.name}": named.read_links(path)
            for name in named.folds(folder)
            for path in sorted((folder / name).iterdir())
        },
        "features": {
            path.name: {name: row.tolist() for name, row in pickle.loads(path.read_bytes()).items()}
            for path in sorted(folder.glob("*.pkl"))
        },
    }


def by_name(kgs) -> dict:
    """Graphs without numbers."""
    names, relations = kgs.entity_names, kgs.relation_names
    return {
        "entities": {side: {names[i] for i in kgs.entities(side)} for side in (0, 1)},
        "triples": {(names[h], relations[r], names[t]) for h, r, t in kgs.triples},
        "links": {(names[a], names[b]) for a, b in kgs.links},
    }


def test_by_names_to_ids_and_back_loses_nothing(small, tmp_path):
    ids, back = tmp_path / "ids" / "Small" / "x", tmp_path / "back"
    assert main([str(small.folder), str(ids)]) == 0
    assert main([str(ids), str(back)]) == 0
    assert said(back) == said(small.folder)
    # And what lies between is the same data set to the data layer, split and features included.
    files = {m: ids / f"{stem}.npz" for m, stem in (("visual", "images"), ("attribute", "abstracts"))}
    options = DataOptions(dataset="Small/x", root=tmp_path / "ids", split="721_5fold_1", features=files)
    one, split = load(dataclasses.replace(options, cache=tmp_path / "cache"))
    other, other_split = small.load()
    assert by_name(one) == by_name(other)
    assert [one.entity_names[i] for i in split.train[0]] == [
        other.entity_names[i] for i in other_split.train[0]
    ]
    for m in files:
        order = [one.entity_names.index(name) for name in other.entity_names]
        np.testing.assert_allclose(one.modalities[m].features[order], other.modalities[m].features, rtol=1e-6)


def test_ids_to_names_and_back_keeps_what_has_a_place(tiny, tmp_path):
    """Of the tiny set one entity has neither triple, attribute nor link."""
    np.savez(tiny.folder / "images.npz", features=np.eye(3, dtype=np.float32), ids=np.array([0, 3, 9]))
    tiny.write("numerical_triples_1", "0\tweight\t12.5\n")
    names, back = tmp_path / "names", tmp_path / "back"
    assert main([str(tiny.folder), str(names)]) == 0
    assert main([str(names), str(back)]) == 0
    one, other = (published.read(folder, "x", ("attribute",)) for folder in (tiny.folder, back))
    expected = by_name(one)
    expected["entities"][1].remove("http://b/Stone")
    assert by_name(other) == expected
    assert "http://a/Red_Apple\tweight\t12.5\n" in (names / "attr_triples_1").read_text()
    assert (back / "splits/721_5fold_files/train_links").is_file()
    with np.load(back / "images.npz") as found:
        assert found["features"].tolist() == np.eye(3)[:2].tolist()
    # A second time, what came back loses nothing more.
    again = tmp_path / "again"
    assert main([str(back), str(again)]) == 0
    assert said(again) == said(names)


def test_features_may_be_named(tiny, tmp_path):
    file = tmp_path / "clip.npz"
    np.savez(file, features=np.ones((1, 3), np.float32), ids=np.array([5]))
    assert main([str(tiny.folder), str(tmp_path / "out"), "--visual", str(file)]) == 0
    assert list(pickle.loads((tmp_path / "out/clip_image_2.pkl").read_bytes())) == ["http://b/Tree"]
    # One side alone may have a modality, as FB15K–DB15K has attributes.
    assert pickle.loads((tmp_path / "out/clip_image_1.pkl").read_bytes()) == {}
    assert main([str(tmp_path / "out"), str(tmp_path / "back")]) == 0
    with np.load(tmp_path / "back/images.npz") as found:
        assert found["features"].shape == (1, 3)
    kgs = named.read(tmp_path / "out", "x", ())
    rows, _ = read_named_features(tmp_path / "out", "visual", kgs)
    assert [kgs.entity_names[i] for i in np.flatnonzero(rows.present)] == ["http://b/Tree"]


@pytest.mark.parametrize("spoil", ["full", "neither", "ambiguous", "unknown"])
def test_a_folder_that_cannot_be_converted_is_refused_and_nothing_written(tiny, tmp_path, capsys, spoil):
    source, target = tiny.folder, tmp_path / "out"
    if spoil == "full":
        shutil.copytree(source, target)
        count = len(list(target.rglob("*")))
    elif spoil == "neither":
        source = tmp_path / "nothing"
        source.mkdir()
    elif spoil == "ambiguous":
        tiny.write("ent_ids_2", "1\tx\n3\tx\n5\tz\n9\tw\n")
    else:
        tiny.write("triples_2", "1\t11\t77\n")
    assert main([str(source), str(target)]) == 2
    assert "To mend it" in capsys.readouterr().err
    assert len(list(target.rglob("*"))) == (count if spoil == "full" else 0)

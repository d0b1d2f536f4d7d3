"""Completion data: splits without overlap, features from every source, and the generated world."""

import dataclasses
import re

import numpy as np
import pytest

from mmea_jax.data.completion import contained, distinct
from mmea_jax.data.completion_features import name_vectors, name_words, read_modality, simulated_images
from mmea_jax.data.completion_load import describe_completion, load_completion, names_seen
from mmea_jax.data.completion_options import CompletionOptions
from mmea_jax.data.completion_split import divided, overlaps
from mmea_jax.data.formats.features import Features, write_features
from mmea_jax.data.options import SyntheticOptions
from mmea_jax.errors import InputError

SMALL = SyntheticOptions(entities=150, triples_per_entity=6.0)


def write_set(root, train=None, valid=None, test=None, entities=6, relations=2):
    """A data set ``MKGC/Tiny`` of numbered names."""
    folder = root / "MKGC" / "Tiny"
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in (("entity", entities), ("relation", relations)):
        lines = [f"<http://a/{name.title()}_{i}> {i}" for i in range(count)]
        (folder / f"{name}2id.txt").write_text("\n".join([str(count), *lines]) + "\n")
    default = {
        "train": [(h, r, t) for h in range(6) for r in (0, 1) for t in range(6) if (h + r + t) % 3],
        "valid": [(0, 0, 1), (0, 0, 3), (0, 0, 3), (0, 1, 2)],
        "test": [(1, 0, 2), (0, 1, 2), (5, 0, 2)],
    }
    for part, triples in default.items():
        own = {"train": train, "valid": valid, "test": test}[part]
        own = triples if own is None else own
        lines = [f"{h} {t} {r}" for h, r, t in own]
        (folder / f"{part}2id.txt").write_text("\n".join([str(len(lines)), *lines]) + "\n")
    return folder


def options(root, **kwargs):
    return CompletionOptions(**{"dataset": "MKGC/Tiny", "root": root, "visual": "none", **kwargs})


def shared(a, b):
    return len(set(map(tuple, a.tolist())) & set(map(tuple, b.tolist())))


def test_distinct_and_contained_agree_with_sets():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, (60, 3)), rng.integers(0, 4, (40, 3))
    first, seen = [], set()
    for row in map(tuple, a.tolist()):
        first.append(row not in seen)
        seen.add(row)
    assert distinct(a).tolist() == first
    assert contained(b, a).tolist() == [tuple(row) in seen for row in b.tolist()]
    assert contained(b[:0], a).shape == (0,)


def test_validation_is_held_out_and_clean(tmp_path):
    write_set(tmp_path)
    graph = load_completion(options(tmp_path, valid_ratio=0.3))
    assert len(graph.valid) > 0
    assert not shared(graph.valid, graph.train)
    assert not shared(graph.valid, graph.test)
    # Every entity and relation of the file is still trained.
    assert graph.seen().all()
    assert set(graph.train[:, 1]) == {0, 1}
    assert "held out" in graph.validation
    whole = load_completion(options(tmp_path, validation="none"))
    assert len(whole.train) == len(graph.train) + len(graph.valid)
    assert not len(whole.valid)


def test_an_entity_keeps_its_last_training_triple(tmp_path):
    chain = [(i, 0, i + 1) for i in range(5)]
    write_set(tmp_path, train=[*chain, (0, 0, 2), (0, 0, 3), (1, 0, 3)], valid=[], test=[(0, 0, 4)])
    graph = load_completion(options(tmp_path, valid_ratio=1.0))
    assert 0 < len(graph.valid) <= 4
    assert graph.seen().all()


def test_the_held_out_set_depends_on_its_seed_alone(tmp_path):
    write_set(tmp_path)
    first = load_completion(options(tmp_path, missing_seed=1))
    np.testing.assert_array_equal(first.valid, load_completion(options(tmp_path, missing_seed=2)).valid)
    other = load_completion(options(tmp_path, split_seed=1)).valid
    assert first.valid.tolist() != other.tolist()


def test_published_validation_triples_lose_what_overlaps(tmp_path):
    write_set(tmp_path)
    graph = load_completion(options(tmp_path, validation="files"))
    # (0, 0, 1) is a training triple, (0, 1, 2) a test triple, and (0, 0, 3) stands twice.
    assert graph.valid.tolist() == [[0, 0, 3]]
    assert graph.validation.startswith("1 of 3 published")


def test_overlaps_are_reported(tmp_path):
    write_set(tmp_path)
    notes = load_completion(options(tmp_path)).notes
    assert "valid: 1 of 4 triples repeat an earlier one" in notes
    assert "valid: 1 of 4 triples are train triples too" in notes
    assert "valid: 1 of 4 triples are test triples too" in notes
    assert "test: 1 of 3 triples are train triples too" in notes
    assert overlaps({"train": np.array([[0, 0, 1]]), "test": np.array([[1, 0, 0]])}) == []


def test_validation_files_without_a_clean_triple_are_refused(tmp_path):
    write_set(tmp_path, valid=[(0, 0, 1)])
    with pytest.raises(InputError, match="each a training or test triple"):
        load_completion(options(tmp_path, validation="files"))


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_set_without_training_or_test_triples_is_refused(tmp_path, part):
    write_set(tmp_path, **{part: []})
    with pytest.raises(InputError, match=f"no {part} triple"):
        load_completion(options(tmp_path))


def test_a_set_that_can_spare_no_triple_is_refused():
    parts = {"train": np.array([[0, 0, 1], [2, 1, 3]]), "test": np.array([[0, 0, 3]])}
    with pytest.raises(InputError, match="none can be spared"):
        divided(parts, (4, 2), CompletionOptions())


def test_unseen_test_triples_are_told(tmp_path):
    train = [(h, 0, t) for h in range(4) for t in range(4) if h != t]
    write_set(tmp_path, train=train, valid=[], test=[(0, 0, 5), (1, 0, 1)])
    graph = load_completion(options(tmp_path, valid_ratio=0.1))
    assert names_seen(graph).tolist() == [False, True]
    assert "1 test triples name an entity that no training triple names" in describe_completion(graph)


VECTORS = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".pth"])
@pytest.mark.parametrize("place", ["embeddings", "../embeddings", "."])
def test_features_from_every_format_and_place(tmp_path, suffix, place, golden):
    entities, train = 3 if suffix == ".pth" else 6, [(0, 0, 1), (1, 0, 2), (0, 0, 2)]
    folder = write_set(tmp_path, train, [], [(2, 1, 0)], entities)
    path = folder / place / f"Tiny-textual{suffix}"
    path.parent.mkdir(exist_ok=True)
    vectors = VECTORS
    if suffix == ".npy":
        np.save(path, VECTORS)
    elif suffix == ".pth":
        path.write_bytes((golden / "tensor.pth").read_bytes())
        vectors = (np.arange(12, dtype=np.float32).reshape(4, 3) / 8)[1:]
    else:
        write_features(path, Features(tuple(range(6)), VECTORS))
    rows = load_completion(options(tmp_path, text="files", validation="none")).modalities["text"]
    np.testing.assert_allclose(rows.features, vectors / np.linalg.norm(vectors, axis=1)[:, None], rtol=1e-6)
    assert rows.present.all()


def test_rows_of_zeros_and_keys_left_out_are_absent(tmp_path):
    np.save(tmp_path / "a.npy", VECTORS * (np.arange(6) != 2)[:, None])
    rows, notes = read_modality(tmp_path / "a.npy", [str(i) for i in range(6)])
    assert rows.present.tolist() == [True, True, False, True, True, True]
    assert notes == ["1 vectors of zeros taken as absent"]
    write_features(tmp_path / "b.npz", Features(("c", "a"), VECTORS[:2]))
    rows, _ = read_modality(tmp_path / "b.npz", ["a", "b", "c"])
    assert rows.present.tolist() == [True, False, True]
    np.testing.assert_allclose(rows.features[0] * np.linalg.norm(VECTORS[1]), VECTORS[1], rtol=1e-6)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (VECTORS[:5], "float32[5, 4]"),
        (VECTORS[0], "float32[4]"),
        (np.ones((6, 2), int), "int64[6, 2]"),
        (np.where(np.arange(6)[:, None] == 3, np.nan, VECTORS), "not finite in row 3"),
    ],
)
def test_unsound_tables_are_refused(tmp_path, array, words):
    path = tmp_path / "a.npy"
    np.save(path, array)
    with pytest.raises(InputError, match=re.escape(words)) as error:
        read_modality(path, [str(i) for i in range(6)])
    assert error.value.file == path


def test_a_key_that_is_no_entity_is_refused(tmp_path):
    write_features(tmp_path / "a.npz", Features(("apple", "pear"), VECTORS[:2]))
    with pytest.raises(InputError, match=r"'apple' \(did you mean 'apples'\?\)"):
        read_modality(tmp_path / "a.npz", ["apples", "pear"])


def test_names_that_share_words_or_letters_are_near():
    words = name_words(
        ["<http://a/Red_Apple>", "http://a/Red_Apples", "http://a/Old_Tree", "http://b/Q42", "/m/0abc"]
    )
    assert words[3:] == [[], []]
    rows = name_vectors(words, 128)
    assert rows.present.tolist() == [True, True, True, False, False]
    similar = rows.features @ rows.features.T
    np.testing.assert_allclose(np.diag(similar)[:3], 1, rtol=1e-5)
    assert similar[0, 1] > 0.4 > similar[0, 2]
    assert not name_vectors([[], []], 8).present.any()


def test_simulated_images_show_what_training_relations_tell():
    rng = np.random.default_rng(0)
    # Entities 0-49 are heads of relation 0, 50-99 of relation 1, tails are 100-109.
    train = np.stack([np.arange(100), np.repeat([0, 1], 50), rng.integers(100, 110, 100)], axis=1)
    rows = simulated_images(train, 110, 2, 64, 0.8, 0)
    assert rows.present.mean() == pytest.approx(0.8)
    kinds = [np.flatnonzero(rows.present[start : start + 50]) + start for start in (0, 50)]
    within = (rows.features[kinds[0]] @ rows.features[kinds[0]].T).mean()
    across = (rows.features[kinds[0]] @ rows.features[kinds[1]].T).mean()
    assert within > across + 0.05


def test_simulated_images_are_labelled_and_stand_in_for_missing_files(tmp_path):
    folder = write_set(tmp_path)
    graph = load_completion(options(tmp_path, visual="auto", simulated_width=8))
    assert graph.simulated == ("visual",)
    assert any("SIMULATED" in line for line in describe_completion(graph))
    np.save(folder / "Tiny-visual.npy", VECTORS)
    graph = load_completion(options(tmp_path, visual="auto"))
    assert graph.simulated == ()
    assert graph.modalities["visual"].width == 4


def test_files_that_are_asked_for_must_be_there(tmp_path):
    write_set(tmp_path)
    with pytest.raises(InputError, match="no file of visual features") as error:
        load_completion(options(tmp_path, visual="files"))
    assert "data.visual=simulated" in error.value.mend


def test_the_generated_set_is_deterministic_and_sound():
    data = CompletionOptions(synthetic=SMALL)
    graph, again = load_completion(data), load_completion(data)
    np.testing.assert_array_equal(graph.train, again.train)
    np.testing.assert_array_equal(graph.modalities["text"].features, again.modalities["text"].features)
    assert graph.num_entities == 150
    assert not shared(graph.test, np.concatenate([graph.train, graph.valid]))
    assert len(graph.known) == len(graph.train) + len(graph.valid) + len(graph.test)
    other = load_completion(dataclasses.replace(data, synthetic=dataclasses.replace(SMALL, seed=1)))
    assert other.train.tolist() != graph.train.tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"visual": "file"}, "data.visual = 'file' (did you mean 'files'?)"),
        ({"text": "bigrams"}, "data.text = 'bigrams'"),
        ({"validation": "heldout"}, "did you mean 'held_out'?"),
        ({"valid_ratio": 0}, "data.valid_ratio = 0"),
        ({"missing_of": "tests"}, "data.missing_of = 'tests' (did you mean 'test'?)"),
        ({"text_width": 0}, "data.text_width = 0"),
        ({"missing": {"name": 0.5}}, "a key of data.missing = 'name'"),
        ({"missing": {"visual": 1.5}}, "missing.visual = 1.5"),
    ],
)
def test_options_out_of_range_are_refused(change, words):
    with pytest.raises(InputError, match=re.escape(words)):
        load_completion(CompletionOptions(**change))


def test_an_unknown_data_set_is_named_with_the_closest(tmp_path):
    write_set(tmp_path)
    with pytest.raises(InputError, match=r"did you mean 'MKGC/Tiny'\?"):
        load_completion(options(tmp_path, dataset="MKGC/Tinny"))


def test_published_db15k_has_no_usable_validation_file(shared_data):
    graph = load_completion(CompletionOptions(dataset="MKGC/DB15K", root=shared_data, visual="none"))
    assert (graph.num_entities, graph.num_relations) == (12_842, 279)
    assert "valid: 8,719 of 9,904 triples are train triples too" in graph.notes
    assert len(graph.train) + len(graph.valid) == 79_222
    assert len(graph.test) == 9_902
    assert (~names_seen(graph)).sum() == 77
    assert not shared(graph.valid, graph.train)
    assert not shared(graph.valid, graph.test)
    assert graph.modalities["text"].present.all()


def test_published_mkgw_has_disjoint_parts_and_no_names(shared_data):
    data = CompletionOptions(dataset="MKGC/MKG-W", root=shared_data, visual="none", validation="files")
    graph = load_completion(data)
    assert graph.validation == "as published"
    assert (len(graph.train), len(graph.valid), len(graph.test)) == (34_196, 4_276, 4_274)
    assert (~names_seen(graph)).sum() == 306
    assert graph.notes == ("no entity has text features",)
    assert not graph.modalities

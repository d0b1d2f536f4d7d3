"""Pieces of an alignment of one's own graphs that no training is needed for."""

import dataclasses
import logging

import numpy as np
import pytest

from mmea_jax.data import Dense, SyntheticOptions
from mmea_jax.data.formats.features import read_features
from mmea_jax.data.knowledge_graphs import Split
from mmea_jax.data.own import MIN_VALID
from mmea_jax.data.synthetic import generate
from mmea_jax.errors import InputError
from mmea_jax.matching.alignment_table import Row
from mmea_jax.training.answers import Answers, evaluation_table
from mmea_jax.training.own.explain import Explainer
from mmea_jax.training.own.images import feature_file
from mmea_jax.training.own.measures import gold_report
from mmea_jax.training.own.seeds import of_as_many_steps, with_pivots
from mmea_jax.training.own.sssom import sssom_table
from mmea_jax.training.stages import Stage


@pytest.fixture(scope="module")
def kgs():
    return generate(SyntheticOptions(entities=120, name_noise=0.2))


def split_of(train, valid=()):
    parts = [np.array(part, np.int32).reshape(-1, 2) for part in (train, valid, ())]
    return Split("own", *parts, sha256="")


def test_enough_seeds_stay_alone_if_asked(kgs):
    split = split_of(kgs.links[:25], kgs.links[25:35])
    assert with_pivots(kgs, split, alone=True) == (split, None)


def test_pairs_of_similar_names_join_seeds_that_show_them_to_be_right():
    kgs = generate(SyntheticOptions(entities=120, name_noise=0.05))
    split = split_of(kgs.links[:25], kgs.links[25:35])
    found, report = with_pivots(kgs, split)
    joined = found.train[25:]
    assert report["modality"] == "char"
    assert report["count"] == len(joined) > 0
    assert report["right"] >= 0.9 * report["checked"] > 0
    np.testing.assert_array_equal(found.train[:25], split.train)
    np.testing.assert_array_equal(found.valid, split.valid)
    # What validates is never trained on, not even with a wrong counterpart.
    assert not np.isin(joined, kgs.links[:35]).any()
    assert "train too" in found.name


def test_pairs_that_the_seeds_show_to_be_wrong_join_nothing(kgs):
    shifted = np.stack([kgs.links[:40, 0], np.roll(kgs.links[:40, 1], 1)], axis=1)
    split = split_of(shifted[:30], shifted[30:])
    assert with_pivots(kgs, split) == (split, None)


def test_longer_passes_are_fewer_but_not_too_few():
    stage = Stage("main", epochs=40, batch_size=100)
    assert of_as_many_steps(stage, 90, 95).epochs == 40
    assert of_as_many_steps(stage, 0, 200).epochs == 20
    assert of_as_many_steps(stage, 90, 290).epochs == 14
    assert of_as_many_steps(stage, 90, 5000).epochs == 12
    # A cap of the user's stays.
    assert of_as_many_steps(dataclasses.replace(stage, epochs=5), 90, 5000).epochs == 5


def test_names_then_images_stand_in_for_seeds(kgs):
    seeds = split_of(kgs.links[:3])
    found, report = with_pivots(kgs, seeds)
    assert report["modality"] == "char"
    assert set(map(tuple, kgs.links[:3])) <= set(map(tuple, found.train))
    both = np.concatenate([found.train, found.valid])
    assert len(both) == 3 + report["count"]
    # Nobody twice, and a fifth is held out, or what it takes at least.
    assert all(len(np.unique(both[:, k])) == len(both) for k in (0, 1))
    assert len(found.valid) == max(round(0.2 * report["count"]), MIN_VALID)
    right = np.isin(both @ [1000, 1], kgs.links @ [1000, 1]).mean()
    assert right > 0.8
    nameless = dataclasses.replace(kgs, modalities={"visual": kgs.modalities["visual"]})
    assert with_pivots(nameless, seeds)[1]["modality"] == "visual"


def test_without_names_and_images_there_is_nothing_to_go_by(kgs):
    one_sided = Dense(kgs.modalities["visual"].features, kgs.modalities["visual"].present & (kgs.side == 0))
    bare = dataclasses.replace(kgs, modalities={"visual": one_sided})
    with pytest.raises(InputError, match="neither names nor images"):
        with_pivots(bare, split_of(()))
    few = np.isin(np.arange(kgs.num_entities), kgs.links[:4])
    seen = Dense(kgs.modalities["visual"].features, few)
    with pytest.raises(InputError, match="pairs to take in place"):
        with_pivots(dataclasses.replace(kgs, modalities={"visual": seen}), split_of(()))


def test_a_table_of_vectors_becomes_features(tmp_path):
    for name in "xy":
        np.save(tmp_path / f"{name}.npy", np.arange(3.0) + ord(name))
    table = tmp_path / "images.tsv"
    table.write_text("entity\tpath\nhttp://a/x\tx.npy\nhttp://a/y\ty.npy\n")
    found = read_features(feature_file(table, 1, tmp_path / "out", None))
    assert found.keys == ("http://a/x", "http://a/y")
    np.testing.assert_allclose(found.vectors[1], np.arange(3.0) + ord("y"))
    assert feature_file(None, 1, tmp_path, None) is None
    assert feature_file("x.npz", 1, tmp_path, None).name == "x.npz"


def test_vectors_that_cannot_be_read_are_listed_and_masked(tmp_path, caplog):
    np.save(tmp_path / "x.npy", np.ones(3))
    (tmp_path / "bad.npy").write_bytes(b"no array")
    table = tmp_path / "images.tsv"
    table.write_text("a\tbad.npy\nb\tx.npy\nc\tnone.npy\n")
    logging.getLogger("mmea_jax").propagate = True
    with caplog.at_level(logging.INFO, "mmea_jax"):
        made = feature_file(table, 2, tmp_path / "out", None)
    assert read_features(made).keys == ("b",)
    lines = (tmp_path / "out" / "features" / "images_2.npz.absent.tsv").read_text().splitlines()
    assert [line.split("\t")[:2] for line in lines] == [["a", "bad.npy"], ["c", "none.npy"]]
    assert "2 of 3 files missing or unreadable" in caplog.text


def test_pictures_need_a_model_and_sound_files(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "x.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match="--image-model"):
        feature_file(folder, 1, tmp_path / "out", None)
    with pytest.raises(InputError, match="nothing there"):
        feature_file(tmp_path / "nowhere", 1, tmp_path / "out", None)
    (tmp_path / "bad.npy").write_bytes(b"no array")
    (tmp_path / "images.tsv").write_text("x\tbad.npy\ny\tnone.npy\n")
    with pytest.raises(InputError, match=r"images\.tsv: .*any of 2 files; the first: x bad\.npy"):
        feature_file(tmp_path / "images.tsv", 1, tmp_path / "out", None)
    np.save(tmp_path / "a.npy", np.ones(2))
    np.save(tmp_path / "bad.npy", np.ones(3))
    (tmp_path / "images.tsv").write_text("x\tbad.npy\ny\ta.npy\n")
    with pytest.raises(InputError, match="widths"):
        feature_file(tmp_path / "images.tsv", 1, tmp_path / "out", None)


def test_sssom_gives_every_namespace_a_prefix_and_quotes_what_is_no_uri():
    rows = [
        Row("http://a/x#1", "http://b/y", 1.0, 0.5, 0.9, "matched", ""),
        Row("http://a/z/2", "plain name", 1.0, 0.5, 0.8, "matched", ""),
        Row("_:file.nt/b1", "http://b/w", None, None, 1.0, "seed", ""),
        Row("http://a/z/3", "http://b/v", 0.1, 0.0, 0.25, "no_match", ""),
    ]
    text = sssom_table(rows, ({"http://a/x#1": "ex\tone"}, {}), 'of "a" and b', date="2026-01-02")
    head = [line[1:] for line in text.splitlines() if line.startswith("#")]
    assert 'mapping_set_title: "of \\"a\\" and b"' in head
    assert 'mapping_date: "2026-01-02"' in head
    assert '  kg1: "http://a/x#"' in head
    assert '  kg1_2: "http://a/z/"' in head
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    assert len({len(line) for line in lines}) == 1
    assert lines[1][:4] == ["kg1:1", "ex one", "skos:exactMatch", "kg2:y"]
    assert lines[2][3].endswith(":plain%20name")
    assert lines[3][5:7] == ["semapv:UnspecifiedMatching", "1.0000"]
    assert lines[4][3] == "sssom:NoTermFound"
    assert lines[4][6] == "0.7500"


def test_the_explainer_names_matched_neighbours_and_rare_values_first(kgs):
    links = dict(kgs.links.tolist())
    explainer = Explainer(kgs, links)
    one, two = max(kgs.links.tolist(), key=lambda pair: explainer.neighbours(*pair)[0])
    count, shown = explainer.neighbours(one, two)
    near = {b for a, _, b in kgs.triples.tolist() if a == one}
    near |= {a for a, _, b in kgs.triples.tolist() if b == one}
    far = {b for a, _, b in kgs.triples.tolist() if a == two}
    far |= {a for a, _, b in kgs.triples.tolist() if b == two}
    assert count == len([a for a in near if links.get(a) in far]) > 0
    assert shown.count(" = ") == min(count, 5)
    assert Explainer(kgs, {}).neighbours(one, two) == (0, "")


def test_gold_counts_entities_without_a_link_as_without_counterpart():
    answers = Answers(
        np.arange(4), np.array([10, 11, -1, -1]), np.array([10, 12, 13, 14]),
        np.ones(4), np.ones(4), np.array([0.9, 0.8, 0.7, 0.1]),
    )  # fmt: skip
    found = gold_report(answers, answers.probability >= 0.5, 0.5)
    assert (found["links"], found["without_counterpart"]) == (2, 2)
    assert found["hits@1"] == 0.5
    assert found["precision"] == pytest.approx(1 / 3)
    assert found["recall"] == 0.5
    assert (found["no_match_precision"], found["no_match_recall"]) == (1.0, 0.5)


def test_the_table_of_answers_leaves_unknown_fields_empty(kgs):
    nothing = np.array([np.nan])
    answers = Answers(kgs.links[:1, 0], np.array([-1]), np.array([-1]), nothing, nothing, np.array([0.5]))
    header, row = evaluation_table(kgs, answers).splitlines()
    fields = dict(zip(header.split("\t"), row.split("\t"), strict=True))
    assert (fields["answer"], fields["predicted"], fields["score"], fields["correct"]) == ("", "", "", "0")

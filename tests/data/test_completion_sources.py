"""An alignment data set as one graph to be completed."""

import itertools

import numpy as np
import pytest

from mmea_jax.data.completion import contained
from mmea_jax.data.completion_load import load_completion
from mmea_jax.data.completion_options import CompletionOptions
from mmea_jax.data.completion_sources import told_apart
from mmea_jax.data.formats.features import Features, write_features
from mmea_jax.data.layouts import convert
from mmea_jax.errors import InputError


@pytest.fixture
def graphs(tiny, monkeypatch):
    """Tiny graphs with triples enough to hold some back, and their cache below the test's folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tiny.root / "cache"))
    for side, ids, relations in ((1, (0, 2, 4, 8), (6, 7)), (2, (1, 3, 5, 9), (10, 11))):
        rows = [f"{h}\t{r}\t{t}" for h, t in itertools.permutations(ids, 2) for r in relations]
        tiny.write(f"triples_{side}", "\n".join(rows) + "\n")
    return tiny


def options(graphs, **changes):
    defaults = {"dataset": "Tiny/a_b", "root": graphs.root, "simulated_width": 4, "valid_ratio": 0.1}
    return CompletionOptions(**{**defaults, **changes})


def test_both_graphs_stand_side_by_side_and_a_tenth_of_the_triples_tests(graphs):
    graph = load_completion(options(graphs))
    assert (graph.name, graph.num_entities, graph.num_relations) == ("Tiny/a_b", 8, 4)
    assert len(graph.known) == 48
    assert len(graph.test) == 5
    assert len(graph.train) + len(graph.valid) + len(graph.test) == 48
    assert not contained(graph.test, np.concatenate([graph.train, graph.valid])).any()
    # Entities by ascending id: sides alternate but for the last two, and no triple joins them.
    side = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    assert (side[graph.known[:, 0]] == side[graph.known[:, 2]]).all()
    assert any("their links unused; 5 triples" in note for note in graph.notes)
    assert graph.split == "drawn (10% of the triples test, split_seed 0)"
    again, other = (load_completion(options(graphs, split_seed=seed)) for seed in (0, 1))
    np.testing.assert_array_equal(again.test, graph.test)
    assert other.test.tolist() != graph.test.tolist()


def test_names_that_two_entities_have_are_told_apart(graphs):
    graphs.write("rel_ids_1", "6\thttp://a/grows\n7\thttp://a/near\n")
    graphs.write("rel_ids_2", "10\thttp://a/grows\n11\thttp://a/far\n")
    graph = load_completion(options(graphs))
    assert graph.relation_names == (
        "http://a/grows (0)",
        "http://a/near",
        "http://a/grows (2)",
        "http://a/far",
    )
    assert len(set(graph.entity_names)) == 8
    assert told_apart(["x", "y", "x"], [7, 8, 9]) == ("x (7)", "y", "x (9)")


def test_images_come_from_the_published_file_or_are_simulated(graphs, images):
    graph = load_completion(options(graphs))
    assert graph.simulated == ("visual",)
    with pytest.raises(InputError, match="no file of visual features for Tiny/a_b"):
        load_completion(options(graphs, visual="files"))
    graphs.write_features(images)
    graph = load_completion(options(graphs, visual="files"))
    assert graph.simulated == ()
    assert np.flatnonzero(graph.modalities["visual"].present).tolist() == [0, 1, 4, 7]
    assert "visual" not in load_completion(options(graphs, visual="none")).modalities


def test_texts_come_from_names_or_a_file_that_goes_by_the_ids_of_the_data_set(graphs):
    rows = load_completion(options(graphs)).modalities["text"]
    assert rows.present.all()
    # Red Apple of either side.
    assert rows.features[0] @ rows.features[1] == pytest.approx(1)
    write_features(graphs.root / "t.npz", Features((9, 0), np.eye(2, dtype=np.float32)))
    graph = load_completion(options(graphs, features={"text": graphs.root / "t.npz"}))
    assert np.flatnonzero(graph.modalities["text"].present).tolist() == [0, 7]
    with pytest.raises(InputError, match="no file of text features"):
        load_completion(options(graphs, text="files"))


def test_identifiers_have_no_words(graphs):
    graphs.write("ent_ids_1", "0\t/m/0abc\n2\t/m/0abd\n4\t/m/0abe\n8\t/m/0abf\n")
    present = load_completion(options(graphs)).modalities["text"].present
    assert present.tolist() == [False, True, False, True, False, True, False, True]


def test_the_layout_that_goes_by_names_is_read_alike(graphs, images):
    path = graphs.write_features(images)
    convert(graphs.folder, graphs.root / "Named" / "a_b", {"visual": path})
    one = load_completion(options(graphs))
    two = load_completion(options(graphs, dataset="Named/a_b"))
    assert sorted(two.entity_names) == sorted(one.entity_names)
    assert (len(two.known), two.num_relations) == (len(one.known), one.num_relations)

    def imaged(graph):
        present = graph.modalities["visual"].present
        return {name for name, has in zip(graph.entity_names, present, strict=True) if has}

    assert imaged(two) == imaged(one)


def test_both_published_pairs_are_completed(shared_data):
    asked = {"root": shared_data, "visual": "none", "text": "none"}
    zh_en = load_completion(CompletionOptions(dataset="DBP15K/zh_en", **asked))
    assert (zh_en.num_entities, len(zh_en.known)) == (38_960, 70_414 + 95_142)
    fb_db = load_completion(CompletionOptions(dataset="FBDB15K/norm", **asked))
    assert (fb_db.num_entities, len(fb_db.known)) == (27_629, 470_383)

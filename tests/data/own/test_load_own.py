"""Graphs of one's own in every format: the same content, the same arrays; bad input names file and line."""

import gzip

import numpy as np
import pytest

from mmea_jax.data import DataOptions, describe, load
from mmea_jax.data.formats.features import Features, write_features
from mmea_jax.data.own import OwnOptions
from mmea_jax.data.own.bags import entity_labels
from mmea_jax.data.own.read import graph_files, read_graph
from mmea_jax.errors import InputError

LABEL = "<http://www.w3.org/2000/01/rdf-schema#label>"
TYPE = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
NT = f"""# a comment
<http://a/ulm> {LABEL} "Ulm"@de .
<http://a/ulm> {LABEL} "City of Ulm"@en .
<http://a/ulm> <http://a/founded> "0854-01-01"^^<http://www.w3.org/2001/XMLSchema#date> .
<http://a/ulm> <http://a/people> "126790"^^<http://www.w3.org/2001/XMLSchema#integer> .
<http://a/ulm> {TYPE} <http://o/City> .
<http://a/danube> <http://a/passes> <http://a/ulm> .
<http://a/minster> <http://a/height> "161.53" .
<http://o/City> {TYPE} <http://www.w3.org/2002/07/owl#Class> .
<http://o/City> {LABEL} "city" .
<http://a/ulm> <http://www.w3.org/2002/07/owl#sameAs> <http://b/Ulm> .
"""
TTL = f"""@prefix a: <http://a/> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
a:ulm {LABEL} "Ulm"@de, "City of Ulm"@en ; a <http://o/City> ; a:people 126790 ;
  a:founded "0854-01-01"^^xsd:date ; <http://www.w3.org/2002/07/owl#sameAs> <http://b/Ulm> .
a:danube a:passes a:ulm . a:minster a:height "161.53" .
<http://o/City> a <http://www.w3.org/2002/07/owl#Class> ; {LABEL} "city" .
"""
TABLES = {
    "triples.tsv": "head\trelation\ttail\nhttp://a/danube\thttp://a/passes\thttp://a/ulm\n",
    "attributes.csv": (
        "http://a/ulm,http://a/founded,0854-01-01\nhttp://a/ulm,http://a/people,126790\n"
        "http://a/minster,http://a/height,161.53\n"
    ),
    "names.tsv": "http://a/ulm\tUlm\tde\nhttp://a/ulm\tCity of Ulm\ten\n",
}


def test_ntriples(tmp_path):
    path = tmp_path / "a.nt"
    path.write_text(NT, encoding="utf-8")
    graph = read_graph(str(path), 1)
    assert graph.entities == {"http://a/ulm", "http://a/danube", "http://a/minster"}
    assert graph.triples == {("http://a/danube", "http://a/passes", "http://a/ulm")}
    assert graph.labels["http://a/ulm"] == [("de", "Ulm"), ("en", "City of Ulm")]
    assert ("http://a/ulm", "type City") in graph.attributes
    assert ("http://a/minster", "number 161.5") in graph.values
    assert ("http://a/ulm", "year 854") in graph.values
    assert graph.same_as == [("http://a/ulm", "http://b/Ulm")]
    assert graph.counts["statements about the vocabulary"] == 2


def test_turtle_packed_ntriples_and_tables_say_the_same(tmp_path):
    (tmp_path / "a.nt").write_text(NT, encoding="utf-8")
    (tmp_path / "a.ttl").write_text(TTL, encoding="utf-8")
    with gzip.open(tmp_path / "packed.nt.gz", "wb") as file:
        file.write(NT.encode())
    graph = read_graph(str(tmp_path / "a.nt"), 1)
    for name in ("a.ttl", "packed.nt.gz"):
        other = read_graph(str(tmp_path / name), 1)
        for field in ("entities", "triples", "attributes", "values", "same_as"):
            assert getattr(other, field) == getattr(graph, field), (name, field)
        assert sorted(other.labels["http://a/ulm"]) == sorted(graph.labels["http://a/ulm"])
    folder = tmp_path / "tables"
    folder.mkdir()
    for name, text in TABLES.items():
        (folder / name).write_text(text, encoding="utf-8")
    other = read_graph(str(folder), 1)
    assert (other.entities, other.triples, other.values) == (graph.entities, graph.triples, graph.values)
    assert other.labels == graph.labels


def test_blank_nodes_keep_their_names_from_read_to_read(tmp_path):
    (tmp_path / "b.nt").write_text('_:x <http://a/p> _:y .\n_:y <http://a/q> "1" .\n')
    (tmp_path / "b.ttl").write_text("<http://a/s> <http://a/p> [ <http://a/q> 1 ] .\n")
    for name in ("b.nt", "b.ttl"):
        path = str(tmp_path / name)
        assert read_graph(path, 1).triples == read_graph(path, 1).triples
    assert read_graph(str(tmp_path / "b.nt"), 1).entities == {"_:b.nt/x", "_:b.nt/y"}


def test_the_label_is_a_usual_name_in_a_language_of_both(tmp_path):
    path = tmp_path / "a.nt"
    alt = LABEL.replace("2000/01/rdf-schema#label", "2004/02/skos/core#altLabel")
    path.write_text(f'<http://a/ulm> {alt} "U."@en .\n{NT}', encoding="utf-8")
    graph = read_graph(str(path), 1)
    assert [text for _, text in graph.labels["http://a/ulm"]] == ["Ulm", "City of Ulm", "U."]
    names = ["http://a/danube", "http://a/ulm"]
    assert entity_labels(graph, names, {"en"}) == ["", "City of Ulm"]
    assert entity_labels(graph, names, {"fr"}) == ["", "Ulm"]


def test_a_literal_in_a_table_of_triples_is_no_entity(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text('<http://a/x>\thttp://a/p\t"12"^^<http://t>\nhttp://a/x\thttp://a/q\thttp://a/y\n')
    graph = read_graph(str(path), 1)
    assert graph.entities == {"http://a/x", "http://a/y"}
    assert ("http://a/x", "number 12") in graph.values


@pytest.fixture
def pair(tmp_path):
    """Two graphs of 40 linked entities each and one more, in tables; and ways to ask for them."""
    for side, base in enumerate(("http://a/", "http://b/")):
        folder = tmp_path / base[7]
        folder.mkdir()
        names = [f"{base}e{i:02}" for i in range(41)]
        lines = [f"{a}\tnext\t{b}" for a, b in zip(names[:-1], names[1:-1] + names[:1], strict=True)]
        (folder / "triples.tsv").write_text("\n".join(lines) + "\n")
        values = [f"{name}\tborn{side}\t19{i:02}-05-0{1 + i % 9}" for i, name in enumerate(names)]
        (folder / "attributes.tsv").write_text("\n".join(values) + "\n")
        labels = [
            f"{name}\tperson {'abcdefgh'[i % 8]}{'klmnopqr'[i // 8 % 8]}" for i, name in enumerate(names)
        ]
        (folder / "names.tsv").write_text("\n".join(labels) + "\n")
    links = [f"http://a/e{i:02}\thttp://b/e{i:02}" for i in range(40)]
    (tmp_path / "seeds.tsv").write_text("left\tright\n" + "\n".join(links[:35]) + "\n")
    (tmp_path / "gold.tsv").write_text("\n".join(links) + "\n")

    def ask(**changes):
        own = {"left": tmp_path / "a", "right": tmp_path / "b", "seeds": tmp_path / "seeds.tsv"}
        own = {
            key: str(value) if not isinstance(value, bool) else value
            for key, value in (own | changes).items()
        }
        return load(DataOptions(dataset="own", name="words", char="bigrams", own=OwnOptions(**own)))

    return tmp_path, ask


def test_entities_without_triples_are_kept_and_gold_only_tests(pair):
    folder, ask = pair
    kgs, split = ask(gold=folder / "gold.tsv")
    assert [len(kgs.entities(side)) for side in (0, 1)] == [41, 41]
    assert kgs.entity_names[:2] == ("http://a/e00", "http://a/e01")
    alone = kgs.entity_names.index("http://a/e40")
    assert alone not in kgs.triples[:, [0, 2]]
    assert kgs.modalities["attribute"].present[alone]
    assert (len(split.train), len(split.valid), len(split.test)) == (25, 10, 5)
    assert not set(map(tuple, split.test.tolist())) & set(map(tuple, split.train.tolist()))
    assert sorted(kgs.links[:, 0].tolist()) == list(range(40))
    assert "41 + 41" in describe(kgs, split)[0]
    assert kgs.labels[:2] == ("person ak", "person bk")


def test_equal_dates_are_columns_that_both_graphs_share(pair):
    _, ask = pair
    kgs, _ = ask()
    bag = kgs.modalities["attribute"]
    matrix = bag.matrix()
    column = bag.vocabulary.index("date 1907-05-08")
    owners = np.flatnonzero(matrix[:, [column]].toarray())
    assert [kgs.entity_names[i] for i in owners] == ["http://a/e07", "http://b/e07"]
    assert matrix[owners[0], column] == pytest.approx(2**-0.5)
    assert {"born0", "born1"} <= set(bag.vocabulary)


def test_features_by_name_or_by_the_last_part_of_a_uri(pair):
    folder, ask = pair
    rng = np.random.default_rng(0)
    for side, keys in (("l", ("http://a/e03", "http://a/e04", "who")), ("r", ("e03", "e05"))):
        write_features(folder / f"{side}.npz", Features(keys, rng.standard_normal((len(keys), 4))))
    kgs, _ = ask(images_left=folder / "l.npz", images_right=folder / "r.npz")
    present = [kgs.entity_names[i] for i in np.flatnonzero(kgs.modalities["visual"].present)]
    assert present == ["http://a/e03", "http://a/e04", "http://b/e03", "http://b/e05"]
    assert any("1 names that are no entity" in note for note in kgs.notes)


def test_same_as_statements_are_seeds(pair):
    folder, ask = pair
    (folder / "a" / "more.nt").write_text(
        "<http://a/e36> <http://www.w3.org/2002/07/owl#sameAs> <http://b/e36> .\n"
    )
    kgs, split = ask()
    assert len(split.train) + len(split.valid) == 36
    assert any("1 owl:sameAs" in note for note in kgs.notes)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("seeds.tsv", "http://a/e00\n", r"seeds\.tsv:1: .*1 field"),
        ("seeds.tsv", "http://a/e00\thttp://b/e0O\n", r"seeds\.tsv:1: .*did you mean 'http://b/e.*KG 2"),
        ("seeds.tsv", "http://a/e00\thttp://b/e00\nhttp://a/e00\thttp://b/e01\n", r"seeds\.tsv:2: .*second"),
        ("seeds.tsv", "", r"seeds\.tsv: .*empty"),
        ("a/triples.tsv", "x\ty\n", r"triples\.tsv:1: .*2 field"),
        ("a/bad.nt", "<http://a/x> <http://a/y> <http://a/z> .\n<http://a/x> oops .\n", r"bad\.nt:2: .*oops"),
        ("a/bad.ttl", "@prefix a: <http://a/> .\na:x a:y a:z .\na:x a:y ; .\n", r"bad\.ttl:3: .*Turtle"),
        ("a/bad.owl", "<rdf", r"bad\.owl: .*RDF/XML"),
    ],
)
def test_bad_input_names_the_file_and_the_line(pair, name, text, message):
    folder, ask = pair
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=message):
        ask()


def test_bad_links_can_be_left_out(pair):
    folder, ask = pair
    with (folder / "seeds.tsv").open("a") as file:
        file.write("http://a/who\thttp://b/e39\nhttp://a/e00\thttp://b/e39\n")
    kgs, split = ask(lenient=True)
    assert len(split.train) + len(split.valid) == 35
    assert len([note for note in kgs.notes if "left out" in note]) == 2


def test_a_path_that_is_no_graph_says_what_would_be(pair):
    folder, ask = pair
    (folder / "empty").mkdir()
    for location, message in (("none", "nothing there"), ("empty", "no file of a known format")):
        with pytest.raises(InputError, match=message):
            ask(left=folder / location)
    with pytest.raises(InputError, match="no graph for --right"):
        ask(right="")


def test_the_published_layout_gives_a_side(pair):
    folder, ask = pair
    both = folder / "Tiny" / "a_b"
    both.mkdir(parents=True)
    for side, base in ((1, "http://a/"), (2, "http://b/")):
        ids = range(side, 80, 2)
        (both / f"ent_ids_{side}").write_text("".join(f"{i}\t{base}e{i // 2:02}\n" for i in ids))
        (both / f"triples_{side}").write_text("".join(f"{i}\t{side}\t{i + 2}\n" for i in list(ids)[:-1]))
        (both / f"numerical_triples_{side}").write_text(f"{side}\theight\t1{side}.5\n")
    (both / "training_attrs_1").write_text("http://a/e01\tcolour\n")
    (folder / "ids.tsv").write_text("".join(f"{i}\t{i + 1}\n" for i in range(1, 71, 2)))
    kgs, split = ask(left=both, right=both, seeds=folder / "ids.tsv")
    assert len(split.train) + len(split.valid) == 35
    names = kgs.entity_names
    assert ("http://a/e00", "http://b/e01") in {(names[a], names[b]) for a, b in split.train} | {
        (names[a], names[b]) for a, b in split.valid
    }
    assert {"colour", "height"} <= set(kgs.modalities["attribute"].vocabulary)


def test_a_folder_by_names_gives_the_side_that_is_asked_for(tmp_path):
    folder = tmp_path / "openea"
    folder.mkdir()
    (folder / "rel_triples_1").write_text("http://a/x\thttp://a/p\thttp://a/y\n")
    (folder / "rel_triples_2").write_text("http://b/x\thttp://b/p\thttp://b/y\n")
    (folder / "attr_triples_1").write_text(
        'http://a/x\thttp://a/born\t"1961-05-08"^^<http://www.w3.org/2001/XMLSchema#date>\n'
        "http://a/y\thttp://a/note\t\n"
    )
    (folder / "ent_links").write_text("http://a/x\thttp://b/x\nhttp://a/z\thttp://b/z\n")
    left, right = (read_graph(str(folder), side) for side in (1, 2))
    assert left.triples == {("http://a/x", "http://a/p", "http://a/y")}
    assert left.entities == {"http://a/x", "http://a/y", "http://a/z"}
    assert right.entities == {"http://b/x", "http://b/y", "http://b/z"}
    assert ("http://a/x", "date 1961-05-08") in left.values
    assert ("http://a/y", "http://a/note") in left.attributes
    assert not right.attributes
    # One side alone is a folder of tables like any other, whichever is asked for.
    for name in ("rel_triples_2", "attr_triples_1"):
        (folder / name).unlink()
    assert read_graph(str(folder), 2).triples == left.triples


def test_graphs_of_attributes_alone_are_graphs(pair):
    folder, ask = pair
    for side in "ab":
        (folder / side / "triples.tsv").unlink()
    kgs, split = ask()
    assert kgs.triples.shape == (0, 3)
    assert "relation" not in kgs.modalities
    assert len(split.train) + len(split.valid) == 35
    assert "82 (41 + 41)" in describe(kgs, split)[1]


def test_a_literal_in_a_csv_table_of_triples_has_its_marks_doubled(tmp_path):
    (tmp_path / "t.csv").write_text(
        'http://a/x,http://a/p,"""1961-05-08"""\nhttp://a/x,http://a/q,http://a/y\n'
    )
    graph = read_graph(str(tmp_path / "t.csv"), 1)
    assert graph.entities == {"http://a/x", "http://a/y"}
    assert ("http://a/x", "date 1961-05-08") in graph.values


def test_the_files_of_a_graph_are_those_that_are_read(tmp_path):
    for name in ("ent_ids_1", "ent_ids_2", "triples_1", "triples_2", "notes.txt"):
        (tmp_path / name).write_text("0\tx\n")
    assert [path.name for path in graph_files(str(tmp_path), 1)] == ["ent_ids_1", "triples_1"]
    other = tmp_path / "by_names"
    other.mkdir()
    for name in ("rel_triples_1", "rel_triples_2", "attr_triples_2", "ent_links", "notes.txt"):
        (other / name).write_text("x\ty\tz\n")
    found = [path.name for path in graph_files(str(other), 2)]
    assert found == ["rel_triples_2", "attr_triples_2", "ent_links"]
    (other / "rel_triples_2").unlink()
    assert [path.name for path in graph_files(str(other), 1)] == ["attr_triples_2", "rel_triples_1"]
    with pytest.raises(InputError, match="nothing there"):
        graph_files(str(tmp_path / "nowhere"), 1)

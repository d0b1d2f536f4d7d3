"""The published layout: what sound files become, and what each kind of bad file gets."""

import json
import re

import numpy as np
import pytest

from mmea_jax.data.formats import published
from mmea_jax.data.structure import edges
from mmea_jax.errors import InputError

BAGS = ("relation", "attribute")


def test_index_is_the_rank_of_the_id(tiny):
    kgs = published.read(tiny.folder, "Tiny/a_b", BAGS)
    assert kgs.entity_ids.tolist() == [0, 1, 2, 3, 4, 5, 8, 9]
    assert kgs.side.tolist() == [0, 1, 0, 1, 0, 1, 0, 1]
    assert kgs.entity_names[6:] == ("http://a/Axe", "http://b/Stone")
    assert kgs.links.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_triples_are_sorted_distinct_and_their_relations_named(tiny):
    kgs = published.read(tiny.folder, "Tiny/a_b", BAGS)
    assert kgs.relation_names == ("http://a/grows", "http://a/near", "10", "11")
    assert kgs.triples.tolist() == [[0, 1, 2], [1, 3, 3], [2, 0, 4], [3, 2, 5], [4, 1, 4], [6, 0, 0]]
    assert kgs.triples.dtype == kgs.links.dtype == np.int32
    assert kgs.notes == ("1 duplicate triples dropped",)


def test_attributes_are_shared_by_the_sides_and_counted_once(tiny):
    bag = published.read(tiny.folder, "Tiny/a_b", BAGS).modalities["attribute"]
    assert bag.vocabulary == ("taste", "colour", "weight", "size")
    assert bag.matrix().toarray()[[0, 1, 6]].tolist() == [[1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]]
    assert bag.present.tolist() == [True, True, False, False, False, False, True, False]


@pytest.mark.parametrize("spoil", ["absent", "empty"])
def test_a_data_set_may_lack_attributes(tiny, spoil):
    for side in (1, 2):
        tiny.write(f"training_attrs_{side}", "")
        if spoil == "absent":
            (tiny.folder / f"training_attrs_{side}").unlink()
    assert set(published.read(tiny.folder, "Tiny/a_b", BAGS).modalities) == {"relation"}


def test_relation_ids_used_by_both_sides_stay_apart(tiny):
    tiny.write("triples_2", "1\t7\t3\n")
    kgs = published.read(tiny.folder, "Tiny/a_b", BAGS)
    assert len(kgs.relation_names) == 3
    assert "1 relation ids occur on both sides; taken as different relations" in kgs.notes


def test_line_ends_of_windows_and_blank_lines_are_no_content(tiny):
    before = published.read(tiny.folder, "Tiny/a_b", BAGS)
    for name in ("ent_ids_1", "triples_1", "ill_ent_ids", "training_attrs_1"):
        tiny.write(name, (tiny.folder / name).read_text().replace("\n", "\r\n\r\n"))
    after = published.read(tiny.folder, "Tiny/a_b", BAGS)
    assert after.entity_names == before.entity_names
    np.testing.assert_array_equal(after.triples, before.triples)
    assert after.modalities["attribute"].vocabulary == before.modalities["attribute"].vocabulary


def test_a_later_link_that_contradicts_is_dropped_on_request(tiny):
    tiny.write("ill_ent_ids", "0\t1\n2\t3\n8\t3\n4\t5\n")
    kgs = published.read(tiny.folder, "Tiny/a_b", BAGS, drop_contradicting=True)
    assert kgs.links.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert "1 links dropped that contradict an earlier one (ill_ent_ids, line 3)" in kgs.notes


# file, its content, line at fault, what was found, how to mend it
BAD = {
    "empty": ("triples_1", " \n", None, "an empty file", "restore triples_1"),
    "empty entities": ("ent_ids_2", "", None, "an empty file", "restore ent_ids_2"),
    "too few fields": ("triples_1", "0\t7\t2\n\n4\t7\n", 3, "2 field(s) in '4\\t7'", "complete or remove"),
    "too many fields": ("triples_2", "1 11 3 4\n", 1, "4 field(s)", "complete or remove"),
    "too few, but right in sum": ("ill_ent_ids", "0\n1 2 3\n", 1, "1 field(s)", "complete or remove"),
    "no integer": ("triples_2", "1\t11\t3\n1\tx1\t3\n", 2, "'x1'", "write the ids"),
    "underscore in a number": ("triples_2", "1\t1_1\t3\n", 1, "'1_1'", "write the ids"),
    "integer of more than 64 bits": ("triples_2", "1\t99999999999999999999\t3", 1, "'9999", "write the ids"),
    "entity id no integer": (
        "ent_ids_1",
        "0\thttp://a/A\nQ2\thttp://a/B\n",
        2,
        "id 'Q2'",
        "number the entities",
    ),
    "entity without a name": ("ent_ids_1", "0\thttp://a/A\n2\n", 2, "'2'", "with a tab between"),
    "entity repeated": (
        "ent_ids_1",
        "0\ta\n2\tb\n0\tc\n",
        3,
        "entity id 0 for the second time",
        "remove the line",
    ),
    "entity on both sides": (
        "ent_ids_2",
        "1\tx\n2\ty\n",
        2,
        "id 2, which line 2 of ent_ids_1",
        "distinct ids",
    ),
    "not UTF-8": ("ent_ids_1", b"0\ta\n2\t\xff\n", 2, "not UTF-8", "save the file as UTF-8"),
    "undeclared head": (
        "triples_1",
        "0\t7\t2\n77\t7\t2\n",
        2,
        "entity id 77, which no",
        "declare the entity",
    ),
    "undeclared tail": ("triples_2", "\n1\t11\t78\n", 2, "entity id 78, which no", "declare the entity"),
    "tail of the other side": (
        "triples_1",
        "0\t7\t3\n",
        1,
        "id 3, which belongs to ent_ids_2",
        "declare the",
    ),
    "undeclared in a link": ("ill_ent_ids", "0\t1\n2\t6\n", 2, "entity id 6, which no", "declare the entity"),
    "link the wrong way round": (
        "ill_ent_ids",
        "1\t0\n",
        1,
        "id 1, which belongs to ent_ids_2",
        "correct or",
    ),
    "link repeated": ("ill_ent_ids", "0\t1\n2\t3\n0\t1\n", 3, "0–1, which repeats line 1", "remove one of"),
    "link contradicted": (
        "ill_ent_ids",
        "0\t1\n2\t3\n4\t3\n",
        3,
        "4–3, which contradicts line 2: 2–3",
        "remove",
    ),
    "link contradicted left": (
        "ill_ent_ids",
        "0\t1\n0\t3\n",
        2,
        "contradicts line 1: 0–1",
        "contradicting_links",
    ),
    "attributes of a stranger": (
        "training_attrs_1",
        "http://a/Axe\tw\nhttp://a/Red_Aple\tw\n",
        2,
        "'http://a/Red_Aple' (did you mean 'http://a/Red_Apple'?)",
        "declare the entity in ent_ids_1",
    ),
    "attributes not UTF-8": ("training_attrs_2", b"\n\xff\n", 2, "not UTF-8", "save the file as UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_file_line_and_mend(tiny, case):
    name, content, line, found, mend = BAD[case]
    path = tiny.write(name, content)
    with pytest.raises(InputError, match=re.escape(found)) as error:
        published.read(tiny.folder, "Tiny/a_b", BAGS)
    assert (error.value.file, error.value.line) == (path, line)
    assert str(error.value).startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert mend in error.value.mend
    assert error.value.expected


@pytest.mark.parametrize("name", ["ent_ids_1", "ent_ids_2", "triples_1", "triples_2", "ill_ent_ids"])
def test_a_missing_required_file_is_named(tiny, name):
    (tiny.folder / name).unlink()
    with pytest.raises(InputError, match=f"put {name} there") as error:
        published.read(tiny.folder, "Tiny/a_b", BAGS)
    assert error.value.file == tiny.folder / name


@pytest.mark.parametrize("split", ["zh_en", "ja_en"])
def test_features_equal_the_published_ones(shared_data, golden, split):
    expected = json.loads((golden / "features.json").read_text())[split]
    kgs = published.read(shared_data / "DBP15K" / split, split, BAGS)
    assert kgs.num_entities == expected["entities"]
    assert len(kgs.triples) == expected["triples"]
    assert len(kgs.links) == expected["links"]
    assert len(kgs.relation_names) == expected["relations"]
    assert len(edges(kgs)[0]) == expected["adjacency"]["edges_with_self_loops"]
    for modality in BAGS:
        matrix, wanted = kgs.modalities[modality].matrix(), expected[f"{modality}_features"]
        columns = np.sort(matrix.sum(axis=0))[::-1]
        assert list(matrix.shape) == wanted["shape"]
        assert matrix.sum() == wanted["sum"]
        assert columns[:10].tolist() == wanted["column_sums_sorted_head"]
        assert matrix.sum(axis=1)[:10].tolist() == wanted["row_sums_head"]
    assert kgs.modalities["relation"].matrix().nnz == expected["relation_features"]["nonzero"]
    without = (~kgs.modalities["attribute"].present).sum()
    assert without == expected["attribute_features"]["entities_without"]


def test_published_links_of_fb15k_db15k_contradict_in_four_lines(shared_data):
    folder = shared_data / "FBDB15K" / "norm"
    kgs = published.read(folder, "FBDB15K/norm", ("attribute",), drop_contradicting=True)
    assert len(kgs.links) == 12_772 - 4
    present = kgs.modalities["attribute"].present
    assert present[kgs.side == 0].any()
    assert not present[kgs.side == 1].any()

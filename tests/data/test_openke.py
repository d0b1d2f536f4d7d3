"""The OpenKE layout: what sound files become, and what each kind of bad file gets."""

import re

import numpy as np
import pytest

from mmea_jax.data.formats import openke
from mmea_jax.errors import InputError

FILES = {
    "entity2id.txt": "4\n<http://a/Red_Apple> 0\n<http://a/Green_Pear>\t2\n<http://a/Old Tree>\t1\nAxe 3\n",
    "relation2id.txt": "2\ngrows\t0\nnear\t1\n",
    "train2id.txt": "3\n0 2 0\n1 3 1\n3\t0\t1\n",
    "valid2id.txt": "1\n2 0 0\n",
    "test2id.txt": "2\n0 1 1\n2 1 0\n",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def read(folder):
    names = openke.dictionaries(folder)
    return names, openke.parts(folder, names)


def test_ids_are_rows_and_columns_become_head_relation_tail(folder):
    (entities, relations), parts = read(folder)
    assert entities == ("<http://a/Red_Apple>", "<http://a/Old Tree>", "<http://a/Green_Pear>", "Axe")
    assert relations == ("grows", "near")
    assert parts["train"].tolist() == [[0, 0, 2], [1, 1, 3], [3, 1, 0]]
    assert parts["test"].tolist() == [[0, 1, 1], [2, 0, 1]]
    assert parts["train"].dtype == np.int32


def test_line_ends_of_windows_and_blank_lines_are_no_content(folder):
    before = read(folder)
    for name in FILES:
        (folder / name).write_bytes(b"\r\n" + FILES[name].replace("\n", "\r\n\r\n").encode())
    after = read(folder)
    assert after[0] == before[0]
    for part in before[1]:
        np.testing.assert_array_equal(after[1][part], before[1][part])


def test_a_file_of_validation_is_optional(folder):
    (folder / "valid2id.txt").unlink()
    assert set(read(folder)[1]) == {"train", "test"}


# file, its content, line at fault, what was found, how to mend it
BAD = {
    "empty": ("train2id.txt", " \n", None, "an empty file", "restore train2id.txt"),
    "no count of triples": ("train2id.txt", "0 2 0\n1 3 1\n", 1, "'0 2 0'", "write that number above"),
    "no count of entities": ("entity2id.txt", "a 0\nb 1\n", 1, "'a 0'", "write that number above"),
    "negative count": ("train2id.txt", "-1\n", 1, "'-1'", "write that number above"),
    "count too high": ("train2id.txt", "\n4\n0 2 0\n", 2, "the count 4 above 1 lines", "write 1 there"),
    "count too low": ("relation2id.txt", "1\ngrows 0\nnear 1\n", 1, "the count 1 above 2", "write 2 there"),
    "too few fields": ("test2id.txt", "2\n0 1 1\n2 1\n", 3, "2 field(s) in '2 1'", "complete or remove"),
    "no integer": ("test2id.txt", "2\n0 1 1\n\n2 x 0\n", 4, "'x' in '2 x 0'", "write the ids"),
    "unknown head": ("train2id.txt", "1\n4 0 0\n", 2, "head id 4 in '4 0 0'", "declare it in entity2id.txt"),
    "unknown tail": ("train2id.txt", "2\n0 1 0\n0 9 0\n", 3, "tail id 9", "reorder the columns"),
    "negative id": ("train2id.txt", "1\n-1 1 0\n", 2, "head id -1", "declare it"),
    "columns in another order": (
        "train2id.txt",
        "1\n0 1 2\n",
        2,
        "relation id 2 in '0 1 2', which relation2id.txt",
        "reorder the columns",
    ),
    "entity without an id": ("entity2id.txt", "2\na 0\nb\n", 3, "'b'", "complete the line"),
    "entity id no integer": ("entity2id.txt", "2\na 0\nb Q7\n", 3, "'b Q7'", "complete the line"),
    "ids with a gap": ("entity2id.txt", "2\na 0\nb 2\n", 3, "id 2", "number the lines anew"),
    "id twice": ("entity2id.txt", "2\na 0\nb 0\n", 3, "id 0, which line 2 has too", "remove one"),
    "name twice": ("relation2id.txt", "2\na 0\na 1\n", 3, "name 'a', which line 2", "remove one"),
    "not UTF-8": ("entity2id.txt", b"2\na 0\n\xff 1\n", 3, "not UTF-8", "save the file as UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_file_line_and_mend(folder, case):
    name, content, line, found, mend = BAD[case]
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=re.escape(found)) as error:
        read(folder)
    assert (error.value.file, error.value.line) == (path, line)
    assert mend in error.value.mend
    assert error.value.expected


@pytest.mark.parametrize("name", ["entity2id.txt", "relation2id.txt", "train2id.txt", "test2id.txt"])
def test_a_missing_required_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"put {name} there") as error:
        read(folder)
    assert error.value.file == folder / name

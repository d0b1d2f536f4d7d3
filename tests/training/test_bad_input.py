"""Bad input of either task, from files to the error: file, line and mend, and nothing is written."""

import pickle

import pytest

from mmea_jax.errors import InputError
from mmea_jax.training.launch import launch
from tests.data.conftest import Tiny
from tests.data.test_completion import write_set
from tests.small import load_config


def _alignment(root):
    tiny = Tiny(root)
    tiny.write_features({0: [1.0, 2.0], 1: [2.0, 1.0]})
    config = load_config("mimea", "Tiny/a_b/files")
    return tiny.folder, config


def _completion(root):
    config = load_config("adamf_mat", "MKGC/Tiny")
    config.data.visual = "simulated"
    return write_set(root), config


# Task, file below the data set's folder, its content, line at fault, what is found.
BAD = {
    "id no integer": (_alignment, "triples_2", b"1\t11\t3\n1\tx\t3\n", 2, "'x'"),
    "undeclared entity": (_alignment, "ill_ent_ids", b"0\t1\n2\t77\n", 2, "entity id 77"),
    "entity on both sides": (_alignment, "ent_ids_2", b"1\tx\n2\ty\n", 2, "line 2 of ent_ids_1"),
    "link repeated": (_alignment, "ill_ent_ids", b"0\t1\n0\t1\n", 2, "repeats line 1"),
    "empty": (_alignment, "triples_1", b"\n", None, "an empty file"),
    "features of a stranger": (
        _alignment,
        "../../pkls/Tiny_id_img_feature_dict.pkl",
        pickle.dumps({7: [1.0]}),
        None,
        "features for 7",
    ),
    "a pickle that imports": (
        _alignment,
        "../../pkls/Tiny_id_img_feature_dict.pkl",
        b"cos\nsystem\n(S'true'\ntR.",
        None,
        "calls for os.system",
    ),
    "no test links": (_alignment, "splits/files/test_links", b"", None, "an empty file"),
    "undeclared tail": (_completion, "train2id.txt", b"1\n0 9 0\n", 2, "tail id 9"),
    "too few fields": (_completion, "test2id.txt", b"1\n0 1\n", 2, "2 field(s)"),
    "no file": (_completion, "train2id.txt", None, None, "no readable file"),
    "no test triples": (_completion, "test2id.txt", b"0\n", None, "no test triple"),
}


@pytest.mark.parametrize("case", BAD)
def test_one_error_before_training_and_nothing_written(case, tmp_path):
    prepare, name, content, line, found = BAD[case]
    folder, config = prepare(tmp_path / "data")
    config.data.root = str(tmp_path / "data")
    path = (folder / name).resolve()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        launch(config, "train", tmp_path / "run")
    assert found in error.value.found
    assert error.value.line == line
    assert error.value.expected
    assert error.value.mend
    assert case == "no test triples" or error.value.file.name == path.name
    assert not (tmp_path / "run").exists()

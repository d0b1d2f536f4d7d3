"""The one entry: every option has its effect, and a bad one its error."""

import re
import subprocess
import sys

import numpy as np
import pytest

from mmea_jax.data import DataOptions, Dense, SyntheticOptions, describe, load
from mmea_jax.data.formats.features import Features, write_features
from mmea_jax.errors import InputError


def test_modalities_follow_the_options(tiny):
    kgs, split = load(tiny.options())
    assert list(kgs.modalities) == ["relation", "attribute"]
    assert (kgs.name, split.name) == ("Tiny/a_b", "files")
    kgs, _ = load(tiny.options(relation="none", attribute="none", name="words", char="bigrams"))
    assert list(kgs.modalities) == ["name", "char"]
    assert load(tiny.options(bag_width=2))[0].modalities["relation"].width == 2


def test_a_changed_file_is_read_again(tiny):
    load(tiny.options())
    tiny.write("triples_2", "1\t11\t3\n")
    assert len(load(tiny.options())[0].triples) == 5


def test_visual_features_have_rows_of_length_one_and_a_mask(tiny, images):
    tiny.write_features({**images, 2: np.zeros(3)})
    kgs, _ = load(tiny.options(visual="files"))
    visual = kgs.modalities["visual"]
    assert kgs.entity_ids[visual.present].tolist() == [0, 1, 4, 9]
    assert visual.features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(visual.features, axis=1), visual.present, rtol=1e-6)
    cosine = visual.features[1] @ images[1].astype(np.float32) / np.linalg.norm(images[1].astype(np.float32))
    np.testing.assert_allclose(cosine, 1, rtol=1e-6)
    assert kgs.simulated == ()
    assert "1 vectors of zeros taken as absent" in kgs.notes


def test_features_by_name_and_in_own_format_are_taken_first(tiny, images):
    path = tiny.write_features(images)
    keys = ("http://a/Axe", "http://b/Stone")
    write_features(path.with_suffix(".npz"), Features(keys, np.eye(2, dtype=np.float32)))
    visual = load(tiny.options(visual="files"))[0].modalities["visual"]
    assert np.flatnonzero(visual.present).tolist() == [6, 7]


def test_a_share_takes_its_own_file_or_rows_of_the_full_one(tiny, images):
    tiny.write_features(images)
    tiny.write_features({9: [1.0, 0.0]}, "_0.5")
    own = load(tiny.options(visual="files", missing={"visual": 0.5}))[0].modalities["visual"]
    assert (own.width, own.present.sum()) == (2, 1)
    rows = load(tiny.options(visual="files", missing={"visual": 0.25}))[0].modalities["visual"]
    assert (rows.width, rows.present.sum()) == (3, 2)


def test_without_the_full_file_the_error_lists_what_is_there(tiny, images):
    tiny.write_features(images, "_0.5")
    with pytest.raises(InputError, match=r"there are Tiny_id_img_feature_dict_0\.5\.pkl") as error:
        load(tiny.options(visual="files"))
    assert error.value.file == tiny.root / "pkls" / "Tiny_id_img_feature_dict.pkl"
    for mend in ("visual=simulated", "visual=none", "missing.visual=0.5"):
        assert f"--config.data.{mend}" in error.value.mend


@pytest.mark.parametrize("key", [7, "http://a/Ax"])
def test_features_of_a_stranger_are_refused(tiny, key):
    path = tiny.write_features({key: [1.0, 2.0]})
    with pytest.raises(InputError, match=re.escape(f"features for {key!r}")) as error:
        load(tiny.options(visual="files"))
    assert error.value.file == path
    assert "belongs to this data set" in error.value.mend


def test_simulated_features_are_named_as_such(tiny):
    kgs, split = load(tiny.options(visual="simulated", simulated_width=5, simulated_present=0.5))
    visual = kgs.modalities["visual"]
    assert isinstance(visual, Dense)
    assert (visual.width, visual.present.sum()) == (5, 4)
    assert kgs.simulated == ("visual",)
    assert any("visual" in line and "SIMULATED" in line for line in describe(kgs, split))


def test_missing_and_ambiguous_degrade(tiny):
    kgs, _ = load(tiny.options(visual="simulated", simulated_present=1.0, missing={"visual": 0.5}))
    assert kgs.modalities["visual"].present.sum() == 4
    kgs, _ = load(tiny.options(missing={"attribute": 0.125}, ambiguous={"relation": 1.0}))
    assert kgs.modalities["attribute"].present.sum() == 1


def test_describe_reports_counts_and_what_was_found(tiny):
    lines = "\n".join(describe(*load(tiny.options())))
    for part in (
        "Tiny/a_b: 8 (4 + 4) entities, 6 (4 + 2) triples, 4 relations, 3 gold links",
        "entities without triples: 1 (0 + 1)",
        "split files: 1 train, 0 valid, 2 test links",
        "attribute: width 4, present for 37.5% of the entities (KG 1 50.0%, KG 2 25.0%)",
        "1 duplicate triples dropped",
    ):
        assert part in lines


def test_synthetic_needs_no_files_and_obeys_the_options():
    world = SyntheticOptions(entities=60)
    kgs, split = load(DataOptions(synthetic=world, attribute="none", char="bigrams"))
    assert set(kgs.modalities) == {"relation", "visual", "char"}
    assert len(split.train) + len(split.valid) + len(split.test) == len(kgs.links)
    kgs, _ = load(DataOptions(synthetic=world, missing={"visual": 0.1}))
    assert kgs.modalities["visual"].present.sum() == 12


BAD_OPTIONS = {
    "visual": ({"visual": "file"}, "data.visual = 'file' (did you mean 'files'?)"),
    "relation": ({"relation": True}, "data.relation = True"),
    "name": ({"name": "word"}, "data.name = 'word'"),
    "links": ({"contradicting_links": "keep"}, "data.contradicting_links = 'keep'"),
    "seed_ratio 0": ({"seed_ratio": 0.0}, "data.seed_ratio = 0.0"),
    "seed_ratio 1.5": ({"seed_ratio": 1.5}, "data.seed_ratio = 1.5"),
    "seed_ratio nan": ({"seed_ratio": float("nan")}, "data.seed_ratio = nan"),
    "valid_ratio": ({"valid_ratio": -0.1}, "data.valid_ratio = -0.1"),
    "simulated_present": ({"simulated_present": 0}, "data.simulated_present = 0"),
    "bag_width": ({"bag_width": 0}, "data.bag_width = 0"),
    "split_seed": ({"split_seed": -1}, "data.split_seed = -1"),
    "missing 0": ({"missing": {"attribute": 0.0}}, "data.missing.attribute = 0.0"),
    "missing 2": ({"missing": {"attribute": 2}}, "data.missing.attribute = 2"),
    "ambiguous": ({"ambiguous": {"relation": -0.5}}, "data.ambiguous.relation = -0.5"),
    "missing structure": ({"missing": {"structure": 0.5}}, "a key of data.missing = 'structure'"),
    "missing misspelt": ({"missing": {"visuall": 0.5}}, "'visuall' (did you mean 'visual'?)"),
    "missing switched off": ({"missing": {"name": 0.5}}, "data.missing.name = 0.5 with data.name = 'none'"),
    "unknown data set": ({"dataset": "Tiny/a_c"}, "the data set 'Tiny/a_c' (did you mean 'Tiny/a_b'?)"),
    "a folder of data sets": ({"dataset": "Tiny"}, "the data set 'Tiny'"),
    "no root": ({"root": None}, "'Tiny/a_b' without a root"),
    "unknown split": ({"split": "filed"}, "the split 'filed' (did you mean 'files'?)"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options_are_named(tiny, case):
    options, found = BAD_OPTIONS[case]
    with pytest.raises(InputError, match=re.escape(found)) as error:
        load(tiny.options(**options))
    assert error.value.expected
    assert error.value.mend


def test_what_the_data_lacks_cannot_go_missing(tiny):
    for side in (1, 2):
        tiny.write(f"training_attrs_{side}", "")
    with pytest.raises(InputError, match="without attribute"):
        load(tiny.options(missing={"attribute": 0.5}))


def test_contradicting_links_are_dropped_where_asked_and_refused_elsewhere(tiny):
    tiny.write("ill_ent_ids", "0\t1\n2\t3\n4\t5\n8\t5\n")
    with pytest.raises(InputError, match="8–5, which contradicts line 3"):
        load(tiny.options())
    kgs, _ = load(tiny.options(contradicting_links="drop"))
    assert len(kgs.links) == 3


def test_the_data_layer_needs_no_jax():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, mmea_jax.data; assert 'jax' not in sys.modules"]
    )
    assert done.returncode == 0


def test_dbp15k_is_the_same_from_the_cache(shared_data, tmp_path):
    options = DataOptions(dataset="DBP15K/zh_en", root=shared_data, visual="none", cache=tmp_path)
    cold, split = load(options)
    warm, again = load(options)
    assert list(tmp_path.iterdir())
    assert split.sha256 == again.sha256
    assert cold.entity_names == warm.entity_names
    np.testing.assert_array_equal(cold.triples, warm.triples)
    for modality, bag in cold.modalities.items():
        assert (bag.matrix() != warm.modalities[modality].matrix()).nnz == 0


def test_published_feature_files_are_found(shared_data, tmp_path):
    options = {"dataset": "DBP15K/zh_en", "root": shared_data, "cache": tmp_path, "attribute": "none"}
    full = load(DataOptions(**options))[0].modalities["visual"]
    few = load(DataOptions(**options, missing={"visual": 0.05}))[0].modalities["visual"]
    assert (full.width, full.present.sum()) == (128, 30_388)
    assert (few.width, few.present.sum()) == (512, 1948)
    assert round(full.present.mean(), 2) == 0.78

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.data.bags import normalised
from mmea_jax.data.options import SyntheticOptions
from mmea_jax.data.synthetic import generate
from mmea_jax.errors import InputError

SMALL = SyntheticOptions(entities=300)


@pytest.fixture(scope="module")
def small():
    return generate(SMALL)


@pytest.fixture(scope="module")
def default():
    return generate(SyntheticOptions())


def with_knobs(**knobs):
    return generate(dataclasses.replace(SMALL, **knobs))


def assert_same(one, other):
    """Equality of records, tuples, mappings and arrays alike."""
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    else:
        np.testing.assert_array_equal(one, other)


def both_present(kgs, modality):
    return kgs.links[kgs.modalities[modality].present[kgs.links].all(axis=1)]


def hits_at_1(rows, links, reverse=False):
    scores = rows[links[:, 0]] @ rows[links[:, 1]].T
    scores = scores.T if reverse else scores
    gold = np.diag(scores)[:, None]
    # A tie counts as half a rank lost, so that empty rows cannot score.
    return np.mean((scores > gold).sum(axis=1) + ((scores == gold).sum(axis=1) - 1) / 2 < 1)


def cosine_rows(bag):
    return normalised(bag).matrix().toarray()


def test_arrays_keep_the_contract(small):
    n = SMALL.entities
    assert small.name == "synthetic"
    assert small.simulated == ()
    assert small.num_entities == 2 * n == len(small.entity_names) == len(small.entity_ids)
    assert np.all(np.diff(small.entity_ids) > 0)
    assert small.side.dtype == np.int8
    assert small.triples.dtype == np.int32
    assert small.links.dtype == np.int32
    assert list(small.modalities) == ["relation", "attribute", "visual", "name", "char"]
    np.testing.assert_array_equal(small.triples, np.unique(small.triples, axis=0))
    assert small.triples[:, 1].max() < len(small.relation_names)
    # A triple stays on one side, and a relation belongs to that side.
    side = small.side[small.triples[:, 0]]
    np.testing.assert_array_equal(side, small.side[small.triples[:, 2]])
    np.testing.assert_array_equal(side, small.triples[:, 1] >= SMALL.relations)
    np.testing.assert_array_equal(small.side[small.links], np.tile([0, 1], (len(small.links), 1)))
    assert len(np.unique(small.links)) == small.links.size


def test_modalities_keep_the_contract(small):
    for modality, rows in small.modalities.items():
        assert rows.present.shape == (small.num_entities,), modality
    visual = small.modalities["visual"]
    assert visual.features.dtype == np.float32
    assert visual.width == SMALL.visual_width
    np.testing.assert_allclose(np.linalg.norm(visual.features, axis=1), visual.present, atol=1e-6)
    bag = small.modalities["attribute"]
    assert np.all(bag.values == 1)
    assert np.all((np.diff(bag.offsets) > 0) == bag.present)


def test_names_are_unique_within_a_side(small):
    n = SMALL.entities
    assert len(set(small.entity_names[:n])) == n
    assert len(set(small.entity_names[n:])) == n


def test_the_same_options_give_the_same_arrays(small):
    assert_same(generate(SMALL), small)


def test_another_seed_gives_another_world(small):
    other = with_knobs(seed=1)
    assert other.entity_names != small.entity_names
    assert not np.array_equal(other.modalities["visual"].features, small.modalities["visual"].features)


@pytest.mark.parametrize(
    ("knob", "value", "changed"),
    [
        ("triple_dropout", 0.5, {"triples", "relation"}),
        ("triple_noise", 0.3, {"triples", "relation"}),
        ("attribute_dropout", 0.6, {"attribute"}),
        ("attribute_missing", (0.5, 0.0), {"attribute"}),
        ("attribute_renamed", 1.0, {"attribute"}),
        ("visual_noise", 0.3, {"visual"}),
        ("visual_missing", (0.0, 0.5), {"visual"}),
        ("ambiguity", 0.5, {"visual"}),
        ("name_noise", 0.1, {"entity_names", "name", "char"}),
        ("letter_noise", 0.1, {"entity_names", "name", "char"}),
    ],
)
def test_a_knob_shifts_nothing_but_its_own(small, knob, value, changed):
    other = with_knobs(**{knob: value})
    parts = {"triples": None, "links": None, "entity_names": None, **small.modalities}
    for part in parts:
        one = small.modalities.get(part, getattr(small, part, None))
        two = other.modalities.get(part, getattr(other, part, None))
        if part in changed:
            with pytest.raises(AssertionError):
                assert_same(one, two)
        else:
            assert_same(one, two)


@pytest.mark.parametrize("dangling", [0.0, 0.1, 0.5])
def test_dangling_entities_have_no_link(dangling):
    kgs = with_knobs(dangling=dangling)
    assert len(kgs.links) == 300 - round(dangling * 300)
    assert kgs.num_entities == 600


def test_relation_names_are_disjoint_by_default(small):
    r = SMALL.relations
    assert len(small.relation_names) == 2 * r
    assert not set(small.relation_names[:r]) & set(small.relation_names[r:])


@pytest.mark.parametrize("renamed", [0.0, 0.25])
def test_common_relations_share_a_column(renamed):
    kgs = with_knobs(relation_renamed=renamed)
    common = set(kgs.relation_names[:60]) & set(kgs.relation_names[60:])
    assert len(common) == 60 - round(renamed * 60)
    assert kgs.modalities["relation"].width <= 120 - len(common)


def test_visual_missing_is_exact_on_each_side():
    kgs = with_knobs(visual_missing=(0.2, 0.7))
    present = kgs.modalities["visual"].present
    assert present[:300].sum() == 240
    assert present[300:].sum() == 90


def test_attributes_may_be_missing_from_a_whole_side():
    present = with_knobs(attribute_missing=(0.0, 1.0), attribute_dropout=0.0).modalities["attribute"].present
    assert present[:300].all()
    assert not present[300:].any()


def test_triple_counts_follow_their_knobs():
    whole = SyntheticOptions(entities=2000, triple_dropout=0.0, triple_noise=0.0)
    full = len(generate(whole).triples)
    assert full == pytest.approx(2 * 5 * 2000, rel=0.05)
    dropped = len(generate(dataclasses.replace(whole, triple_dropout=0.4)).triples)
    assert dropped == pytest.approx(0.6 * full, rel=0.03)
    # The additions make up the share that is asked for; a few repeat a triple that is there.
    added = len(generate(dataclasses.replace(whole, triple_noise=0.2)).triples)
    assert (added - full) / added == pytest.approx(0.2, abs=0.01)


def test_degrees_are_heavy_tailed(default):
    degree = np.bincount(default.triples[:, [0, 2]].ravel(), minlength=default.num_entities)
    assert degree.max() > 10 * degree.mean()
    assert np.median(degree) < degree.mean()
    assert np.mean(degree == 0) < 0.05


def test_names_match_without_noise():
    kgs = with_knobs(name_noise=0.0)
    words = cosine_rows(kgs.modalities["char"])
    np.testing.assert_allclose(words[kgs.links[:, 0]], words[kgs.links[:, 1]], atol=1e-6)


@pytest.mark.parametrize("seed", [0, 7])
def test_images_alone_are_calibrated(seed):
    kgs = generate(SyntheticOptions(seed=seed))
    links, features = both_present(kgs, "visual"), kgs.modalities["visual"].features
    # All 900 or so pairs are asked for: bisection leaves one or two hits.
    assert hits_at_1(features, links) == pytest.approx(0.25, abs=0.01)
    # Not calibrated in this direction: within three standard errors.
    assert hits_at_1(features, links, reverse=True) == pytest.approx(0.25, abs=0.05)


def test_no_modality_alone_aligns_the_default_world(default):
    attribute, relation, char = (
        hits_at_1(cosine_rows(default.modalities[m]), default.links)
        for m in ("attribute", "relation", "char")
    )
    assert 0.02 < attribute < 0.25
    assert relation < 0.005
    assert 0.1 < char < 0.6


def test_ambiguous_images_have_near_copies():
    kgs = with_knobs(ambiguity=0.2, visual_noise=0.0, visual_missing=(0.0, 0.0), dangling=0.0)
    one = kgs.modalities["visual"].features[:300]
    near = one @ one.T - 2 * np.eye(300)
    # 60 copies of 60 originals.
    assert np.sum(near.max(axis=1) > 0.99) == 120


@settings(max_examples=25, deadline=None)
@given(
    entities=st.integers(4, 30),
    types=st.integers(1, 20),
    relations=st.integers(1, 5),
    attributes=st.integers(1, 5),
    triples_per_entity=st.floats(0.01, 8),
    dangling=st.floats(0, 0.5),
    ambiguity=st.floats(0, 0.99),
    visual_missing=st.tuples(st.floats(0, 1), st.floats(0, 0.99)),
    seed=st.integers(0, 1000),
)
def test_odd_worlds_generate(**knobs):
    kgs = generate(SyntheticOptions(visual_width=3, **knobs))
    assert kgs.num_entities == 2 * knobs["entities"]
    assert np.isfinite(kgs.modalities["visual"].features).all()


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("entities", 3),
        ("relations", 0),
        ("seed", -1),
        ("dangling", 1.0),
        ("dangling", 0.999),
        ("triple_noise", 1.0),
        ("name_noise", 1.5),
        ("letter_noise", float("nan")),
        ("visual_missing", (0.1,)),
        ("visual_missing", (1.0, 1.0)),
        ("attribute_missing", (0.1, -0.1)),
        ("triples_per_entity", 0.0),
        ("visual_noise", -1.0),
    ],
)
def test_a_knob_out_of_range_is_named(knob, value):
    with pytest.raises(
        InputError, match=rf"found data\.synthetic\.{knob}=.*To mend it: set --config"
    ) as caught:
        with_knobs(**{knob: value})
    assert caught.value.expected

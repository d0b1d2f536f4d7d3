import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.data.degrade import degrade
from mmea_jax.data.knowledge_graphs import Bag, Dense, KnowledgeGraphs
from mmea_jax.errors import InputError

shares = st.floats(0.001, 1.0)
seeds = st.integers(0, 2**32)


def some_graphs(n=40, rate=0.7, seed=0):
    """Entities of both sides alternating, with a dense and two sparse modalities and absent rows in each."""
    rng = np.random.default_rng(seed)
    present = rng.random((3, n)) < rate
    features = rng.standard_normal((n, 16)) * present[0][:, None]
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    return KnowledgeGraphs(
        name="some",
        entity_ids=np.arange(n),
        entity_names=tuple(str(i) for i in range(n)),
        words=tuple(str(i) for i in range(n)),
        side=(np.arange(n) % 2).astype(np.int8),
        triples=np.zeros((0, 3), np.int32),
        relation_names=(),
        links=np.arange(n, dtype=np.int32).reshape(-1, 2),
        modalities={
            "visual": Dense((features / np.where(norm > 0, norm, 1)).astype(np.float32), present[0]),
            "attribute": random_bag(rng, present[1]),
            "name": random_bag(rng, present[2]),
        },
    )


def random_bag(rng, present):
    cells = rng.random((len(present), 9)) < 0.3
    cells[:, 4] = True  # no present row is empty
    cells &= present[:, None]
    offsets = np.concatenate([[0], np.cumsum(cells.sum(axis=1))])
    columns = np.nonzero(cells)[1].astype(np.int32)
    values = rng.random(len(columns)).astype(np.float32) + 0.5
    return Bag(offsets, columns, values, tuple("abcdefghi"), present)


def dense(rows):
    return rows.features if isinstance(rows, Dense) else rows.matrix().toarray()


@pytest.fixture
def graphs():
    return some_graphs()


@pytest.mark.parametrize("modality", ["visual", "attribute", "name"])
@settings(max_examples=30, deadline=None)
@given(share=shares, seed=seeds)
def test_missing_keeps_exactly_the_share_and_removes_the_rest(modality, share, seed):
    before = some_graphs()
    old = before.modalities[modality]
    new = degrade(before, {modality: share}, {}, seed).modalities[modality]
    assert new.present.sum() == min(round(share * 40), old.present.sum())
    assert np.all(old.present[new.present])
    np.testing.assert_array_equal(dense(new), dense(old) * new.present[:, None])
    if isinstance(new, Bag):
        assert len(new.columns) == len(new.values) == new.offsets[-1]
        assert np.all((np.diff(new.offsets) > 0) == new.present)


@settings(max_examples=30, deadline=None)
@given(pair=st.tuples(shares, shares), seed=seeds)
def test_missing_is_nested(pair, seed):
    few, many = (
        degrade(some_graphs(), {"visual": share}, {}, seed).modalities["visual"].present
        for share in sorted(pair)
    )
    assert np.all(many[few])


@pytest.mark.parametrize("modality", ["visual", "attribute"])
@settings(max_examples=30, deadline=None)
@given(share=shares, seed=seeds)
def test_only_the_entities_asked_for_lose_rows(modality, share, seed):
    before, of = some_graphs(), np.arange(40) % 3 == 0
    old = before.modalities[modality]
    new = degrade(before, {modality: share}, {}, seed, of).modalities[modality]
    assert (new.present & of).sum() == min(round(share * of.sum()), (old.present & of).sum())
    assert not (new.present & ~old.present).any()
    np.testing.assert_array_equal(new.present[~of], old.present[~of])
    kept = new.present
    np.testing.assert_array_equal(dense(new)[kept], dense(old)[kept])


@settings(max_examples=20, deadline=None)
@given(missing=shares, ambiguous=st.floats(0, 1), seed=seeds)
def test_all_else_is_untouched(missing, ambiguous, seed):
    before = some_graphs()
    kept = {m: dense(rows).copy() for m, rows in before.modalities.items()}
    after = degrade(before, {"visual": missing}, {"visual": ambiguous}, seed)
    for modality in ("attribute", "name"):
        assert after.modalities[modality] is before.modalities[modality]
    for field in dataclasses.fields(KnowledgeGraphs):
        if field.name != "modalities":
            assert getattr(after, field.name) is getattr(before, field.name)
    for modality, rows in before.modalities.items():
        np.testing.assert_array_equal(dense(rows), kept[modality])


@pytest.mark.parametrize("modality", ["visual", "attribute"])
@settings(max_examples=30, deadline=None)
@given(share=st.floats(0, 1), seed=seeds)
def test_ambiguous_replaces_the_share_by_rows_of_the_same_side(modality, share, seed):
    before = some_graphs()
    old = before.modalities[modality]
    new = degrade(before, {}, {modality: share}, seed).modalities[modality]
    np.testing.assert_array_equal(new.present, old.present)
    rows, originals = dense(new), dense(old)
    changed = np.flatnonzero((rows != originals).any(axis=1))
    assert len(changed) == round(share * old.present.sum())
    for entity in changed:
        peers = np.flatnonzero(old.present & (before.side == before.side[entity]))
        distance = np.linalg.norm(originals[peers] - rows[entity], axis=1)
        assert peers[np.argmin(distance)] != entity
        assert distance.min() == 0 if isinstance(new, Bag) else 0 < distance.min() < 0.1
    if isinstance(new, Dense):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), new.present, atol=1e-6)


def test_the_only_row_of_a_side_stays():
    present = np.zeros(6, bool)
    present[3] = True
    visual = Dense(np.eye(6, dtype=np.float32) * present[:, None], present)
    graphs = dataclasses.replace(some_graphs(6), modalities={"visual": visual})
    after = degrade(graphs, {}, {"visual": 1.0}, 0).modalities["visual"]
    np.testing.assert_array_equal(after.features, visual.features)


def test_ambiguous_rows_are_drawn_from_those_not_missing(graphs):
    gone = degrade(graphs, {"attribute": 0.2}, {}, 1).modalities["attribute"]
    both = degrade(graphs, {"attribute": 0.2}, {"attribute": 1.0}, 1).modalities["attribute"]
    np.testing.assert_array_equal(both.present, gone.present)
    left = dense(gone)[gone.present]
    for row in dense(both)[both.present]:
        assert (left == row).all(axis=1).any()


def test_seeds_decide(graphs):
    one, two, other = (degrade(graphs, {"visual": 0.3}, {"visual": 0.5}, s).modalities for s in (5, 5, 6))
    np.testing.assert_array_equal(one["visual"].features, two["visual"].features)
    assert not np.array_equal(one["visual"].present, other["visual"].present)


def test_modalities_draw_apart():
    graphs = some_graphs(rate=1.1)
    alone = degrade(graphs, {"visual": 0.4}, {}, 0).modalities["visual"]
    together = degrade(graphs, {"attribute": 0.4, "visual": 0.4}, {}, 0).modalities
    np.testing.assert_array_equal(alone.present, together["visual"].present)
    assert not np.array_equal(together["visual"].present, together["attribute"].present)


@pytest.mark.parametrize(
    ("missing", "ambiguous", "message"),
    [
        ({"visul": 0.5}, {}, r"the modality 'visul' in data\.missing \(did you mean 'visual'\?\)"),
        ({}, {"nam": 0.5}, r"the modality 'nam' in data\.ambiguous \(did you mean 'name'\?\)"),
        ({"char": 0.5}, {}, r"some is loaded without char; expected one of visual, attribute, name"),
        ({"structure": 0.5}, {}, r"found data\.missing\.structure; .*remove"),
        ({"visual": 0}, {}, r"keeps no row.*--config\.data\.visual=none"),
        ({"visual": 1.2}, {}, r"found data\.missing\.visual=1\.2; .*\(0, 1\]"),
        ({"visual": -0.1}, {}, r"found data\.missing\.visual=-0\.1; .*\(0, 1\]"),
        ({"visual": float("nan")}, {}, r"found data\.missing\.visual=nan; .*\(0, 1\]"),
        ({}, {"name": 1.5}, r"found data\.ambiguous\.name=1\.5; .*\[0, 1\]"),
    ],
)
def test_what_is_wrong_is_named(graphs, missing, ambiguous, message):
    with pytest.raises(InputError, match=message):
        degrade(graphs, missing, ambiguous, 0)

"""Modalities that are missing or ambiguous in completion data."""

import dataclasses

import pytest

from mmea_jax.data.completion_load import describe_completion, load_completion
from mmea_jax.data.completion_options import CompletionOptions
from mmea_jax.errors import InputError
from tests.data.test_completion import SMALL, options, write_set


def test_missing_and_ambiguous_modalities(tmp_path):
    data = CompletionOptions(synthetic=SMALL)
    full = load_completion(data)
    few = load_completion(dataclasses.replace(data, missing={"visual": 0.2, "text": 0.5}))
    for modality, share in (("visual", 0.2), ("text", 0.5)):
        assert few.modalities[modality].present.mean() == pytest.approx(share, abs=0.01)
        assert not (few.modalities[modality].present & ~full.modalities[modality].present).any()
    copied = load_completion(dataclasses.replace(data, ambiguous={"visual": 0.5})).modalities["visual"]
    changed = (copied.features != full.modalities["visual"].features).any(axis=1)
    assert changed.sum() == pytest.approx(0.5 * copied.present.sum(), abs=1)
    with pytest.raises(InputError, match="loaded without visual"):
        load_completion(dataclasses.replace(data, visual="none", missing={"visual": 0.2}))


def test_modalities_may_go_missing_of_test_entities_alone(tmp_path):
    # Of 6 entities two are of test triples; all have a name.
    write_set(tmp_path, train=[(h, 0, t) for h in range(6) for t in range(6)], valid=[], test=[(1, 1, 2)])
    asked = options(tmp_path, missing={"text": 0.5}, missing_of="test")
    graph = load_completion(asked)
    present = graph.modalities["text"].present
    assert graph.tested().tolist() == [False, True, True, False, False, False]
    assert present[[0, 3, 4, 5]].all()
    assert present[[1, 2]].sum() == 1
    assert any("of the 2 entities that test triples name" in line for line in describe_completion(graph))
    # By default all entities share the loss, and nothing is said of test triples.
    every = load_completion(dataclasses.replace(asked, missing_of="all"))
    assert every.modalities["text"].present.sum() == 3
    assert not any("go missing" in note for note in every.notes)

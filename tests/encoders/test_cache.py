"""The cache and the loop that goes on from it; needs no model."""

import itertools
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmea_jax.encoders.batches import resumed
from mmea_jax.encoders.cache import Cache, digest
from mmea_jax.errors import InputError


def upper(batch):
    return [item.upper().encode() for item in batch]


def run(items, work, cache, model="m", batch_size=2):
    by_digest = {digest(item): item for item in items}
    found = resumed(by_digest, work, cache, model, size=len, batch_size=batch_size, label="t")
    return {by_digest[key]: value for key, value in found.items()}


@settings(deadline=None, max_examples=25)  # files are as slow as the machine is busy
@given(st.dictionaries(st.text(st.characters()), st.binary(), max_size=20), st.randoms())
def test_what_is_put_is_found_by_model_and_content(tmp_path_factory, texts, random):
    path = tmp_path_factory.mktemp("cache") / "c.sqlite"
    results = {digest(text): value for text, value in texts.items()}
    with Cache(path) as cache:
        cache.put("one", results)
    with Cache(path) as cache:
        asked = [*results, digest("\ud800 never put")]
        random.shuffle(asked)
        assert cache.get("one", asked) == results
        assert cache.get("two", asked) == {}


def test_more_contents_than_one_query_may_name(cache):
    results = {digest(str(i)): b"%d" % i for i in range(1203)}
    cache.put("m", results)
    assert cache.get("m", results) == results


def test_each_item_is_worked_on_once_the_largest_first(cache):
    batches = []

    def work(batch):
        batches.append(batch)
        return upper(batch)

    items = ["a", "bbb", "cc", "dddd", "eeeee"]
    assert run(items, work, cache) == {item: item.upper().encode() for item in items}
    assert batches == [["eeeee", "dddd"], ["bbb", "cc"], ["a"]]
    assert run([*items, "ff"], work, cache)["ff"] == b"FF"
    assert batches[3:] == [["ff"]]
    run(items, work, cache, model="another")
    assert len(batches) == 7


def test_an_interrupted_run_goes_on_where_it_ended(cache):
    done = []

    def work(batch):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(batch)
        return upper(batch)

    items = [str(i) * (i + 1) for i in range(8)]
    with pytest.raises(KeyboardInterrupt):
        run(items, work, cache)
    again = []
    found = run(items, lambda batch: again.append(batch) or upper(batch), cache)
    assert len(found) == 8
    assert sorted(itertools.chain(*done, *again)) == sorted(items)


def test_a_failure_is_not_remembered(cache):
    assert run(["a", "b"], lambda batch: [None] * len(batch), cache) == {}
    assert run(["a"], upper, cache) == {"a": b"A"}


def test_a_damaged_cache_is_refused(tmp_path):
    path = tmp_path / "c.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match="no usable cache") as error:
        Cache(path)
    assert "--cache" in error.value.mend


def test_nothing_heavy_is_imported_with_the_package():
    modules = "text, images, abstracts, language_model, text_encoder, image_encoder"
    code = (
        f"import sys, mmea_jax, mmea_jax.data; from mmea_jax.encoders import {modules}; "
        "assert not {'torch', 'transformers', 'jax', 'PIL'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

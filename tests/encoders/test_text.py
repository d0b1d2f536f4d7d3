"""Texts to vectors: pooling, the encoder, the command, and what the data layer makes of it."""

import json
import shutil

import numpy as np
import pytest

from mmea_jax.data import load
from mmea_jax.data.completion_load import load_completion
from mmea_jax.data.completion_options import CompletionOptions
from mmea_jax.data.formats.features import read_features
from mmea_jax.encoders.entities import read_entities
from mmea_jax.encoders.text import main
from mmea_jax.encoders.text_encoder import TextEncoder
from mmea_jax.errors import InputError

TEXTS = ["birth date", "date of birth and place of birth", "population total", "height", "birth date"]


def arguments(model, tmp_path, *more):
    out = tmp_path / "out.npz"
    common = ["--encoder", str(model), "--out", str(out), "--cache", str(tmp_path / "c.sqlite")]
    return [*common, *map(str, more)], out


@pytest.mark.parametrize("mode", ["mean", "first", "last", "largest"])
def test_pooling_is_what_it_says(libraries, mode):
    from mmea_jax.encoders.pooling import pooled

    torch, _ = libraries
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal((3, 4, 5)).astype(np.float32)
    lengths = [4, 2, 1]
    mask = np.array([[i < n for i in range(4)] for n in lengths], np.int64)
    found = pooled(torch.tensor(tokens), torch.tensor(mask), mode).numpy()
    for row, own, n in zip(found, tokens, lengths, strict=True):
        kept = own[:n]
        whole = {"mean": kept.mean(0), "first": own[0], "last": own[n - 1], "largest": kept.max(0)}[mode]
        np.testing.assert_allclose(row, whole / np.linalg.norm(whole), atol=1e-6)


def test_the_encoder_is_the_mean_of_the_last_layer(libraries, tiny_text, cache):
    torch, transformers = libraries
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_text)
    model = transformers.AutoModel.from_pretrained(tiny_text).eval()
    found = TextEncoder(str(tiny_text)).encode(TEXTS, cache, batch_size=3)
    for text, row in zip(TEXTS, found, strict=True):
        with torch.inference_mode():
            tokens = tokenizer(text, return_tensors="pt")
            mean = model(tokens["input_ids"]).last_hidden_state[0].mean(0).numpy()
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-5)


def test_long_texts_are_cut_and_the_cut_is_part_of_the_key(tiny_text, cache):
    encoder = TextEncoder(str(tiny_text), max_tokens=2)
    one, two = encoder.encode(["birth date place", "birth date height"], cache)
    np.testing.assert_array_equal(one, two)
    assert TextEncoder(str(tiny_text), max_tokens=500).max_tokens == 12  # what the model has positions for
    longer = TextEncoder(str(tiny_text)).encode(["birth date place", "birth date height"], cache)
    assert not np.allclose(longer[0], longer[1])


def test_a_second_run_computes_nothing_and_gives_the_same(tiny_text, cache, monkeypatch):
    encoder = TextEncoder(str(tiny_text))
    first = encoder.encode(TEXTS, cache)
    encoder = TextEncoder(str(tiny_text))
    monkeypatch.setattr(encoder, "_batch", lambda batch: pytest.fail("computed again"))
    np.testing.assert_array_equal(encoder.encode(TEXTS[::-1], cache), first[::-1])


def test_other_weights_are_another_model(tiny_text, tmp_path, libraries, cache):
    torch, transformers = libraries
    first = TextEncoder(str(tiny_text)).encode(TEXTS, cache)
    other = tmp_path / "other"
    shutil.copytree(tiny_text, other)
    model = transformers.AutoModel.from_pretrained(other)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.mul_(-1)
    model.save_pretrained(other)
    assert not np.allclose(TextEncoder(str(other)).encode(TEXTS, cache), first)


def test_a_prefix_stands_before_each_text(tiny_text, cache):
    with_prefix = TextEncoder(str(tiny_text), prefix="name : ").encode(["height"], cache)
    np.testing.assert_allclose(
        with_prefix, TextEncoder(str(tiny_text)).encode(["name : height"], cache), atol=1e-6
    )


def test_a_head_that_would_be_left_out_is_refused(tiny_text, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_text, folder)
    modules = [
        {"type": f"sentence_transformers.models.{kind}", "path": kind} for kind in ("Transformer", "Dense")
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(InputError, match="a module Dense"):
        TextEncoder(str(folder))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("/nowhere/at/all", "no such folder"),
        (".", "no config.json"),
    ],
)
def test_a_wrong_model_is_one_error(libraries, tmp_path, monkeypatch, name, found):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=found):
        TextEncoder(name)


def test_a_damaged_model_is_one_error(tiny_text, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_text, folder)
    (folder / "model.safetensors").write_bytes(b"\0" * 64)
    with pytest.raises(InputError, match="no model that can be loaded"):
        TextEncoder(str(folder))


def test_the_real_encoder_knows_what_means_the_same(minilm, cache):
    encoder = TextEncoder(minilm)
    texts = ["birth date", "date of birth", "population", "number of inhabitants", ""]
    vectors = encoder.encode(texts, cache)
    assert vectors.shape == (5, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    similar = vectors @ vectors.T
    assert similar[0, 1] > 0.8 > 0.5 > similar[0, 2]
    assert similar[2, 3] > similar[1, 3]
    alone = encoder.encode(["birth date"], cache, batch_size=1)
    np.testing.assert_allclose(alone[0], vectors[0], atol=1e-5)


def test_names_of_an_alignment_data_set_become_a_modality(tiny_text, tiny, tmp_path, capsys):
    flags, out = arguments(tiny_text, tmp_path, "--data", tiny.folder)
    assert main(flags) == 0
    assert "8 of 8 entities" in capsys.readouterr().out
    kgs, _ = load(tiny.options(features={"name": out}))
    assert kgs.modalities["name"].features.shape == (8, 16)
    assert kgs.modalities["name"].present.all()
    assert "name features from out.npz" in kgs.notes
    assert json.loads((tmp_path / "out.npz.json").read_text())["names_used"] is True


def test_names_that_are_identifiers_are_masked(tiny_text, tmp_path):
    folder = tmp_path / "MKGC" / "Small"
    folder.mkdir(parents=True)
    (folder / "entity2id.txt").write_text(
        "3\n<http://x/Tall_Tree> 0\nhttp://wikidata.org/entity/Q4 1\n/m/0abc 2\n"
    )
    (folder / "relation2id.txt").write_text("1\nnear 0\n")
    for part, triples in (("train", ["0 1 0", "1 2 0", "2 0 0"]), ("valid", ["0 2 0"]), ("test", ["1 0 0"])):
        (folder / f"{part}2id.txt").write_text("\n".join([str(len(triples)), *triples, ""]))
    flags, out = arguments(tiny_text, tmp_path, "--data", "MKGC/Small", "--root", tmp_path)
    assert main(flags) == 0
    assert read_features(out).keys == (0,)
    options = CompletionOptions("MKGC/Small", tmp_path, validation="none", features={"text": out})
    graph = load_completion(options)
    assert graph.modalities["text"].present.tolist() == [True, False, False]
    assert graph.modalities["text"].width == 16
    assert list(graph.modalities) == ["visual", "text"]


def test_a_table_of_texts_goes_by_id_or_name(tiny_text, tiny, tmp_path):
    table = tmp_path / "texts.tsv"
    table.write_text("2\tbirth date\nhttp://b/Tree\theight\nStone\t \nAxe\tno\n")
    flags, out = arguments(tiny_text, tmp_path, "--data", tiny.folder, "--texts", table)
    assert main(flags) == 0
    assert read_features(out).keys == (2, 5, 8)  # what has nothing but blanks is absent
    with np.load(out) as arrays:
        assert arrays["ids"].tolist() == [0, 1, 2, 3, 4, 5, 8, 9]
        assert arrays["features"].dtype == np.float32
        assert not arrays["features"][~arrays["present"]].any()
    flags, out = arguments(tiny_text, tmp_path, "--texts", table)
    assert main(flags) == 0
    assert read_features(out).keys == ("2", "http://b/Tree", "Axe")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Red_Apple\tyes\n", "'Red_Apple', which several entities are called"),
        ("77\tyes\n", "'77', which is no entity"),
        ("0\tyes\n0\tno\n", "texts.tsv:2: found the key '0' a second time"),
        ("0 yes\n", "texts.tsv:1: found '0 yes'"),
        ("\n", "no line"),
        (None, "no readable file"),
    ],
)
def test_a_bad_table_is_one_error(libraries, tiny, tmp_path, capsys, text, found):
    table = tmp_path / "texts.tsv"
    if text is not None:
        table.write_text(text)
    flags, out = arguments("unread", tmp_path, "--data", tiny.folder, "--texts", table)
    assert main(flags) == 2
    assert found in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ([], "neither --data nor --texts"),
        (["--data", "Tiny/a_b", "--batch-size", "0"], "--batch-size 0"),
        (["--data", "Tiny/a_c", "--root", "."], "the data set 'Tiny/a_c' (did you mean 'Tiny/a_b'?)"),
        (["--data", "Tiny/a_b", "--root", ".", "--out", "a.txt"], "the suffix '.txt'"),
        (["--data", "Tiny/a_b", "--root", ".", "--out", "no/a.npz"], "no such folder"),
        (["--data", "Tiny/a_b", "--root", ".", "--max-tokens", "0"], "--max-tokens 0"),
        (["--data", "Tiny/a_b", "--root", ".", "--device", "nonsense"], "--device nonsense"),
        (["--datas", "Tiny/a_b"], "unrecognized arguments"),
    ],
)
def test_a_bad_command_is_one_error(tiny_text, tiny, tmp_path, capsys, monkeypatch, more, found):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMEA_DATA", raising=False)
    flags, _ = arguments(tiny_text, tmp_path, *more)
    assert main(flags) == 2
    assert found in capsys.readouterr().err


def test_entities_of_the_generated_data_set_have_names():
    entities = read_entities("synthetic", None)
    assert len(entities.ids) == len(entities.words) == 4000
    assert all(entities.words)


def test_a_feature_file_takes_the_place_of_the_modality(tiny, tmp_path):
    from mmea_jax.data.formats.features import Features, write_features

    path = tmp_path / "f.npz"
    vectors = np.eye(3, 4, dtype=np.float32)
    write_features(path, Features((0, 1, 9), vectors), np.array([True, False, True]))
    kgs, _ = load(tiny.options(features={"attribute": path}, missing={"attribute": 0.125}))
    assert kgs.modalities["attribute"].present.sum() == 1
    assert kgs.modalities["attribute"].width == 4
    kgs, _ = load(tiny.options(features={"visual": path}))
    assert kgs.modalities["visual"].present.nonzero()[0].tolist() == [0, 7]
    for options, found in (
        ({"features": {"atribute": path}}, "did you mean 'attribute'"),
        ({"features": {"attribute": path}, "neighbours": ("attribute",)}, "data.neighbours with 'attribute'"),
        ({"features": {"attribute": tmp_path / "none.npz"}}, "no such file"),
    ):
        with pytest.raises(InputError, match=found):
            load(tiny.options(**options))


def test_the_mask_of_a_feature_file_must_fit(tmp_path):
    path = tmp_path / "f.npz"
    np.savez(path, features=np.ones((2, 3), np.float32), ids=np.arange(2), present=np.ones(3, bool))
    with pytest.raises(InputError, match=r"a mask bool\[3\] for 2 keys"):
        read_features(path)


def test_feature_files_are_keys_of_every_configuration():
    from mmea_jax.training.completion.settings import read_completion_settings
    from mmea_jax.training.settings import read_settings
    from tests.small import small_completion, small_config

    config = small_config("eva")
    assert read_settings(config).data.features == {}
    config.data.features.attribute = "abstracts.npz"
    assert read_settings(config).data.features == {"attribute": "abstracts.npz"}
    config = small_completion("rotate")
    assert read_completion_settings(config).data.features == {}
    config.data.features.text = "names.npz"
    assert read_completion_settings(config).data.features == {"text": "names.npz"}

"""The command that makes abstracts into features, with and without a language model."""

import json
import re

import numpy as np
import pytest

from mmea_jax.data import DataOptions, SyntheticOptions, load
from mmea_jax.encoders.abstracts import main, write_abstracts
from mmea_jax.encoders.attribute_tables import read_tables
from mmea_jax.encoders.language_model import LanguageModel, first_paragraph
from mmea_jax.encoders.text_encoder import TextEncoder
from mmea_jax.errors import InputError
from mmea_jax.matching.floors import cosine_floor
from tests.encoders.conftest import WORDS

PROMPTS = ["birth date", "describe the same things", "name of height ; place", "birth"]


def arguments(model, tmp_path, *more):
    out = tmp_path / "out.npz"
    common = ["--encoder", str(model), "--out", str(out), "--cache", str(tmp_path / "c.sqlite")]
    return [*common, *map(str, more)], out


def test_generation_in_batches_is_generation_one_by_one(libraries, tiny_language, cache):
    torch, transformers = libraries
    model = LanguageModel(str(tiny_language), new_tokens=6)
    found = model.write(PROMPTS, cache, batch_size=4)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_language)
    plain = transformers.AutoModelForCausalLM.from_pretrained(tiny_language).eval()
    for prompt, text in zip(PROMPTS, found, strict=True):
        tokens = tokenizer(prompt, return_tensors="pt").input_ids
        # Greedy choice, written out.
        for _ in range(6):
            with torch.inference_mode():
                likeliest = plain(tokens).logits[0, -1].argmax().reshape(1, 1)
            if likeliest.item() == tokenizer.eos_token_id:
                break
            tokens = torch.cat([tokens, likeliest], 1)
        new = tokens[0, tokenizer(prompt, return_tensors="pt").input_ids.shape[1] :]
        assert text == first_paragraph(tokenizer.decode(new, skip_special_tokens=True))
    assert len(set(found)) > 1


def test_answers_are_the_likelier_word(libraries, tiny_language, cache):
    torch, transformers = libraries
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_language)
    plain = transformers.AutoModelForCausalLM.from_pretrained(tiny_language).eval()
    prompts = [f"{'birth date ' * (i % 3)}{word}" for i, word in enumerate(WORDS[5:])]
    found = LanguageModel(str(tiny_language)).says_yes(prompts, cache, batch_size=5)
    for prompt, answer in zip(prompts, found, strict=True):
        with torch.inference_mode():
            logits = plain(tokenizer(prompt, return_tensors="pt").input_ids).logits[0, -1]
        yes, no = (logits[tokenizer.convert_tokens_to_ids(word)].item() for word in ("yes", "no"))
        assert answer == (yes > no)
    assert set(found) == {True, False}


def test_a_second_run_asks_nothing(tiny_language, cache, monkeypatch):
    model = LanguageModel(str(tiny_language), new_tokens=4)
    first = model.write(PROMPTS, cache), model.says_yes(PROMPTS, cache)
    model = LanguageModel(str(tiny_language), new_tokens=4)
    monkeypatch.setattr(model, "_tokens", lambda *_: pytest.fail("asked again"))
    assert (model.write(PROMPTS, cache), model.says_yes(PROMPTS, cache)) == first


def test_of_a_long_prompt_the_end_is_read(tiny_language, cache):
    model = LanguageModel(str(tiny_language), new_tokens=250)  # leaves room for 6 tokens
    long = model.says_yes(["name of height birth date place total described by"], cache)
    assert long == model.says_yes(["birth date place total described by"], cache)


@pytest.mark.parametrize("new", [0, 256])
def test_a_length_without_room_is_refused(tiny_language, new):
    with pytest.raises(InputError, match=f"{new}"):
        LanguageModel(str(tiny_language), new_tokens=new)


def test_only_the_first_paragraph_counts():
    assert first_paragraph("  A man.\nBorn.\n\nAttributes: x") == "A man. Born."
    assert first_paragraph("A man.\nAttributes: x") == "A man."
    assert first_paragraph("\n\n") == ""


def test_the_language_model_writes_what_it_can_and_the_template_the_rest(tiny_text, tiny_language, cache):
    _, tables = read_tables(DataOptions(synthetic=SyntheticOptions(entities=60)))
    encoder = TextEncoder(str(tiny_text))
    plain = write_abstracts(tables, encoder, None, cache)
    model = LanguageModel(str(tiny_language), new_tokens=4)
    written = write_abstracts(tables, encoder, model, cache)
    assert 0 < written.prompted <= sum(map(bool, written.texts))
    assert written.texts != plain.texts
    silent = write_abstracts(tables, encoder, Silent(), cache)
    assert silent.prompted == 0
    assert all(text.startswith("Described by ") for text in silent.texts if text)


class Silent:
    """A language model with nothing to say and against every match."""

    def says_yes(self, prompts, *_):
        return [False] * len(prompts)

    def write(self, prompts, *_):
        assert all(prompt.endswith("\nAbstract:") for prompt in prompts)
        return [""] * len(prompts)


def test_the_command_writes_features_that_training_reads(tiny_text, tiny_language, tiny, tmp_path, capsys):
    lines = [f"http://a/{name}\ttaste\tweight\n" for name in ("Red_Apple", "Green_Pear")]
    tiny.write("training_attrs_1", "".join(lines) + "http://a/Axe\thardness\n")
    lines = [f"http://b/{name}\ttaste\tweight\n" for name in ("Red_Apple", "Green_Pear", "Stone")]
    tiny.write("training_attrs_2", "".join(lines))
    more = ["--data", tiny.folder, "--split", "files", "--llm", tiny_language, "--new-tokens", 4]
    flags, out = arguments(tiny_text, tmp_path, *more)
    assert main(flags) == 0
    assert "5 of 8 entities have a vector of width 16" in capsys.readouterr().out
    kgs, _ = load(tiny.options(features={"attribute": out}))
    assert kgs.modalities["attribute"].present.tolist() == [True] * 4 + [False] * 3 + [True]
    made_of = json.loads((tmp_path / "out.npz.json").read_text())
    assert made_of["split"] == "files"
    assert made_of["train_links"] == 1
    assert made_of["names_used"] is False
    told = dict(line.split("\t") for line in (tmp_path / "out.npz.tsv").read_text().splitlines())
    assert set(told) == {"0", "1", "2", "3", "9"}
    assert not [text for text in told.values() if re.search("apple|pear|stone", text, re.IGNORECASE)]
    vocabulary = (tmp_path / "out.npz.vocabulary.tsv").read_text()
    assert "taste\t" in vocabulary


def test_a_wrong_language_model_or_split_is_one_error(tiny_text, tiny, tmp_path, capsys):
    for more, found in (
        (["--split", "filed"], "did you mean 'files'"),
        (["--split", "files", "--llm", tmp_path / "none"], "no such folder"),
        (["--split", "files", "--llm", tiny_text, "--new-tokens", 20], "20 new tokens from a model"),
    ):
        flags, out = arguments(tiny_text, tmp_path, "--data", tiny.folder, *more)
        assert main(flags) == 2
        assert found in capsys.readouterr().err
        assert not out.exists()


def test_the_real_encoder_finds_renamed_attributes(minilm, cache):
    _, split = load(DataOptions(synthetic=SyntheticOptions(entities=120), attribute="files"))
    _, tables = read_tables(DataOptions(synthetic=SyntheticOptions(entities=120)))
    encoder = TextEncoder(minilm, max_tokens=64)
    abstracts = write_abstracts(tables, encoder, None, cache)
    # The generated world numbers its attributes, and both graphs keep the number of a renamed one.
    numbers = [[words.split()[-1] for words in pair] for pair in abstracts.vocabulary.matched]
    assert sum(one == two for one, two in numbers) > 10
    assert sum(one != two for one, two in numbers) < 5
    # Abstracts of linked entities are near to one another; by chance 1 in 76 would be the nearest.
    having = [i for i, text in enumerate(abstracts.texts) if text]
    features = np.zeros((240, 384), np.float32)
    features[having] = encoder.encode([abstracts.texts[i] for i in having], cache)
    left, right = split.test.T
    assert cosine_floor(features, left, right) > 5 / len(split.test)

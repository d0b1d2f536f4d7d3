"""Texts to unit vectors, by any encoder that transformers loads."""

from collections.abc import Sequence

import numpy as np

from mmea_jax.encoders.batches import resumed
from mmea_jax.encoders.cache import Cache, digest
from mmea_jax.encoders.libraries import chosen_device, torch_library, transformers_library
from mmea_jax.encoders.pooling import features_of, pooled, pooling_of
from mmea_jax.encoders.sources import commit_of, fingerprint, loaded, resolved
from mmea_jax.errors import InputError

# What a tokenizer says of its longest text where it knows none is a number far above this one.
_UNBOUNDED = 1 << 20


class TextEncoder:
    """A sentence encoder (or any transformer: the mean of its last layer), loaded from disk or the hub.

    Args:
      name: a folder, an id of the model hub, or a package that ``sources.PACKAGED`` lists.
      max_tokens: longer texts are cut there, and at what the model can take.
      device: as torch names it; None for the accelerator if there is one.
      prefix: put before each text; some encoders ask for one, such as ``query: ``.

    Raises:
      InputError: the packages or the model are not there, or it is no encoder of texts.
    """

    def __init__(self, name: str, max_tokens: int = 128, device: str | None = None, prefix: str = ""):
        if max_tokens < 1:
            raise InputError(
                f"--max-tokens {max_tokens}", expected="at least 1", mend="give a larger --max-tokens"
            )
        library, source = transformers_library(), resolved(name)
        self._torch = torch_library()
        self.name, self._prefix, self._device = name, prefix, chosen_device(device)
        self._tokenizer = loaded(library.AutoTokenizer.from_pretrained, source, "tokenizer")
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._tokenizer.padding_side = "right"
        model = loaded(library.AutoModel.from_pretrained, source, "model", dtype=self._torch.float32)
        self._two_towers = hasattr(model, "get_text_features")
        # Of an encoder–decoder, what reads.
        reader = model.get_encoder() if model.config.is_encoder_decoder else model
        self._model = reader.to(self._device).eval()
        self._pooling = pooling_of(source)
        self.max_tokens = min(max_tokens, self._longest())
        self.key = "\0".join(
            ("text", fingerprint(source, commit_of(model)), self._pooling, str(self.max_tokens), prefix)
        )

    def encode(
        self, texts: Sequence[str], cache: Cache, batch_size: int = 32, label: str = "texts"
    ) -> np.ndarray:
        """float32[n, f] unit vectors of n texts; equal texts are computed once, cached ones not at all."""
        keys = [digest(text) for text in texts]
        # Cached texts are not even split into tokens.
        known = cache.get(self.key, set(keys))
        different = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        tokens = dict(zip(different, self._tokens(list(different.values())), strict=True))
        items = {key: tokens.get(key, []) for key in dict.fromkeys(keys)}
        results = resumed(items, self._batch, cache, self.key, size=len, batch_size=batch_size, label=label)
        vectors = [np.frombuffer(results[key], np.float32) for key in keys]
        return np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        # Lone surrogates, which JSON may hold, are no text to a tokenizer.
        whole = [(self._prefix + text).encode("utf-8", "replace").decode() for text in texts]
        return self._tokenizer(whole, truncation=True, max_length=self.max_tokens).input_ids if whole else []

    def _batch(self, tokens: list[list[int]]) -> list[bytes]:
        padded = dict(self._tokenizer.pad({"input_ids": tokens}, return_tensors="pt").to(self._device))
        with self._torch.inference_mode():
            if self._two_towers:
                rows = features_of(self._model.get_text_features(**padded))
            else:
                out = self._model(**padded)
                rows = pooled(out.last_hidden_state, padded["attention_mask"], self._pooling)
        return [row.tobytes() for row in rows.cpu().numpy().astype(np.float32)]

    def _longest(self) -> int:
        config = getattr(self._model.config, "text_config", self._model.config)
        limits = [
            self._tokenizer.model_max_length,
            getattr(config, "max_position_embeddings", None) or _UNBOUNDED,
        ]
        return min(limits)

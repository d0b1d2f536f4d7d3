"""A local causal language model: texts that go on from prompts, and answers of one word."""

from collections.abc import Sequence

from mmea_jax.encoders.batches import resumed
from mmea_jax.encoders.cache import Cache, digest
from mmea_jax.encoders.libraries import chosen_device, torch_library, transformers_library
from mmea_jax.encoders.sources import commit_of, fingerprint, loaded, resolved
from mmea_jax.errors import InputError


class LanguageModel:
    """A causal model loaded from disk or the hub; it chooses the likeliest word each time.

    Args:
      name: a folder or an id of the model hub.
      new_tokens: how long a text may get.
      device: as torch names it; None for the accelerator if there is one.

    Raises:
      InputError: the packages or the model are not there, or it is no causal language model.
    """

    def __init__(self, name: str, new_tokens: int = 96, device: str | None = None):
        if new_tokens < 1:
            raise InputError(
                f"--new-tokens {new_tokens}", expected="at least 1", mend="give a larger --new-tokens"
            )
        library, source = transformers_library(), resolved(name)
        self._torch, self._device, self._new = torch_library(), chosen_device(device), new_tokens
        self._tokenizer = loaded(library.AutoTokenizer.from_pretrained, source, "tokenizer")
        model = loaded(library.AutoModelForCausalLM.from_pretrained, source, "causal model", dtype="auto")
        self._model = model.to(self._device).eval()
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token or self._tokenizer.unk_token
        # The question stands at the end of a prompt: of one too long the beginning goes.
        self._tokenizer.truncation_side = "left"
        context = getattr(model.config, "max_position_embeddings", None) or self._tokenizer.model_max_length
        if context <= new_tokens:
            raise InputError(
                f"{new_tokens} new tokens from a model that can take {context}",
                expected="room for a prompt before them",
                mend="give a smaller --new-tokens",
            )
        self._room = context - new_tokens
        self._key = fingerprint(source, commit_of(model))

    def write(self, prompts: Sequence[str], cache: Cache, batch_size: int = 8) -> list[str]:
        """The first paragraph that follows each prompt; equal prompts are computed once."""
        return self._answers(prompts, self._written, cache, f"write\0{self._new}", batch_size, "abstracts")

    def says_yes(self, prompts: Sequence[str], cache: Cache, batch_size: int = 8) -> list[bool]:
        """Whether `` yes`` is likelier than `` no`` to follow each prompt."""
        answers = self._answers(prompts, self._odds, cache, "yes or no", batch_size, "matches")
        return [float(odds) > 0 for odds in answers]

    def _answers(self, prompts, work, cache: Cache, kind: str, batch_size: int, label: str) -> list[str]:
        keys = [digest(prompt) for prompt in prompts]
        items = dict(zip(keys, prompts, strict=True))
        model = f"language\0{self._key}\0{kind}"
        results = resumed(items, work, cache, model, size=len, batch_size=batch_size, label=label)
        return [results[key].decode() for key in keys]

    def _tokens(self, prompts: list[str], side: str):
        chat = bool(self._tokenizer.chat_template)
        if chat:
            prompts = [self._as_chat(prompt) for prompt in prompts]
        return self._tokenizer(
            [prompt.encode("utf-8", "replace").decode() for prompt in prompts],
            padding=True,
            padding_side=side,
            truncation=True,
            max_length=self._room,
            add_special_tokens=not chat,
            return_tensors="pt",
        ).to(self._device)

    def _as_chat(self, prompt: str) -> str:
        turns = [{"role": "user", "content": prompt}]
        return self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)

    def _written(self, prompts: list[str]) -> list[bytes]:
        tokens = self._tokens(prompts, "left")
        with self._torch.inference_mode():
            rows = self._model.generate(
                input_ids=tokens["input_ids"],
                attention_mask=tokens["attention_mask"],
                max_new_tokens=self._new,
                do_sample=False,
                num_beams=1,
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        new = rows[:, tokens["input_ids"].shape[1] :]
        texts = self._tokenizer.batch_decode(new, skip_special_tokens=True)
        return [first_paragraph(text).encode() for text in texts]

    def _odds(self, prompts: list[str]) -> list[bytes]:
        # Padded on the right, so that positions count from the first token without being told.
        tokens = self._tokens(prompts, "right")
        yes, no = (self._tokenizer(word, add_special_tokens=False).input_ids[0] for word in (" yes", " no"))
        with self._torch.inference_mode():
            out = self._model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
        last = tokens["attention_mask"].sum(1) - 1
        rows = out.logits[self._torch.arange(len(prompts), device=self._device), last].float()
        return [repr(odds).encode() for odds in (rows[:, yes] - rows[:, no]).tolist()]


def first_paragraph(text: str) -> str:
    """The text up to its first empty line or the next question, on one line."""
    paragraph = text.strip().split("\n\n")[0].partition("\nAttributes:")[0]
    return " ".join(paragraph.split())

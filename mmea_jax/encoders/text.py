"""Texts or entity names to vectors: ``python -m mmea_jax.encoders.text --encoder MODEL --out FILE …``."""

import argparse
import sys
from pathlib import Path

from mmea_jax.data.bounds import read_within
from mmea_jax.data.formats.tables import TIMES, decode
from mmea_jax.encoders.cache import Cache
from mmea_jax.encoders.command import make_parser, run
from mmea_jax.encoders.entities import plain_keys, positions, read_entities
from mmea_jax.encoders.output import write_table
from mmea_jax.encoders.text_encoder import TextEncoder
from mmea_jax.errors import InputError

_DESCRIPTION = """\
Encodes a text an entity by a pre-trained sentence encoder.

With --data alone the texts are the entities' (translated) names in words; identifiers such as Q42 or
/m/0abc say nothing in words, so entities that have no other name are left out (masked). With --texts they
are those of a table, one line an entity: key, tab, text. With both, the keys are ids or names of the data
set's entities, and entities that the table does not name are masked.

FILE holds 'features' float32[N, f], 'ids' [N] (with --texts alone 'ids', or 'names' of N keys) and the
mask 'present' bool[N]. It is what --config.data.features.<modality>=FILE reads.
"""


def main(arguments: list[str] | None = None) -> int:
    """Encodes; returns the exit code."""
    parser = make_parser("text", _DESCRIPTION)
    parser.add_argument("--data", help="a data set: its folder, or its name below the root")
    parser.add_argument("--texts", type=Path, metavar="TABLE", help="UTF-8 lines of key<TAB>text")
    parser.add_argument("--max-tokens", type=int, default=128, help="texts are cut there; default: 128")
    parser.add_argument("--prefix", default="", help="put before each text, such as 'query: '; default: none")
    return run(parser, arguments, _work)


def _work(asked: argparse.Namespace) -> list[str]:
    keys, texts, source = _texts(asked)
    encoder = TextEncoder(asked.encoder, asked.max_tokens, asked.device, asked.prefix)
    having = [position for position, text in enumerate(texts) if text.strip()]
    with Cache(asked.cache) as cache:
        rows = encoder.encode([texts[i] for i in having], cache, asked.batch_size)
    made_of = {"texts": source, "encoder": asked.encoder, "max_tokens": encoder.max_tokens}
    made_of |= {"prefix": asked.prefix, "names_used": asked.texts is None}
    return [write_table(asked.out, keys, dict(zip(having, rows, strict=True)), made_of)]


def _texts(asked: argparse.Namespace) -> tuple[list, list[str], str]:
    """Keys, their texts, and where these are from."""
    if asked.data is None and asked.texts is None:
        raise InputError(
            "neither --data nor --texts", expected="one or both", mend="say what there is to encode"
        )
    if asked.texts is None:
        entities = read_entities(asked.data, asked.root)
        return list(entities.ids), list(entities.words), f"names of {entities.dataset}"
    table = read_texts(asked.texts)
    if asked.data is None:
        return plain_keys(list(table)), list(table.values()), str(asked.texts)
    entities = read_entities(asked.data, asked.root)
    texts = [""] * len(entities.ids)
    for entity, text in zip(positions(list(table), entities, asked.texts), table.values(), strict=True):
        texts[entity] = text
    return list(entities.ids), texts, str(asked.texts)


def read_texts(path: Path) -> dict[str, str]:
    """The texts of a table of ``key<TAB>text`` lines, by key; blank lines are skipped.

    Raises:
      InputError: there is no such file, it is empty or no UTF-8, a line has no tab, or a key repeats.
    """
    expected = "key<TAB>text"
    try:
        lines = decode(path, read_within(path, TIMES)).split("\n")
    except OSError as error:
        raise InputError(
            f"no readable file ({error.strerror})",
            expected=f"lines of {expected}",
            mend="correct the path",
            file=path,
        ) from None
    table: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        key, tab, text = line.rstrip("\r").partition("\t")
        if not tab or not key or key in table:
            found = f"the key {key[:80]!r} a second time" if tab and key else repr(line[:80])
            raise InputError(
                found, expected=f"{expected}, each key once", mend="correct the line", file=path, line=number
            )
        table[key] = text
    if not table:
        raise InputError("no line", expected=f"lines of {expected}", mend="fill the table", file=path)
    return table


if __name__ == "__main__":
    sys.exit(main())

"""Attribute abstracts to vectors: ``python -m mmea_jax.encoders.abstracts --data … --encoder … --out …``."""

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np

from mmea_jax.data import DataOptions, KnowledgeGraphs
from mmea_jax.encoders.abstract_text import (
    abstract_prompt,
    linked_examples,
    match_prompt,
    phrases,
    template,
    told_labels,
)
from mmea_jax.encoders.attribute_matching import Vocabulary, common_vocabulary
from mmea_jax.encoders.attribute_tables import AttributeTables, read_tables
from mmea_jax.encoders.cache import Cache
from mmea_jax.encoders.command import make_parser, run
from mmea_jax.encoders.entities import data_folder
from mmea_jax.encoders.language_model import LanguageModel
from mmea_jax.encoders.output import table_line, write_table, write_text
from mmea_jax.encoders.text_encoder import TextEncoder

_DESCRIPTION = """\
The alignment-augmented attribute abstract of TMEA (NeurIPS 2024): the attributes of two knowledge graphs
are matched, by their letters, by the meaning that the encoder gives them and by which linked entities have
them; those that tell nothing are left out; what is left of an entity's attributes, in the common vocabulary,
is made into a short abstract, by a local language model (--llm) or by a template; and the abstract becomes
a vector. Only training links are looked at, and no entity's name.

FILE holds 'features' float32[N, f], 'ids' [N] and the mask 'present' bool[N]; FILE.tsv the abstracts,
FILE.vocabulary.tsv the labels with their weights, FILE.json what all was made of. The features are read by
--config.data.features.attribute=FILE.
"""


@dataclasses.dataclass(frozen=True)
class Abstracts:
    """What is said of N entities; empty for those with nothing to say.

    Attributes:
      texts: N abstracts.
      vocabulary: the labels that they use.
      prompted: how many a language model wrote; the others follow the template.
    """

    texts: tuple[str, ...]
    vocabulary: Vocabulary
    prompted: int


def write_abstracts(
    tables: AttributeTables,
    encoder: TextEncoder,
    llm: LanguageModel | None,
    cache: Cache,
    batch_size: int = 32,
    llm_batch: int = 8,
) -> Abstracts:
    """An abstract for every entity that has an attribute worth telling.

    Args:
      tables: who has which attributes.
      encoder: gives the attributes' names a meaning.
      llm: judges matches in doubt and writes the abstracts; None for scores alone and the template.
      cache: where vectors, answers and texts are kept.
      batch_size: texts that are encoded at once.
      llm_batch: prompts that are answered at once.
    """
    meanings = encoder.encode(tables.words, cache, batch_size, "attributes")

    def judge(shown, pairs):
        return llm.says_yes([match_prompt(shown, pair) for pair in pairs], cache, llm_batch)

    vocabulary = common_vocabulary(tables, meanings, judge if llm else None)
    told = told_labels(tables, vocabulary)
    spoken = phrases(tables, vocabulary, told)
    texts = [template(own) for own in spoken]
    if llm is None:
        return Abstracts(tuple(texts), vocabulary, 0)
    shown = linked_examples(told, spoken, tables.train)
    asked = [entity for entity, own in enumerate(spoken) if own]
    written = llm.write([abstract_prompt(shown, spoken[entity]) for entity in asked], cache, llm_batch)
    for entity, text in zip(asked, written, strict=True):
        texts[entity] = text or texts[entity]
    return Abstracts(tuple(texts), vocabulary, sum(map(bool, written)))


def main(arguments: list[str] | None = None) -> int:
    """Makes the abstracts and their features; returns the exit code."""
    parser = make_parser("abstracts", _DESCRIPTION)
    add = parser.add_argument
    add(
        "--data",
        required=True,
        help="a data set for alignment: its folder, its name below the root, or synthetic",
    )
    add(
        "--split",
        help="folder below splits/; default: drawn by --seed-ratio and --split-seed, as in training",
    )
    add("--seed-ratio", type=float, default=DataOptions.seed_ratio, help="default: %(default)s")
    add("--split-seed", type=int, default=DataOptions.split_seed, help="default: %(default)s")
    add("--max-tokens", type=int, default=128, help="abstracts are cut there; default: 128")
    add("--prefix", default="", help="put before each text that is encoded; default: none")
    add("--llm", metavar="MODEL", help="folder or hub id of a causal language model; default: the template")
    add("--llm-batch", type=int, default=8, help="default: 8")
    add("--new-tokens", type=int, default=96, help="length that the model's abstracts may have; default: 96")
    return run(parser, arguments, _work)


def _work(asked: argparse.Namespace) -> list[str]:
    dataset, root = data_folder(asked.data, asked.root)
    options = DataOptions(
        dataset=dataset,
        root=root,
        split=asked.split,
        seed_ratio=asked.seed_ratio,
        split_seed=asked.split_seed,
    )
    kgs, tables = read_tables(options)
    encoder = TextEncoder(asked.encoder, asked.max_tokens, asked.device, asked.prefix)
    llm = LanguageModel(asked.llm, asked.new_tokens, asked.device) if asked.llm else None
    with Cache(asked.cache) as cache:
        abstracts = write_abstracts(tables, encoder, llm, cache, asked.batch_size, asked.llm_batch)
        having = [entity for entity, text in enumerate(abstracts.texts) if text]
        texts = [abstracts.texts[entity] for entity in having]
        rows = encoder.encode(texts, cache, asked.batch_size, "vectors")
    made_of = {
        "dataset": kgs.name,
        "split": asked.split or f"drawn (seed_ratio {asked.seed_ratio:g}, split_seed {asked.split_seed})",
        "train_links": len(tables.train),
        "encoder": asked.encoder,
        "max_tokens": encoder.max_tokens,
        "llm": asked.llm,
        "written_by_llm": abstracts.prompted,
        "names_used": False,
    }
    line = write_table(asked.out, kgs.entity_ids.tolist(), dict(zip(having, rows, strict=True)), made_of)
    _write_tables(asked.out, kgs, abstracts)
    return [*_report(tables, abstracts), line]


def _write_tables(out: Path, kgs: KnowledgeGraphs, abstracts: Abstracts) -> None:
    lines = [table_line(*row) for row in zip(kgs.entity_ids, abstracts.texts, strict=True) if row[1]]
    write_text(out.with_name(out.name + ".tsv"), "".join(lines))
    vocabulary = abstracts.vocabulary
    lines = [
        table_line(vocabulary.labels[i], f"{vocabulary.weight[i]:.4f}")
        for i in np.argsort(-vocabulary.weight, kind="stable")
    ]
    lines += [table_line("matched", *pair) for pair in vocabulary.matched]
    write_text(out.with_name(out.name + ".vocabulary.tsv"), "".join(lines))


def _report(tables: AttributeTables, abstracts: Abstracts) -> list[str]:
    vocabulary = abstracts.vocabulary
    sides = [tables.owns[tables.side == k].sum(axis=0) for k in (0, 1)]
    one, two = (np.asarray(side).ravel() > 0 for side in sides)
    having = np.diff(tables.owns.indptr) > 0
    silent = int(sum(not text for text, has in zip(abstracts.texts, having, strict=True) if has))
    return [
        f"{len(tables.words):,} attributes ({one.sum():,} + {two.sum():,}, {(one & two).sum():,} by the same "
        f"words); {len(vocabulary.matched):,} more pairs matched, {vocabulary.asked:,} of them or of those "
        f"refused asked of the language model",
        f"{(vocabulary.weight > 0).sum():,} of {len(vocabulary.labels):,} labels kept; {silent:,} entities "
        f"have only attributes that were left out",
        f"{abstracts.prompted:,} abstracts by the language model, the others by the template",
    ]


if __name__ == "__main__":
    sys.exit(main())

"""Where a graph to be completed comes from: OpenKE files, or an alignment data set taken as one graph."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from mmea_jax.data.completion import CompletionGraph
from mmea_jax.data.completion_features import feature_file, name_words, read_modality
from mmea_jax.data.completion_options import CompletionOptions
from mmea_jax.data.completion_world import TEST_SHARE
from mmea_jax.data.feature_files import alignment_features, completion_features
from mmea_jax.data.formats import named, openke, published
from mmea_jax.data.knowledge_graphs import Dense, KnowledgeGraphs
from mmea_jax.data.load import layout_of, parsed
from mmea_jax.data.locate import locate
from mmea_jax.data.named_features import feature_paths, read_named_features
from mmea_jax.data.options import DataOptions
from mmea_jax.data.streams import stream
from mmea_jax.data.visual import read_visual, visual_file
from mmea_jax.errors import InputError
from mmea_jax.vocabulary import TEXT, VISUAL, Modality

Found = tuple[Dense, list[str]]


@dataclasses.dataclass(frozen=True)
class Source:
    """A graph without validation triples, and how its features are found.

    Attributes:
      graph: its train and test triples are those of ``parts``.
      parts: triples int32[·, 3] of ``train``, ``test`` and, where there is one, ``valid``.
      words: N lists, the words of each entity's name; empty for identifiers.
      read: modality → its rows and notes from the data set's own file, or None where there is no such file.
      read_files: modality → file becomes modality → rows, and notes, as ``completion_features``.
      places: modality to where its own file would be, for messages.
    """

    graph: CompletionGraph
    parts: Mapping[str, np.ndarray]
    words: Sequence[Sequence[str]]
    read: Callable[[Modality], Found | None]
    read_files: Callable[[Mapping], tuple[dict[Modality, Dense], list[str]]]
    places: Mapping[Modality, str]


def find_source(options: CompletionOptions) -> Source:
    """The source that ``options.dataset`` names.

    Raises:
      InputError: there is no such data set, or a file of it is unsound.
    """
    folder = locate(options.root, options.dataset, openke.MARK, published.MARK, named.MARK)
    aligns = any((folder / mark).is_file() for mark in (published.MARK, named.MARK))
    if aligns and not (folder / openke.MARK).is_file():
        return _of_alignment(folder, options)
    return _of_openke(folder, options)


def _of_openke(folder: Path, options: CompletionOptions) -> Source:
    entities, relations = openke.dictionaries(folder)
    parts = openke.parts(folder, (entities, relations))
    stems = {VISUAL: "visual", TEXT: "textual"}
    return Source(
        _graph(options.dataset, entities, relations, parts),
        parts,
        name_words(entities),
        partial(_beside, folder, entities),
        lambda files: completion_features(files, entities),
        {
            m: f"embeddings/{folder.name}-{stem}.pth, .npy, .npz or .safetensors beside or in the folder"
            for m, stem in stems.items()
        },
    )


def _of_alignment(folder: Path, options: CompletionOptions) -> Source:
    """Both graphs side by side; of the links nothing is used. A tenth of the triples, drawn, tests.

    Images are those of the full published file. Names are as for alignment: translated ones where there are.
    """
    asked = DataOptions(
        dataset=options.dataset, root=options.root, relation="none", attribute="none", visual="none"
    )
    kgs = parsed(asked, folder)
    test = np.zeros(len(kgs.triples), bool)
    order = stream(options.split_seed, "completion/test").permutation(len(test))
    test[order[: max(1, round(TEST_SHARE * len(test)))]] = True
    parts = {"train": kgs.triples[~test], "test": kgs.triples[test]}
    entities = told_apart(kgs.entity_names, kgs.entity_ids.tolist())
    relations = told_apart(kgs.relation_names, range(len(kgs.relation_names)))
    note = (
        f"both graphs of {options.dataset} side by side, their links unused; {len(parts['test']):,} triples, "
        f"drawn by split_seed {options.split_seed}, test"
    )
    # Words of an identifier alone, such as a Freebase id, are none.
    identifiers = [not own for own in name_words(kgs.entity_names)]
    spoken = [[] if bare else own.split() for own, bare in zip(kgs.words, identifiers, strict=True)]
    graph = dataclasses.replace(
        _graph(options.dataset, entities, relations, parts),
        split=f"drawn ({TEST_SHARE:.0%} of the triples test, split_seed {options.split_seed})",
        notes=(*kgs.notes, note),
    )
    return Source(
        graph,
        parts,
        spoken,
        partial(_of_both_sides, folder, options, kgs),
        lambda files: alignment_features(files, kgs),
        {
            VISUAL: "image features where the published sets have them, such as pkls/",
            TEXT: "text features, which such a data set has no file of its own for",
        },
    )


def told_apart(names: Sequence[str], numbers: Sequence[int]) -> tuple[str, ...]:
    """The names, those that stand more than once with their number, so that each means one."""
    counts = Counter(names)
    return tuple(
        name if counts[name] == 1 else f"{name} ({number})"
        for name, number in zip(names, numbers, strict=True)
    )


def _graph(
    name: str, entities: tuple[str, ...], relations: tuple[str, ...], parts: Mapping[str, np.ndarray]
) -> CompletionGraph:
    return CompletionGraph(
        name=name,
        entity_names=entities,
        relation_names=relations,
        train=parts["train"],
        valid=parts["train"][:0],
        test=parts["test"],
        known=np.unique(np.concatenate(list(parts.values())), axis=0),
    )


def _beside(folder: Path, entities: Sequence[str], modality: Modality) -> Found | None:
    path = feature_file(folder, modality)
    if path is None:
        return None
    rows, lines = read_modality(path, entities)
    return rows, [f"{modality} features from {path.name}", *lines]


def _of_both_sides(
    folder: Path, options: CompletionOptions, kgs: KnowledgeGraphs, modality: Modality
) -> Found | None:
    if modality != VISUAL:
        return None
    if layout_of(folder) is named:
        return read_named_features(folder, VISUAL, kgs) if feature_paths(folder, VISUAL) else None
    try:
        visual_file(Path(options.root), options.dataset)
    except InputError:
        return None
    rows, _, notes = read_visual(Path(options.root), options.dataset, kgs, None)
    return rows, notes

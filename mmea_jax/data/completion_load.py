"""The one way in to completion data: from options to one graph."""

import dataclasses
from pathlib import Path

import numpy as np

from mmea_jax.data.completion import CompletionGraph, contained
from mmea_jax.data.completion_features import name_vectors, simulated_images
from mmea_jax.data.completion_options import CompletionOptions, check
from mmea_jax.data.completion_sources import Source, find_source
from mmea_jax.data.completion_split import divided, overlaps
from mmea_jax.data.completion_world import generate_completion
from mmea_jax.data.degrade import degrade
from mmea_jax.data.feature_files import completion_features
from mmea_jax.data.knowledge_graphs import Dense
from mmea_jax.data.locate import SYNTHETIC
from mmea_jax.errors import InputError
from mmea_jax.vocabulary import TEXT, VISUAL, Modality


def load_completion(options: CompletionOptions) -> CompletionGraph:
    """The data set that the options ask for, its modalities degraded as they ask.

    Raises:
      InputError: an option is out of range, the data set is unknown, or a file is at fault; the error
        names the file, the line, and how to mend it.
    """
    check(options)
    if options.dataset == SYNTHETIC:
        graph, parts = generate_completion(options.synthetic, options.text_width)
        graph = _divided(graph, parts, options)
        on = {VISUAL: options.visual != "none", TEXT: options.text != "none"}
        kept = {m: rows for m, rows in graph.modalities.items() if on[m]}
        graph = dataclasses.replace(graph, modalities=kept)
        found, notes = completion_features(options.features, graph.entity_names)
    else:
        source = find_source(options)
        graph = _divided(source.graph, source.parts, options)
        graph = _with_features(graph, source, options)
        found, notes = source.read_files(options.features)
    both = {**graph.modalities, **found}
    both = {m: both[m] for m in (VISUAL, TEXT) if m in both}
    graph = dataclasses.replace(graph, modalities=both, notes=(*graph.notes, *notes))
    return _degraded(graph, options)


def describe_completion(graph: CompletionGraph) -> list[str]:
    """Lines for the log: counts, what validates, unseen entities, modality coverage, notes."""
    unseen = int((~graph.seen()).sum())
    lines = [
        f"{graph.name}: {graph.num_entities:,} entities ({unseen:,} in no training triple), "
        f"{graph.num_relations:,} relations",
        f"{len(graph.train):,} train, {len(graph.valid):,} valid, {len(graph.test):,} test triples",
        f"validation: {graph.validation}",
        f"{(~names_seen(graph)).sum():,} test triples name an entity that no training triple names",
    ]
    for modality, rows in graph.modalities.items():
        drawn = ", SIMULATED (drawn, not measured)" if modality in graph.simulated else ""
        lines.append(
            f"{modality}: width {rows.width:,}, present for {rows.present.mean():.1%} of the entities{drawn}"
        )
    return [*lines, *graph.notes]


def names_seen(graph: CompletionGraph) -> np.ndarray:
    """bool[test triples]: those whose two entities training triples name."""
    return graph.seen()[graph.test[:, [0, 2]]].all(axis=1)


def _divided(
    graph: CompletionGraph, parts: dict[str, np.ndarray], options: CompletionOptions
) -> CompletionGraph:
    divided_parts, name = divided(parts, (graph.num_entities, graph.num_relations), options)
    assert not contained(divided_parts["valid"], divided_parts["test"]).any()
    return dataclasses.replace(
        graph,
        train=divided_parts["train"],
        valid=divided_parts["valid"],
        test=divided_parts["test"],
        validation=name,
        notes=(*graph.notes, *overlaps(parts)),
    )


def _degraded(graph: CompletionGraph, options: CompletionOptions) -> CompletionGraph:
    of, notes = None, graph.notes
    if options.missing_of == "test" and options.missing:
        of = graph.tested()
        notes = (*notes, f"rows go missing of the {of.sum():,} entities that test triples name, of no others")
    degraded = degrade(graph, options.missing, options.ambiguous, options.missing_seed, of)
    return dataclasses.replace(degraded, notes=notes)


def _with_features(graph: CompletionGraph, source: Source, options: CompletionOptions) -> CompletionGraph:
    found: dict[Modality, Dense] = {}
    simulated, notes = graph.simulated, list(graph.notes)
    for modality, how in ((VISUAL, options.visual), (TEXT, options.text)):
        if how == "none" or modality in options.features:
            continue
        own = source.read(modality) if how in ("auto", "files") else None
        if own is not None:
            found[modality], lines = own
            notes += lines
        elif how == "files":
            raise _no_file(source, modality, options)
        elif modality == TEXT:
            found[TEXT] = name_vectors(source.words, options.text_width)
            if found[TEXT].present.any():
                notes.append("text features made of entity names")
        else:
            found[VISUAL] = simulated_images(
                graph.train,
                graph.num_entities,
                graph.num_relations,
                options.simulated_width,
                options.simulated_present,
                options.missing_seed,
            )
            simulated = (*simulated, VISUAL)
    for modality in [m for m, rows in found.items() if not rows.present.any()]:
        del found[modality]
        notes.append(f"no entity has {modality} features")
    return dataclasses.replace(graph, modalities=found, simulated=simulated, notes=tuple(notes))


def _no_file(source: Source, modality: Modality, options: CompletionOptions) -> InputError:
    instead = {VISUAL: "simulated", TEXT: "names"}[modality]
    return InputError(
        f"no file of {modality} features for {options.dataset}",
        expected=source.places[modality],
        mend=f"put it there, or --config.data.features.{modality}=FILE, or "
        f"--config.data.{modality}={instead}, or --config.data.{modality}=none",
        file=Path(options.root) / options.dataset,
    )

"""The one way in: from options to two graphs and a split."""

import dataclasses
from pathlib import Path
from types import ModuleType

from mmea_jax.data import cache
from mmea_jax.data.checks import check
from mmea_jax.data.degrade import degrade
from mmea_jax.data.feature_files import alignment_features
from mmea_jax.data.formats import named, published
from mmea_jax.data.knowledge_graphs import KnowledgeGraphs, Split
from mmea_jax.data.locate import SYNTHETIC, locate
from mmea_jax.data.named_features import feature_paths, read_named_features
from mmea_jax.data.neighbourhood import with_neighbours
from mmea_jax.data.options import DataOptions
from mmea_jax.data.own import OWN
from mmea_jax.data.simulate import simulated_visual
from mmea_jax.data.splits import make_split
from mmea_jax.data.synthetic import generate
from mmea_jax.data.visual import read_visual
from mmea_jax.vocabulary import ATTRIBUTE, MODALITIES, STRUCTURE, VISUAL, Modality

# The data set whose published links give four entities two counterparts.
_CONTRADICTING = "FBDB15K"


def load(options: DataOptions) -> tuple[KnowledgeGraphs, Split]:
    """The data set that the options ask for, its modalities degraded as they ask, and its split.

    Parsed text files are cached in ``options.cache``; feature files are read anew each time.

    Raises:
      InputError: an option is out of range, the data set or split is unknown, or a file is at fault;
        the error names the file, the line, and how to mend it.
    """
    check(options)
    sources = {SYNTHETIC: _generated, OWN: _own}
    kgs, split = sources.get(options.dataset, _from_files)(options)
    # After rows have gone missing: a missing row must not be seen by way of the neighbours either.
    bags = {m: with_neighbours(kgs.modalities[m], kgs) for m in options.neighbours if m in kgs.modalities}
    return dataclasses.replace(kgs, modalities={**kgs.modalities, **bags}), split


def _from_files(options: DataOptions) -> tuple[KnowledgeGraphs, Split]:
    folder = dataset_folder(options)
    kgs = parsed(options, folder)
    # Found before features are read or drawn, for that takes longer.
    split = make_split(kgs, options, folder)
    kgs, missing = _with_visual(kgs, options, folder)
    kgs = _with_features(_with_texts(kgs, options, folder), options)
    return degrade(kgs, missing, options.ambiguous, options.missing_seed), split


def dataset_folder(options: DataOptions) -> Path:
    """The folder of the data set.

    Raises:
      InputError: no root, no such root, or no such data set in it; the error names the closest.
    """
    return locate(options.root, options.dataset, published.MARK, named.MARK)


def layout_of(folder: Path) -> ModuleType:
    """The reader of a data set's folder; where its files tell none, that of the published layout."""
    return named if (folder / named.MARK).exists() and not (folder / published.MARK).exists() else published


def switched_on(options: DataOptions) -> tuple[Modality, ...]:
    """The modalities, structure aside, that the options do not switch off or give a feature file for."""
    off = {m for m in MODALITIES[1:] if getattr(options, m) == "none"}
    return tuple(m for m in MODALITIES if m != STRUCTURE and m not in off | options.features.keys())


def _generated(options: DataOptions) -> tuple[KnowledgeGraphs, Split]:
    kgs = generate(options.synthetic)
    kept = {m: rows for m, rows in kgs.modalities.items() if m in switched_on(options)}
    kgs = _with_features(dataclasses.replace(kgs, modalities=kept), options)
    split = make_split(kgs, options)
    return degrade(kgs, options.missing, options.ambiguous, options.missing_seed), split


def _own(options: DataOptions) -> tuple[KnowledgeGraphs, Split]:
    # Imported here: few runs need an RDF parser.
    from mmea_jax.data.own.load import load_own

    kgs, split = load_own(options.own, switched_on(options), options.bag_width, options.split_seed)
    kgs = _with_features(kgs, options)
    return degrade(kgs, options.missing, options.ambiguous, options.missing_seed), split


def parsed(options: DataOptions, folder: Path) -> KnowledgeGraphs:
    """What the text files of the data set in ``folder`` hold, from the cache where it has it.

    Raises:
      InputError: a file is at fault.
    """
    wanted = tuple(m for m in switched_on(options) if m != VISUAL)
    auto = options.dataset.split("/")[0] == _CONTRADICTING
    drop = options.contradicting_links == "drop" or (options.contradicting_links == "auto" and auto)
    layout = layout_of(folder)
    request = f"{layout.__name__.rpartition('.')[2]} {options.dataset} {wanted} {options.bag_width} {drop}"
    entry = cache.key(layout.files(folder, wanted), request)
    return cache.cached(
        Path(options.cache) if options.cache else cache.default_folder(),
        entry,
        lambda: layout.read(folder, options.dataset, wanted, options.bag_width, drop),
    )


def _with_features(kgs: KnowledgeGraphs, options: DataOptions) -> KnowledgeGraphs:
    """The graphs with the modalities that the options give a feature file for."""
    found, notes = alignment_features(options.features, kgs)
    return dataclasses.replace(kgs, modalities={**kgs.modalities, **found}, notes=(*kgs.notes, *notes))


def _with_texts(kgs: KnowledgeGraphs, options: DataOptions, folder: Path) -> KnowledgeGraphs:
    """The graphs with text features of attributes in place of attribute names, where the layout has them."""
    if layout_of(folder) is not named or ATTRIBUTE not in switched_on(options):
        return kgs
    if not feature_paths(folder, ATTRIBUTE):
        return kgs
    rows, notes = read_named_features(folder, ATTRIBUTE, kgs)
    modalities = {**kgs.modalities, ATTRIBUTE: rows}
    return dataclasses.replace(kgs, modalities=modalities, notes=(*kgs.notes, *notes))


def _with_visual(
    kgs: KnowledgeGraphs, options: DataOptions, folder: Path
) -> tuple[KnowledgeGraphs, dict[str, float]]:
    """The graphs with the visual modality asked for, and the shares that are still to be kept."""
    missing = dict(options.missing)
    if VISUAL not in switched_on(options):
        return kgs, missing
    simulated, notes = kgs.simulated, kgs.notes
    if options.visual == "simulated":
        width, present, seed = options.simulated_width, options.simulated_present, options.missing_seed
        rows = simulated_visual(kgs, width, present, seed)
        simulated = (*simulated, VISUAL)
    elif layout_of(folder) is named:
        rows, lines = read_named_features(folder, VISUAL, kgs)
        notes = (*notes, *lines)
    else:
        rows, reduced, lines = read_visual(Path(options.root), options.dataset, kgs, missing.get(VISUAL))
        notes = (*notes, *lines)
        if reduced:
            del missing[VISUAL]
    modalities = {**kgs.modalities, VISUAL: rows}
    return dataclasses.replace(kgs, modalities=modalities, simulated=simulated, notes=notes), missing

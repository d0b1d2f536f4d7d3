"""The one way in: from options to two graphs and a split."""

import dataclasses
from pathlib import Path

from mmea_jax.data import cache
from mmea_jax.data.checks import check
from mmea_jax.data.degrade import degrade
from mmea_jax.data.formats import published
from mmea_jax.data.knowledge_graphs import KnowledgeGraphs, Split
from mmea_jax.data.locate import SYNTHETIC, locate
from mmea_jax.data.neighbourhood import with_neighbours
from mmea_jax.data.options import DataOptions
from mmea_jax.data.simulate import simulated_visual
from mmea_jax.data.splits import make_split
from mmea_jax.data.synthetic import generate
from mmea_jax.data.visual import read_visual
from mmea_jax.vocabulary import MODALITIES, STRUCTURE, VISUAL, Modality

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
    kgs, split = _generated(options) if options.dataset == SYNTHETIC else _from_files(options)
    # After rows have gone missing: a missing row must not be seen by way of the neighbours either.
    bags = {m: with_neighbours(kgs.modalities[m], kgs) for m in options.neighbours if m in kgs.modalities}
    return dataclasses.replace(kgs, modalities={**kgs.modalities, **bags}), split


def _from_files(options: DataOptions) -> tuple[KnowledgeGraphs, Split]:
    folder = dataset_folder(options)
    kgs = _parsed(options, folder)
    # Found before features are read or drawn, for that takes longer.
    split = make_split(kgs, options, folder)
    kgs, missing = _with_visual(kgs, options)
    return degrade(kgs, missing, options.ambiguous, options.missing_seed), split


def dataset_folder(options: DataOptions) -> Path:
    """The folder of the data set.

    Raises:
      InputError: no root, no such root, or no such data set in it; the error names the closest.
    """
    return locate(options.root, options.dataset, published.MARK)


def switched_on(options: DataOptions) -> tuple[Modality, ...]:
    """The modalities, structure aside, that the options do not switch off."""
    return tuple(m for m in MODALITIES if m != STRUCTURE and getattr(options, m) != "none")


def _generated(options: DataOptions) -> tuple[KnowledgeGraphs, Split]:
    kgs = generate(options.synthetic)
    kept = {m: rows for m, rows in kgs.modalities.items() if m in switched_on(options)}
    kgs = dataclasses.replace(kgs, modalities=kept)
    split = make_split(kgs, options)
    return degrade(kgs, options.missing, options.ambiguous, options.missing_seed), split


def _parsed(options: DataOptions, folder: Path) -> KnowledgeGraphs:
    """What the text files hold, from the cache where it has it."""
    wanted = tuple(m for m in switched_on(options) if m != VISUAL)
    auto = options.dataset.split("/")[0] == _CONTRADICTING
    drop = options.contradicting_links == "drop" or (options.contradicting_links == "auto" and auto)
    request = f"published {options.dataset} {wanted} {options.bag_width} {drop}"
    entry = cache.key(published.files(folder, wanted), request)
    return cache.cached(
        Path(options.cache) if options.cache else cache.default_folder(),
        entry,
        lambda: published.read(folder, options.dataset, wanted, options.bag_width, drop),
    )


def _with_visual(kgs: KnowledgeGraphs, options: DataOptions) -> tuple[KnowledgeGraphs, dict[str, float]]:
    """The graphs with the visual modality asked for, and the shares that are still to be kept."""
    missing = dict(options.missing)
    if options.visual == "none":
        return kgs, missing
    simulated, notes = kgs.simulated, kgs.notes
    if options.visual == "simulated":
        width, present, seed = options.simulated_width, options.simulated_present, options.missing_seed
        rows = simulated_visual(kgs, width, present, seed)
        simulated = (*simulated, VISUAL)
    else:
        rows, reduced, lines = read_visual(Path(options.root), options.dataset, kgs, missing.get(VISUAL))
        notes = (*notes, *lines)
        if reduced:
            del missing[VISUAL]
    modalities = {**kgs.modalities, VISUAL: rows}
    return dataclasses.replace(kgs, modalities=modalities, simulated=simulated, notes=notes), missing

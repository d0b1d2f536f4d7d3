"""Looks into a folder of data: the command ``python -m mmea_jax.data.describe``."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmea_jax.data.completion_load import describe_completion, load_completion
from mmea_jax.data.completion_options import CompletionOptions
from mmea_jax.data.formats import named, openke, published
from mmea_jax.data.knowledge_graphs import KnowledgeGraphs
from mmea_jax.data.load import load
from mmea_jax.data.named_features import feature_paths
from mmea_jax.data.options import DataOptions
from mmea_jax.data.own import named_side
from mmea_jax.data.own.read import read_graph
from mmea_jax.data.own.source import Source
from mmea_jax.data.structure import degrees
from mmea_jax.data.summary import describe
from mmea_jax.errors import InputError
from mmea_jax.vocabulary import VISUAL

_DESCRIPTION = """\
Says what a data set holds: counts, degrees, coverage of the modalities, and what looks like a problem.

PATH is a data set in the published layout (ent_ids_1 …), in OpenEA's (rel_triples_1 …, ent_links) or in
OpenKE's (entity2id.txt …), or one graph as mmea_jax.align takes it (N-Triples, Turtle, RDF/XML, tables).
Exit codes: 0 done, 2 the data are at fault; the one error says where and how to mend it.
"""
_QUANTILES = (0, 0.25, 0.5, 0.75, 0.95, 1)
# Lines of the plot: name to (degrees of its entities, share of them that has each modality).
Panels = Mapping[str, tuple[np.ndarray, Mapping[str, float]]]


def inspect(path: Path) -> tuple[list[str], Panels]:
    """Lines about the data, and what to plot: a panel a graph.

    Raises:
      InputError: nothing there, or data at fault.
    """
    if (path / published.MARK).is_file() and (path / "ent_ids_2").is_file():
        return _alignment(path)
    if named_side.has_both(path) and named.link_files(path):
        return _alignment(path)
    if (path / openke.MARK).is_file():
        return _completion(path)
    return _graph(path)


def _place(path: Path) -> tuple[Path, str]:
    """Root and name of a data set whose name has two parts, as in ``DBP15K/zh_en``."""
    path = path.resolve()
    return path.parents[1], "/".join(path.parts[-2:])


def _alignment(path: Path) -> tuple[list[str], Panels]:
    root, name = _place(path)
    asked = {"dataset": name, "root": root, "name": "words", "char": "bigrams"}
    by_names = named_side.has_both(path)
    seen = not by_names or bool(feature_paths(path, VISUAL))
    try:
        kgs, split = load(DataOptions(**asked, **({} if seen else {"visual": "none"})))
    except InputError as error:
        if by_names or "visual features" not in str(error):
            raise
        seen = False
        kgs, split = load(DataOptions(visual="none", **asked))
    note = [] if seen else ["visual: no file of features"]
    degree = degrees(kgs)
    panels = {
        f"KG {k + 1}": (
            degree[kgs.side == k],
            {m: float(rows.present[kgs.side == k].mean()) for m, rows in kgs.modalities.items()},
        )
        for k in (0, 1)
    }
    lines = [*describe(kgs, split), *note]
    lines += [f"degrees of {kg}: {_spread(values)}" for kg, (values, _) in panels.items()]
    return [*lines, *_problems(kgs, degree)], panels


def _problems(kgs: KnowledgeGraphs, degree: np.ndarray) -> list[str]:
    linked = np.zeros(kgs.num_entities, bool)
    linked[kgs.links] = True
    present = [rows.present for m, rows in kgs.modalities.items() if m not in ("name", "char")]
    bare = (degree == 0) & ~np.any([*present, np.zeros(kgs.num_entities, bool)], axis=0)
    use = np.bincount(kgs.triples[:, 1], minlength=len(kgs.relation_names))
    names = [[kgs.entity_names[i] for i in kgs.entities(side)] for side in (0, 1)]
    counts = {
        "linked entities without any triple, which structure cannot align": (linked & (degree == 0)).sum(),
        "entities with neither triples nor relations, attributes or images": bare.sum(),
        "relations used once, of which nothing can be learnt": (use == 1).sum(),
        "triples from an entity to itself": (kgs.triples[:, 0] == kgs.triples[:, 2]).sum(),
        "entities whose name another of the same graph has": sum(len(own) - len(set(own)) for own in names),
        "entities of KG 1 without a link (dangling, or unknown)": (~linked[kgs.side == 0]).sum(),
        "entities of KG 2 without a link": (~linked[kgs.side == 1]).sum(),
    }
    found = [f"  {count:,} {what}" for what, count in counts.items() if count]
    return ["problems:", *found] if found else ["problems: none found"]


def _completion(path: Path) -> tuple[list[str], Panels]:
    root, name = _place(path)
    graph = load_completion(CompletionOptions(dataset=name, root=root, visual="none", text="none"))
    degree = np.bincount(graph.train[:, [0, 2]].ravel(), minlength=graph.num_entities)
    lines = [*describe_completion(graph), f"degrees in training: {_spread(degree)}"]
    return lines, {"graph": (degree, {})}


def _graph(path: Path) -> tuple[list[str], Panels]:
    source = read_graph(str(path), 1)
    degree = _degrees(source)
    size = len(source.entities)
    owners = {
        "name": {entity for entity, own in source.labels.items() if own},
        "attribute": {entity for entity, _ in source.attributes},
        "value": {entity for entity, _ in source.values},
    }
    coverage = {what: len(own) / size for what, own in owners.items()}
    relations = {relation for _, relation, _ in source.triples}
    languages = ", ".join(sorted(language or "none given" for language in source.languages)) or "none"
    lines = [
        f"{path}: {size:,} entities, {len(source.triples):,} triples, {len(relations):,} relations, "
        f"{len({a for _, a in source.attributes}):,} attributes",
        f"degrees: {_spread(degree)}",
        "coverage: " + ", ".join(f"{what} {share:.1%}" for what, share in coverage.items()),
        f"languages of names: {languages}",
    ]
    alone = int((degree == 0).sum())
    problems = [f"  {alone:,} entities without any triple, which structure cannot align"] if alone else []
    problems += [f"  {count:,} {reason} passed over" for reason, count in source.counts.items() if count]
    lines += ["problems:", *problems] if problems else ["problems: none found"]
    return lines, {"graph": (degree, coverage)}


def _degrees(source: Source) -> np.ndarray:
    index = {entity: at for at, entity in enumerate(sorted(source.entities))}
    ends = [index[entity] for head, _, tail in source.triples for entity in (head, tail)]
    return np.bincount(np.array(ends, np.int64), minlength=len(index))


def _spread(degree: np.ndarray) -> str:
    low, *middle, high = np.quantile(degree, _QUANTILES)
    quartiles = " / ".join(f"{value:.0f}" for value in middle[:3])
    return f"{low:.0f} to {high:.0f}, quartiles {quartiles}, 95 % up to {middle[3]:.0f}"


def plot(panels: Panels, path: Path) -> None:
    """Degrees and coverage of each graph, side by side."""
    # Imported here, for the text alone needs no matplotlib.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), dpi=130, layout="constrained")
    degrees_axis, coverage_axis = figure.subplots(1, 2)
    width = 0.8 / len(panels)
    for k, (name, (degree, coverage)) in enumerate(panels.items()):
        values, counts = np.unique(degree, return_counts=True)
        degrees_axis.plot(values + 1, counts, "o", markersize=3, alpha=0.7, label=name)
        at = np.arange(len(coverage)) + (k - (len(panels) - 1) / 2) * width
        coverage_axis.bar(at, list(coverage.values()), width, label=name)
        coverage_axis.set_xticks(range(len(coverage)), list(coverage))
    degrees_axis.set(xscale="log", yscale="log", xlabel="degree + 1", ylabel="entities", title="Degrees")
    coverage_axis.set(ylim=(0, 1.05), ylabel="share of entities", title="Coverage")
    for axis in (degrees_axis, coverage_axis):
        axis.grid(alpha=0.3)
        axis.set_axisbelow(True)
    degrees_axis.legend()
    figure.savefig(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Parses flags, prints and plots; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m mmea_jax.data.describe",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=Path, help="a data set or a graph")
    parser.add_argument("--plot", type=Path, default=Path("describe.png"), help="default: %(default)s")
    asked = parser.parse_args(argv)
    try:
        lines, panels = inspect(asked.path)
    except InputError as error:
        print(f"mmea_jax: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    plot(panels, asked.plot)
    print(f"plot: {asked.plot}")
    return 0

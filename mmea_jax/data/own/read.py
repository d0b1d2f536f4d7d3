"""From a path to one graph, whatever the format."""

from collections.abc import Collection
from pathlib import Path

from mmea_jax.data.own import named_side, published_side, rdf, tables
from mmea_jax.data.own.source import Source
from mmea_jax.errors import InputError

FORMATS = (
    "N-Triples (.nt), Turtle (.ttl), RDF/XML (.rdf, .owl), a table of triples (.tsv, .csv), a folder of such "
    "files (tables named triples…, attributes… and names…), or a folder in the published layout "
    "(ent_ids_1 …) or in OpenEA's (rel_triples_1 …)"
)


def read_graph(location: str, side: int, labels: Collection[str] = ()) -> Source:
    """One graph from a file or a folder.

    Args:
      location: of the file or folder.
      side: 1 or 2; which side of a published data set that has both.
      labels: URIs of further predicates whose values are names.

    Raises:
      InputError: nothing there, a format that is not known, a file at fault, or no entity in it.
    """
    path = Path(location)
    source = Source(location)
    if path.is_dir() and (known := published_side.side_of(path, side)):
        published_side.read_side(path, known, source)
    elif path.is_dir() and named_side.has_both(path):
        named_side.read_side(path, side, source)
    else:
        for file in _files(path):
            if rdf.suffix_of(file) in rdf.SUFFIXES:
                rdf.read_rdf(file, source, labels)
            else:
                tables.read_table(file, tables.kind_of(file) or "triples", source)
    if not source.entities:
        raise InputError("no entity in it", expected=FORMATS, mend="choose another file", file=path)
    return source


def graph_files(location: str, side: int) -> list[Path]:
    """The files that ``read_graph`` opens.

    Raises:
      InputError: nothing there, or a format that is not known.
    """
    path = Path(location)
    if path.is_dir() and (known := published_side.side_of(path, side)):
        return published_side.files(path, known)
    if path.is_dir() and named_side.has_both(path):
        return named_side.files(path, side)
    return _files(path)


def _files(path: Path) -> list[Path]:
    """The files that make up a graph, in order of their names."""
    if path.is_file():
        if rdf.suffix_of(path) in rdf.SUFFIXES or path.suffix.lower() in tables.SUFFIXES:
            return [path]
        raise InputError(
            f"a file of the format {path.suffix!r}", expected=FORMATS, mend="convert the file", file=path
        )
    if not path.is_dir():
        raise InputError("nothing there", expected=FORMATS, mend="correct the path", file=path)
    found = sorted(
        file
        for file in path.iterdir()
        if file.is_file() and (rdf.suffix_of(file) in rdf.SUFFIXES or tables.kind_of(file))
    )
    if not found:
        there = ", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
        raise InputError(
            f"no file of a known format; the folder holds {there}",
            expected=FORMATS,
            mend="choose another folder, or name the tables as these are",
            file=path,
        )
    return found

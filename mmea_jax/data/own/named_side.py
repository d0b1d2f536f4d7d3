"""One side of a data set in the layout that goes by names (OpenEA's)."""

from pathlib import Path

from mmea_jax.data.formats import named
from mmea_jax.data.own.source import Source
from mmea_jax.data.own.tables import literal


def has_both(folder: Path) -> bool:
    """Whether a folder holds two graphs in this layout; one alone is a folder of tables like any other."""
    return all((folder / f"rel_triples_{side}").is_file() for side in (1, 2))


def files(folder: Path, side: int) -> list[Path]:
    """The files that ``read_side`` opens, as far as they exist."""
    paths = [
        *(folder / f"{stem}_{side}" for stem in ("rel_triples", "attr_triples")),
        *named.link_files(folder),
    ]
    return [path for path in paths if path.is_file()]


def read_side(folder: Path, side: int, into: Source) -> None:
    """Adds triples and attributes with their values of one side.

    The links of the folder only tell of entities that have neither; as links they count where they are named
    as seeds.

    Args:
      folder: with ``rel_triples_<side>`` and so on.
      side: 1 or 2.
      into: the graph.

    Raises:
      InputError: a file is empty or malformed.
    """
    for head, relation, tail in named.read_lines(folder / f"rel_triples_{side}", "head relation tail"):
        into.add_triple(head, relation, tail)
    for entity, attribute, value in named.attribute_lines(folder / f"attr_triples_{side}"):
        text, _, datatype = literal(value) or (value, "", "")
        into.add_literal(entity, attribute, text, datatype)
    for path in named.link_files(folder):
        into.entities |= {link[side - 1] for link in named.read_links(path)}

"""RDF files through rdflib: resources are entities, literals are names and attributes."""

import bz2
import gzip
import logging
import re
import zlib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import rdflib
from rdflib.namespace import DC, DCTERMS, FOAF, OWL, RDF, RDFS, SKOS
from rdflib.plugins.parsers.ntriples import W3CNTriplesParser

from mmea_jax.data.bounds import check_unpacked
from mmea_jax.data.own.source import Source
from mmea_jax.errors import InputError

SUFFIXES = {".nt": "nt", ".ntriples": "nt", ".ttl": "turtle", ".turtle": "turtle", ".n3": "n3"}
SUFFIXES |= {".rdf": "xml", ".owl": "xml", ".xml": "xml"}
_PACKED = {".gz": gzip.open, ".bz2": bz2.open}
# Memory that parsed statements take, in units of the text's size; rdflib indexes all but N-Triples thrice.
_TIMES, _TIMES_NT = 90, 16
_SCHEMA = ("http://schema.org/", "https://schema.org/")
LABELS = frozenset(
    map(str, (RDFS.label, SKOS.prefLabel, SKOS.altLabel, FOAF.name, DC.title, DCTERMS.title))
) | {f"{schema}{term}" for schema in _SCHEMA for term in ("name", "alternateName")}
# Of an entity's names these come last: they are the less usual ones.
_ALTERNATIVE = {str(SKOS.altLabel), *(f"{schema}alternateName" for schema in _SCHEMA)}
# Subjects of these types describe the vocabulary, not the world.
_VOCABULARY = {
    OWL.Class, RDFS.Class, RDF.Property, OWL.ObjectProperty, OWL.DatatypeProperty, OWL.AnnotationProperty,
    OWL.FunctionalProperty, OWL.Ontology, RDFS.Datatype,
}  # fmt: skip
# Types that say nothing.
_EVERYTHING = {OWL.Thing, OWL.NamedIndividual, RDFS.Resource, SKOS.Concept}

_RANDOM = re.compile(r"[nN][0-9a-f]{32}(b\d+)")

Triple = tuple[Any, Any, Any]


def suffix_of(path: Path) -> str:
    """The suffix that tells the format, without that of a packer."""
    return path.with_suffix("").suffix.lower() if path.suffix.lower() in _PACKED else path.suffix.lower()


def read_rdf(path: Path, into: Source, labels: Collection[str] = ()) -> None:
    """Adds what an RDF file says.

    ``rdfs:label`` and its kin are names; other literals are attributes with values; ``rdf:type`` is an
    attribute; ``owl:sameAs`` is kept apart; all else between resources is a triple. A blank node is an
    entity of its own that has no name.

    Args:
      path: ``.nt``, ``.ttl``, ``.n3``, ``.rdf``, ``.owl`` or ``.xml``, also packed as ``.gz`` or ``.bz2``.
      into: what the graph's files said before.
      labels: URIs of further predicates whose values are names.

    Raises:
      InputError: the file cannot be read or parsed; the error names the line where the parser does.
    """
    triples = list(_parsed(path))
    names = LABELS | set(labels)
    vocabulary = {s for s, p, o in triples if p == RDF.type and o in _VOCABULARY}
    vocabulary |= {s for s, p, _ in triples if p in (RDFS.subClassOf, RDFS.subPropertyOf)}
    into.counts["statements about the vocabulary"] += sum(s in vocabulary for s, _, _ in triples)
    for subject, predicate, value in sorted(triples, key=lambda triple: str(triple[1]) in _ALTERNATIVE):
        if subject not in vocabulary:
            _add(into, _name(subject, path), predicate, value, names, path)


def _add(into: Source, subject: str, predicate: Any, value: Any, names: Collection[str], path: Path) -> None:
    if isinstance(value, rdflib.Literal):
        if str(predicate) in names:
            into.add_label(subject, str(value), value.language or "")
        else:
            into.add_literal(subject, str(predicate), str(value), str(value.datatype or ""))
    elif predicate == RDF.type:
        into.entities.add(subject)
        if value not in _EVERYTHING:
            into.add_type(subject, local_name(str(value)))
    elif predicate == OWL.sameAs:
        into.entities.add(subject)
        into.same_as.append((subject, _name(value, path)))
    else:
        into.add_triple(subject, str(predicate), _name(value, path))


def local_name(uri: str) -> str:
    """What follows the last ``#`` or ``/`` of a URI."""
    return uri.rstrip("/#").rpartition("#")[2].rpartition("/")[2]


def read_same_as(path: Path) -> list[tuple[str, str, int | None]]:
    """Pairs of the ``owl:sameAs`` and SKOS match triples of an RDF file, and None for the line.

    Raises:
      InputError: as ``read_rdf`` does.
    """
    same = (OWL.sameAs, SKOS.exactMatch, SKOS.closeMatch)
    return [(str(s), str(o), None) for s, p, o in _parsed(path) if p in same]


def _name(node: Any, path: Path) -> str:
    if not isinstance(node, rdflib.BNode):
        return str(node)
    # rdflib numbers the blank nodes of Turtle behind a random name; the number alone is the same every time.
    numbered = _RANDOM.fullmatch(node)
    # Blank nodes of two files may share an identifier, and are two.
    return f"_:{path.name}/{numbered[1] if numbered else node}"


class _Sink:
    """Collects what rdflib's streaming parser hands over."""

    def __init__(self):
        self.triples: list[Triple] = []

    def triple(self, subject, predicate, value) -> None:
        self.triples.append((subject, predicate, value))


def _parsed(path: Path) -> Iterable[Triple]:
    form = SUFFIXES[suffix_of(path)]
    opened = _PACKED.get(path.suffix.lower(), open)
    try:
        check_unpacked(path, opened, _TIMES_NT if form == "nt" else _TIMES)
        with opened(path, "rb") as stream:
            return _ntriples(stream) if form == "nt" else _by_graph(stream, form, path)
    except InputError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"no readable file ({getattr(error, 'strerror', None) or error})",
            expected="an RDF file, as it is or packed as its name says",
            mend="correct the path, or restore the file",
            file=path,
        ) from None
    # rdflib's parsers raise errors of many types.
    except Exception as error:
        raise _unsound(path, error, form) from None


def _ntriples(stream: Any) -> list[Triple]:
    sink = _Sink()
    # rdflib warns of each literal that is no sound value of its type; such a literal is a text here.
    with _Quiet():
        W3CNTriplesParser(sink, bnode_context=_SameNames()).parse(stream)
    return sink.triples


class _SameNames(dict):
    """Blank nodes keep the identifier that the file gives them, so that two reads agree."""

    def get(self, key: str, default: Any = None) -> str:
        return key


def _by_graph(stream: Any, form: str, path: Path) -> list[Triple]:
    graph = rdflib.Graph()
    with _Quiet():
        graph.parse(stream, format=form, publicID=path.resolve().as_uri())
    return list(graph)


class _Quiet:
    """Keeps rdflib's warnings about single literals out of the log."""

    def __enter__(self):
        self._logger = logging.getLogger("rdflib.term")
        self._level = self._logger.level
        self._logger.setLevel(logging.ERROR)

    def __exit__(self, *_):
        self._logger.setLevel(self._level)


def _unsound(path: Path, error: Exception, form: str) -> InputError:
    line = getattr(error, "lines", None)
    line = line + 1 if isinstance(line, int) else None
    what = str(getattr(error, "_why", "") or error).strip().partition("\n")[0][:160]
    if form == "nt":
        line, what = _bad_line(path) or (line, what)
    return InputError(
        what,
        expected={"nt": "N-Triples", "turtle": "Turtle", "n3": "Notation 3", "xml": "RDF/XML"}[form],
        mend="correct or remove the line" if line else "correct the file",
        file=path,
        line=line,
    )


def _bad_line(path: Path) -> tuple[int, str] | None:
    """The first line that is no N-Triples, and what it holds."""
    opened = _PACKED.get(path.suffix.lower(), open)
    with opened(path, "rb") as stream, _Quiet():
        for number, line in enumerate(stream, start=1):
            try:
                W3CNTriplesParser(_Sink(), bnode_context={}).parsestring(line.decode("utf-8"))
            except Exception:
                return number, repr(line.strip().decode("utf-8", "replace")[:120])
    return None

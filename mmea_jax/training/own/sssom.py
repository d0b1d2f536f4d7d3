"""The alignment in SSSOM/TSV, the Simple Standard for Sharing Ontological Mappings."""

import datetime
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

import mmea_jax
from mmea_jax.matching.alignment_table import Row

_COLUMNS = (
    "subject_id", "subject_label", "predicate_id", "object_id", "object_label", "mapping_justification",
    "confidence", "comment",
)  # fmt: skip
_FIXED = {
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "semapv": "https://w3id.org/semapv/vocab/",
    "sssom": "https://w3id.org/sssom/",
}
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+")
# Names that are no URIs get one of these.
_OWN = "urn:mmea-jax:"


def sssom_table(
    rows: Iterable[Row], labels: tuple[Mapping[str, str], Mapping[str, str]], title: str, date: str = ""
) -> str:
    """The rows as an SSSOM mapping set.

    A pair that counts as matched, and a seed, is ``skos:exactMatch`` with its probability as confidence; an
    entity without counterpart is mapped to ``sssom:NoTermFound`` with one minus that of its best candidate.

    Args:
      rows: of the alignment.
      labels: names of the entities of KG 1 and KG 2, where there are any.
      title: of the set.
      date: ISO date of the set; today's by default.
    """
    prefixes = _Prefixes()
    lines = []
    for row in rows:
        subject = prefixes.curie(row.entity1, "kg1")
        label = labels[0].get(row.entity1, "")
        if row.status == "no_match":
            lines.append(_no_match(row, subject, label))
            continue
        known = row.status == "seed"
        fields = [
            subject,
            label,
            "skos:exactMatch",
            prefixes.curie(row.entity2, "kg2"),
            labels[1].get(row.entity2, ""),
            "semapv:UnspecifiedMatching" if known else "semapv:CompositeMatching",
            f"{row.probability:.4f}",
            "given as a seed" if known else "",
        ]
        lines.append(fields)
    head = [
        f"mapping_set_id: {_OWN}{quote(title, safe='')}",
        f"mapping_set_title: {_yaml(title)}",
        "license: https://w3id.org/sssom/license/unspecified",
        "mapping_tool: mmea_jax",
        f"mapping_tool_version: {_yaml(mmea_jax.__version__)}",
        f"mapping_date: {_yaml(date or datetime.date.today().isoformat())}",
        "curie_map:",
        *(f"  {prefix}: {_yaml(base)}" for prefix, base in sorted((_FIXED | prefixes.bases).items())),
    ]
    body = ["\t".join(_COLUMNS), *("\t".join(map(_clean, fields)) for fields in lines)]
    return "\n".join([*(f"#{line}" for line in head), *body]) + "\n"


def _no_match(row: Row, subject: str, label: str) -> list[str]:
    best = f"best candidate {row.entity2} with probability {row.probability:.4f}" if row.entity2 else ""
    confidence = f"{1 - row.probability:.4f}"
    justified = "semapv:CompositeMatching"
    return [subject, label, "skos:exactMatch", "sssom:NoTermFound", "", justified, confidence, best]


class _Prefixes:
    """Hands out a prefix for every namespace that it meets."""

    def __init__(self):
        self.bases: dict[str, str] = {}
        self._prefix: dict[tuple[str, str], str] = {}

    def curie(self, name: str, side: str) -> str:
        """The name as ``prefix:local``."""
        if _URI.fullmatch(name) and not name.startswith("_:"):
            cut = max(name.rfind("/"), name.rfind("#")) + 1 or name.index(":") + 1
            base, local = name[:cut], name[cut:]
        else:
            base, local = f"{_OWN}{side}:", quote(name, safe="")
        prefix = self._prefix.get((base, side))
        if prefix is None:
            taken = sum(1 for _, own in self._prefix if own == side)
            prefix = self._prefix[base, side] = f"{side}_{taken + 1}" if taken else side
            self.bases[prefix] = base
        return f"{prefix}:{local}"


def _yaml(text: str) -> str:
    return '"' + _clean(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _clean(text: str) -> str:
    return " ".join(text.split())

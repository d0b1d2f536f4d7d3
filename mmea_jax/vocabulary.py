"""The field's words, spelled once: sides, modalities and rank directions.

Array shapes in annotations and docstrings use these letters: ``N`` entities of
both graphs in one index space, ``T`` triples, ``R`` relations, ``L`` links,
``B`` aligned pairs in a batch, ``K`` entities asked for, ``M`` modalities,
``d`` hidden width, ``f`` width of pre-computed features.
"""

from typing import Literal

Modality = Literal["structure", "relation", "attribute", "visual", "name", "char", "text"]
Direction = Literal["l2r", "r2l"]

STRUCTURE = "structure"
RELATION = "relation"
ATTRIBUTE = "attribute"
VISUAL = "visual"
NAME = "name"
CHAR = "char"
TEXT = "text"

# Canonical order of modalities everywhere a method does not ask for another.
MODALITIES: tuple[Modality, ...] = (
    "structure",
    "relation",
    "attribute",
    "visual",
    "name",
    "char",
)
# What an entity of a graph to be completed may have.
COMPLETION_MODALITIES: tuple[Modality, ...] = ("structure", "visual", "text")
# KG 1 -> KG 2 and back.
DIRECTIONS: tuple[Direction, ...] = ("l2r", "r2l")

"""One graph as its files have it: names and texts, no numbers yet."""

import dataclasses
from collections import defaultdict

from mmea_jax.data.own.values import value_words


@dataclasses.dataclass
class Source:
    """Everything that the files of one graph say; readers add to it.

    Attributes:
      name: for messages.
      entities: names, in no order.
      triples: ``(head, relation, tail)``.
      labels: entity to ``(language, text)``; the language is empty where none is given.
      attributes: ``(entity, attribute)``.
      values: ``(entity, word)`` (see ``values.value_words``).
      same_as: pairs that the files themselves declare to be the same.
      aliases: other names by which links may call an entity, such as its number.
      counts: what was passed over, by reason.
    """

    name: str
    entities: set[str] = dataclasses.field(default_factory=set)
    triples: set[tuple[str, str, str]] = dataclasses.field(default_factory=set)
    labels: dict[str, list[tuple[str, str]]] = dataclasses.field(default_factory=lambda: defaultdict(list))
    attributes: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    values: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    same_as: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    aliases: dict[str, str] = dataclasses.field(default_factory=dict)
    counts: dict[str, int] = dataclasses.field(default_factory=lambda: defaultdict(int))

    def add_triple(self, head: str, relation: str, tail: str) -> None:
        """A triple between two entities."""
        self.entities |= {head, tail}
        if (head, relation, tail) in self.triples:
            self.counts["duplicate triples"] += 1
        self.triples.add((head, relation, tail))

    def add_label(self, entity: str, text: str, language: str = "") -> None:
        """A name of an entity."""
        self.entities.add(entity)
        if text.strip():
            self.labels[entity].append((language.lower().partition("-")[0], text.strip()))

    def add_literal(self, entity: str, attribute: str, lexical: str, datatype: str = "") -> None:
        """A literal: the entity has the attribute, and where it can be compared, its value."""
        self.entities.add(entity)
        self.attributes.add((entity, attribute))
        self.values.update((entity, word) for word in value_words(lexical, datatype))

    def add_type(self, entity: str, kind: str) -> None:
        """A class of the entity, as an attribute; ``kind`` without its namespace, which graphs differ in."""
        self.entities.add(entity)
        self.attributes.add((entity, f"type {kind}"))

    @property
    def languages(self) -> set[str]:
        """Languages that names are given in."""
        return {language for own in self.labels.values() for language, _ in own}

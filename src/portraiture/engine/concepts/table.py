"""All concepts by name."""

from __future__ import annotations

from collections.abc import Sequence

from portraiture.engine.concepts.attributes import ATTRIBUTES
from portraiture.engine.concepts.concept import Concept
from portraiture.engine.concepts.creatures import CREATURES
from portraiture.engine.concepts.grooming import GROOMING
from portraiture.engine.concepts.looks import LOOKS
from portraiture.engine.concepts.materials import MATERIALS
from portraiture.engine.concepts.monsters import MONSTERS
from portraiture.errors import ConceptError

CONCEPTS: dict[str, Concept] = {
    concept.name: concept
    for concept in (*CREATURES, *MONSTERS, *MATERIALS, *LOOKS, *ATTRIBUTES, *GROOMING)
}


def find_concepts(names: Sequence[str]) -> list[Concept]:
    """The concepts of these names. Raises ConceptError on an unknown one."""
    for name in names:
        if name not in CONCEPTS:
            raise ConceptError(
                f"There is no concept {name!r}; `portraiture restyle --list` shows all of them."
            )
    return [CONCEPTS[name] for name in names]

"""Parameters, style and expression of a person after concepts, and of which the bust is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from portraiture.engine.concepts.concept import Concept, HairChange
from portraiture.engine.concepts.table import find_concepts
from portraiture.engine.parameters import LONG_HAIR, AvatarParameters, HairStyle
from portraiture.types import Style

ORDER = {"creature": 0, "look": 1, "attribute": 2, "material": 3}
"""What comes later changes what came before: an old elf is an elf first."""

SEXES = frozenset(["masculine", "feminine"])
AGES = frozenset(["child", "teenager", "young", "middle_aged", "old"])
_LONGER: dict[bool, HairStyle] = {True: "long_wavy", False: "long_straight"}
_CURLIER: dict[str, HairStyle] = {
    "bob": "curly_medium", "layered_bob": "curly_medium", "wavy_medium": "curly_medium",
    "long_straight": "curly_long", "long_wavy": "curly_long", "ponytail": "curly_long",
    "bun": "curly_long", "braids": "curly_long",
}  # fmt: skip
_STRAIGHTER: dict[str, HairStyle] = {
    "curly": "short", "afro": "short", "curly_medium": "bob", "wavy_medium": "bob",
    "layered_bob": "bob",
}  # fmt: skip
_LONG = ("long_straight", "long_wavy", "ponytail", "curly_long", "braids")
_HANGING = (
    "long_straight",
    "long_wavy",
    "curly_long",
    "bob",
    "layered_bob",
    "curly_medium",
    "wavy_medium",
)


@dataclass(frozen=True)
class Changed:
    """names: of the concepts that the bust needs as it is built, in order."""

    parameters: AvatarParameters
    style: Style
    expression: Mapping[str, float]
    names: tuple[str, ...]


def changed(
    parameters: AvatarParameters,
    names: Sequence[str],
    *,
    style: Style = "natural",
    expression: Mapping[str, float] | None = None,
) -> Changed:
    """A person after the concepts of these names. Raises ConceptError on an unknown name."""
    concepts = sorted(find_concepts(names), key=lambda concept: ORDER[concept.kind])
    mood = dict(expression or {})
    for concept in concepts:
        parameters = _with(parameters, concept)
        style = concept.style or style
        mood = mood if concept.expression is None else dict(concept.expression)
    return Changed(parameters, style, mood, tuple(c.name for c in concepts if c.built))


def _with(parameters: AvatarParameters, concept: Concept) -> AvatarParameters:
    values: dict[str, Any] = {}
    for name, amount in concept.add.items():
        values[name] = float(np.clip(getattr(parameters, name) + amount, 0.0, 1.0))
    values |= concept.set
    if concept.shape:
        shape = dict(parameters.shape)
        for name, amount in concept.shape.items():
            shape[name] = float(np.clip(shape.get(name, 0.5) + amount, 0.0, 1.0))
        values["shape"] = shape
    parameters = replace(parameters, **values)
    hair = concept.hair_change
    shown = concept.ears is not None and concept.ears.up + concept.ears.out > 10.0
    if hair is None and shown and "hair_style" not in concept.set:
        hair = "off_ears"
    if hair is not None:
        parameters = replace(parameters, hair_style=_hair_style(parameters, hair))
    return parameters


def _hair_style(parameters: AvatarParameters, change: HairChange) -> HairStyle:
    """Another style, unless the person's own is as it should be."""
    own, woman = parameters.hair_style, parameters.sex > 0.5
    match change:
        case "longer":
            return own if own in _LONG else "curly_long" if "curly" in own else _LONGER[woman]
        case "shorter":
            return own if own not in LONG_HAIR else "pixie" if woman else "short"
        case "curlier":
            return own if "curly" in own or own == "afro" else _CURLIER.get(own, "curly")
        case "straighter":
            if own in ("long_wavy", "curly_long", "braids"):
                return "long_straight"
            return _STRAIGHTER.get(own, own)
        case "off_ears":
            shown = own not in LONG_HAIR or own in ("ponytail", "bun")
            return own if shown else "ponytail" if woman else "slick_back"
        case "fringe":
            return own if own in _HANGING else "long_straight" if woman else "crop"


def conflicts(a: Concept, b: Concept) -> bool:
    """Whether both say what a person is made of, or how it is drawn, or set one choice apart."""
    if a.kind == b.kind == "material" or (a.style and b.style):
        return True
    if not a.kind == b.kind == "attribute":
        return False
    if {a.name, b.name} <= SEXES or {a.name, b.name} <= AGES:
        return True
    if {a.name, b.name} & (SEXES | AGES):  # their beards are only what is usual
        return False
    both = a.set.keys() & b.set.keys() & {"hair_style", "beard_style", "glasses_style"}
    return any(a.set[name] != b.set[name] for name in both)

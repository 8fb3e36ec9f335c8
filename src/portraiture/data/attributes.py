"""What can be said of a person in one number, from the engine's own parameters.

z ─person_from_latent─▶ Person ─score─▶ smile, age, sex …
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.data.latent import Person, person_from_latent

Attribute = Literal[
    "smile", "age", "sex", "hair-length", "beard", "face-width", "eye-openness", "skin-tone"
]

HAIR_LENGTH = {
    "bald": 0.0, "buzz": 0.05, "crop": 0.12, "short": 0.2, "side_part": 0.25, "quiff": 0.25,
    "slick_back": 0.25, "afro": 0.4, "bun": 0.4, "curly": 0.45, "ponytail": 0.5, "bob": 0.6,
    "long_wavy": 1.0, "long_straight": 1.0,
}  # fmt: skip
"""How long hair hangs, of shoulder length; a style's own `hair_length` changes it by a fifth."""

BEARD = {
    "none": 0.0, "stubble": 0.25, "sideburns": 0.3, "moustache": 0.4, "goatee": 0.5, "circle": 0.6,
    "short_beard": 0.75, "full_beard": 1.0,
}  # fmt: skip
"""How much of the lower face is hairy."""

EYE_HEIGHTS = ("eye_height1", "eye_height2", "eye_height3")


def _smile(person: Person) -> float:
    return person.expression.get("mouthSmileLeft", 0.0)


def _hair_length(person: Person) -> float:
    look = person.parameters
    return HAIR_LENGTH[look.hair_style] * (0.9 + 0.2 * look.hair_length)


def _face_width(person: Person) -> float:
    return person.parameters.shape.get("head_scale_horiz", 0.5)


def _eye_openness(person: Person) -> float:
    shape = person.parameters.shape
    return sum(shape.get(name, 0.5) for name in EYE_HEIGHTS) / len(EYE_HEIGHTS)


SCORES: dict[Attribute, Callable[[Person], float]] = {
    "smile": _smile,
    "age": lambda person: person.parameters.age,
    "sex": lambda person: person.parameters.sex,
    "hair-length": _hair_length,
    "beard": lambda person: BEARD[person.parameters.beard_style],
    "face-width": _face_width,
    "eye-openness": _eye_openness,
    "skin-tone": lambda person: person.parameters.skin_melanin,
}
"""In [0, 1]. sex: 1 is a woman. skin-tone: 1 is the darkest. Glasses are not in the latents."""


def score_people(z: Float[ndarray, "N Z"]) -> dict[Attribute, Float[ndarray, "N"]]:
    """The scores of the people that latents stand for."""
    people = [person_from_latent(latent) for latent in z]
    return {name: np.array([rule(one) for one in people]) for name, rule in SCORES.items()}

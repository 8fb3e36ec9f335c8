"""Scalar attributes of a person, computed from the engine's parameters.

z ─person_from_latent─▶ Person ─┬─score─▶ smile, age, sex …
                                └─shape of the head─▶ landmarks ─measure─▶ face-width …
Letters: N people, L landmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.head import PHENOTYPES, load_head
from portraiture.engine.landmarks import LANDMARK_COUNT, load_landmarks
from portraiture.engine.shapes import SHAPES
from portraiture.people.latent import Person, person_from_latent

Attribute = Literal[
    "smile", "age", "sex", "hair-length", "beard", "face-width", "eye-openness", "skin-tone"
]

HAIR_LENGTH = {
    "bald": 0.0, "buzz": 0.05, "crop": 0.12, "short": 0.2, "side_part": 0.25, "quiff": 0.25,
    "slick_back": 0.25, "afro": 0.4, "bun": 0.4, "curly": 0.45, "ponytail": 0.5, "bob": 0.6,
    "long_wavy": 1.0, "long_straight": 1.0, "horseshoe": 0.05, "receding": 0.12, "pixie": 0.2,
    "side_swept": 0.25, "curly_medium": 0.5, "wavy_medium": 0.55, "layered_bob": 0.6,
    "curly_long": 1.0, "braids": 1.0, "cornrows": 0.1,
}  # fmt: skip
"""Length of each hair style relative to shoulder length; `hair_length` varies it by ±10 %."""

BEARD = {
    "none": 0.0, "stubble": 0.25, "sideburns": 0.3, "moustache": 0.4, "goatee": 0.5, "circle": 0.6,
    "short_beard": 0.75, "full_beard": 1.0,
}  # fmt: skip
"""Amount of beard of each style: the covered fraction of the lower face."""

CHEEKS, HEIGHT = (234, 454), (10, 152)
"""Landmark pairs at the sides of the face, and at the top of the forehead and the chin."""
LIDS = ((159, 145), (386, 374))
CORNERS = ((33, 133), (263, 362))
"""Landmark pairs of the upper and lower lid, and of the corners, of the right and left eye."""
MEASURED = sorted({k for pair in (CHEEKS, HEIGHT, *LIDS, *CORNERS) for k in pair})


def _smile(person: Person) -> float:
    return person.expression.get("mouthSmileLeft", 0.0)


def _hair_length(person: Person) -> float:
    look = person.parameters
    return HAIR_LENGTH[look.hair_style] * (0.9 + 0.2 * look.hair_length)


SCORES: dict[Attribute, Callable[[Person], float]] = {
    "smile": _smile,
    "age": lambda person: person.parameters.age,
    "sex": lambda person: person.parameters.sex,
    "hair-length": _hair_length,
    "beard": lambda person: BEARD[person.parameters.beard_style],
    "skin-tone": lambda person: person.parameters.skin_melanin,
}
"""Scores in [0, 1]. sex: 1 is female. skin-tone: 1 is darkest. Latents do not encode glasses."""


def score_people(z: Float[ndarray, "N Z"]) -> dict[Attribute, Float[ndarray, "N"]]:
    """Score the people of latents, all in [0, 1]: `SCORES`, half the face's width over its height
    (face-width), and the eyes' opening over their width (eye-openness)."""
    people = [person_from_latent(latent) for latent in z]
    found: dict[Attribute, Float[ndarray, "N"]] = {
        name: np.array([rule(one) for one in people]) for name, rule in SCORES.items()
    }
    points = neutral_landmarks(people)

    def length(pair: tuple[int, int]) -> Float[ndarray, "N"]:
        return np.linalg.norm(points[:, pair[0]] - points[:, pair[1]], axis=1)

    found["face-width"] = 0.5 * length(CHEEKS) / length(HEIGHT)
    apart, wide = (length(right) + length(left) for right, left in (LIDS, CORNERS))
    found["eye-openness"] = apart / wide
    return found


def neutral_landmarks(people: Sequence[Person]) -> Float[ndarray, "N L 3"]:
    """The landmarks `MEASURED` of heads in the neutral expression, metres; NaN for all others."""
    head = load_head()
    table = load_landmarks(head)
    rows, weights = table.rows[MEASURED], table.weights[MEASURED]
    phenotypes = [[getattr(one.parameters, name) for name in PHENOTYPES] for one in people]
    local = [[2.0 * one.parameters.shape.get(n, 0.5) - 1.0 for n in SHAPES] for one in people]
    actions = head.action_slice.stop - head.action_slice.start
    with torch.no_grad():
        strength = head.coefficients(
            torch.tensor(phenotypes).reshape(-1, len(PHENOTYPES)),
            torch.tensor(local).reshape(-1, len(SHAPES)),
            torch.zeros(len(people), actions),
        )
        corners = head.vertices(strength, rows.ravel().tolist()).numpy()
    points = np.full((len(people), LANDMARK_COUNT, 3), np.nan)
    points[:, MEASURED] = np.einsum("mk,nmkc->nmc", weights, corners.reshape(-1, *rows.shape, 3))
    return points

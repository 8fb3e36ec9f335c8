"""Find the latent of a person from fitted engine parameters, by coordinate descent.

parameters, expression ─discrete and continuous entries, one at a time─▶ z ◀─whitened shape
`people.latent` does not cover every person: values outside its ranges are clipped. Letters: Z
latent size.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.ancestry import ANCESTRIES
from portraiture.engine.parameters import CONTINUOUS
from portraiture.engine.prior import SEX_OFFSET, load_prior
from portraiture.engine.shapes import SHAPES
from portraiture.people.latent import (
    GROUP_SLOTS,
    LATENT_SIZE,
    SHAPE_AXES,
    SINGLE_SLOTS,
    Person,
    person_from_latent,
)

WEIGHTS = {
    "skin_melanin": 36.0, "hair_melanin": 9.0, "hair_grey": 9.0, "sex": 4.0, "age": 4.0,
    "skin_undertone": 2.0,
}  # fmt: skip
"""Weights of squared parameter differences, by their effect on the image; 1 for all others."""
STYLES = {"hair_style": 1.0, "beard_style": 0.5, "brow_style": 0.1, "neckline": 0.1}
"""Cost of a mismatch of each discrete parameter."""
NEAREST: dict[str, tuple[str, ...]] = {
    "receding": ("short", "buzz"), "horseshoe": ("bald",), "side_swept": ("side_part", "bob"),
    "wavy_medium": ("bob", "curly"), "layered_bob": ("bob",), "pixie": ("short", "bun"),
    "curly_medium": ("curly",), "curly_long": ("long_wavy",), "suit_tie": ("shirt",),
    "braids": ("long_straight",), "cornrows": ("buzz", "crop"), "hoodie": ("crew",),
    "suit_open": ("shirt",), "blouse_jacket": ("shirt",), "knit": ("crew",), "dress": ("v_neck",),
}  # fmt: skip
"""Choices of `people.latent` that look most like those it lacks."""
EXPRESSION = ("mouthSmileLeft", "jawOpen", "browInnerUp", "browDownLeft")
"""Expression weights that are compared."""
CHOSEN, OTHERS = 1.6, -0.4
"""Values of the selected entry of a group and of the others, near their means under N(0, 1)."""
GRID = np.linspace(-2.0, 2.0, 17)
LIMIT = 2.2
ROUNDS = 3


def find_latent(person: Person) -> Float[ndarray, "Z"]:
    """Invert `person_from_latent` approximately; returns z, float32. Entries without effect are
    0; among equally good choices, the first is taken."""
    wanted = _numbers(person)
    z = np.zeros(LATENT_SIZE)
    for _ in range(ROUNDS):
        for first, last in GROUP_SLOTS.values():
            tries = np.repeat(z[None], last - first, 0)
            tries[:, first:last] = np.where(np.eye(last - first), CHOSEN, OTHERS)
            z = tries[np.argmin([_distance(one, person, wanted) for one in tries])]
        for slot in SINGLE_SLOTS.values():
            tries = np.repeat(z[None], len(GRID), 0)
            tries[:, slot] = GRID
            found = np.array([_distance(one, person, wanted) for one in tries])
            alike = GRID[found <= found.min() + 1e-9]
            z[slot] = alike[np.abs(alike).argmin()]
    z[:SHAPE_AXES] = _shape(person, z)
    return z.astype(np.float32)


def _like(choice: str) -> tuple[str, ...]:
    return (choice, *NEAREST.get(choice, ()))


def _numbers(person: Person) -> Float[ndarray, "K"]:
    values = [getattr(person.parameters, name) for name in CONTINUOUS]
    weights = [WEIGHTS.get(name, 1.0) for name in CONTINUOUS]
    shown = [person.expression.get(name, 0.0) for name in EXPRESSION]
    return np.concatenate([np.sqrt(weights) * values, shown])


def _distance(z: Float[ndarray, "Z"], person: Person, wanted: Float[ndarray, "K"]) -> float:
    found = person_from_latent(z, shaped=False)
    others = sum(
        price
        for name, price in STYLES.items()
        if getattr(found.parameters, name) not in _like(getattr(person.parameters, name))
    )
    return float(np.square(_numbers(found) - wanted).sum()) + others


def _shape(person: Person, z: Float[ndarray, "Z"]) -> Float[ndarray, "A"]:
    """Whitened coordinates of the face's local changes, the inverse of `people.latent`."""
    prior = load_prior()
    first, last = GROUP_SLOTS["ancestry"]
    local = person.parameters.local_changes()
    for name, shift in ANCESTRIES[int(z[first:last].argmax())].shape.items():
        local[list(SHAPES).index(name)] -= shift
    normal = prior.whitening @ (local - prior.mean)
    along = float(prior.feminine @ normal)
    middle = SEX_OFFSET * (2.0 * person_from_latent(z, shaped=False).parameters.sex - 1.0)
    within = (along - middle) / np.sqrt(1.0 - SEX_OFFSET**2)
    normal = normal + (within - along) * prior.feminine
    return np.clip(normal[:SHAPE_AXES], -LIMIT, LIMIT)

"""Map a Gaussian latent to a person of the engine: the meaning of the generators' z.

z ~ N(0, 1) of `LATENT_SIZE` numbers ─slots─▶ parameters of the engine and an expression
The first entries are whitened shape coordinates of the learned prior. They are followed by one-of-K
choices, the argmax of a group (`CHOICE_GROUPS`; a generator's mapping hardens them in the same
way), and single entries mapped to parameters through a normal or uniform quantile. People are as
varied as those of `engine.sample`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import ndtr

from portraiture.engine.ancestry import ANCESTRIES, Ancestry
from portraiture.engine.details import DETAILS
from portraiture.engine.dyes import CLOTHES
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.prior import SEX_OFFSET, load_prior
from portraiture.engine.sample import YOUNGEST, years_of
from portraiture.engine.shapes import SHAPES
from portraiture.engine.skin.sample import detail_from

SHAPE_AXES = 40
"""Number of principal axes of the prior in z; they explain 87 % of its variance."""

HAIR_DRAWERS: dict[tuple[bool, bool], tuple[str, ...]] = {
    (False, False): (
        "short", "short", "side_part", "crop", "quiff", "slick_back", "buzz", "curly",
    ),
    (False, True): ("short", "buzz", "buzz", "crop", "afro", "bald", "curly", "crop"),
    (True, False): (
        "long_straight", "long_straight", "long_wavy", "long_wavy", "bob", "ponytail", "bun",
        "curly",
    ),
    (True, True): ("afro", "bun", "ponytail", "curly", "bob", "buzz", "long_wavy", "curly"),
}  # fmt: skip
"""Hair styles by (woman, coiled): eight equally likely slots, so common styles appear twice."""

BROWS = ("natural", "straight", "arched", "rounded", "angled")
BEARDS = (
    "none", "none", "none", "stubble", "stubble", "short_beard", "full_beard", "goatee",
)  # fmt: skip
NECKLINES = ("crew", "v_neck", "shirt")

GROUPS: dict[str, int] = {
    "sex": 2,
    "ancestry": len(ANCESTRIES),
    "hair_man_straight": 8,
    "hair_man_coiled": 8,
    "hair_woman_straight": 8,
    "hair_woman_coiled": 8,
    "brows": len(BROWS),
    "beard": len(BEARDS),
    "neckline": len(NECKLINES),
    "parting": 2,
}
SINGLES = (
    "sex", "years", "muscle", "weight",
    "melanin", "haemoglobin", "undertone", "freckles", "pores", "lips", "blush", "under_eye",
    "iris", "green", "iris_size", "lashes",
    "hair_length", "hair_volume", "curl", "hair_line", "hair_melanin", "hair_redness", "grey",
    "brow_thickness", "brow_density", "brow_darkness", "beard_length", "stubble",
    "cloth", "cloth_light", "smile", "open", "brow_raise",
)  # fmt: skip

PASSING = ("cloth", "cloth_light", "smile", "open", "brow_raise")
"""Entries that are not of the head: clothes and expression."""

COILED_FROM = 0.6
"""Ancestries with a mean curl above this have coiled hair."""


def _layout() -> tuple[dict[str, tuple[int, int]], dict[str, int], int]:
    at = SHAPE_AXES
    groups: dict[str, tuple[int, int]] = {}
    for name, count in GROUPS.items():
        groups[name] = (at, at + count)
        at += count
    singles = {name: at + k for k, name in enumerate(SINGLES)}
    return groups, singles, at + len(SINGLES)


GROUP_SLOTS, SINGLE_SLOTS, LATENT_SIZE = _layout()
CHOICE_GROUPS: tuple[tuple[int, int], ...] = tuple(GROUP_SLOTS.values())


@dataclass(frozen=True)
class Person:
    """parameters: of the engine. expression: ARKit weights in [0, 1]."""

    parameters: AvatarParameters
    expression: Mapping[str, float]


def sample_latents(count: int, seed: int, *, first: int = 0) -> Float[ndarray, "count Z"]:
    """Sample latents z ~ N(0, 1), float32, of people `first`, `first` + 1 … of a seed; a
    latent does not depend on `count`."""
    people = range(first, first + count)
    samples = [np.random.default_rng([seed, k]).standard_normal(LATENT_SIZE) for k in people]
    return np.asarray(samples, np.float32).reshape(count, LATENT_SIZE)


def person_from_latent(z: Float[ndarray, "Z"], *, shaped: bool = True) -> Person:
    """Decode the person of a latent z. shaped: False leaves out the face's shape, which is most of
    the work.

    Raises ValueError on a wrong length or on numbers that are not finite.
    """
    z = np.asarray(z, np.float64)
    if z.shape != (LATENT_SIZE,) or not np.isfinite(z).all():
        raise ValueError(f"a person's latent is {LATENT_SIZE} finite numbers in a row")
    slots = _Slots(z)
    woman = slots.choice("sex") == 1
    ancestry = ANCESTRIES[slots.choice("ancestry")]
    age = _age(slots.uniform("years"))
    values: dict[str, Any] = {"sex": _unit(0.12 + 0.76 * woman + 0.04 * slots["sex"]), "age": age}
    values |= _build(slots, ancestry)
    if shaped:
        values["shape"] = _shape(slots, ancestry, values["sex"])
    values |= _skin(slots, ancestry, age)
    values |= _eyes(slots, ancestry, woman)
    values |= _hair(slots, ancestry, woman, age)
    values |= _beard(slots, woman, values)
    values |= _clothes(slots)
    values["detail"] = _detail(z)
    return Person(AvatarParameters(**values), _expression(slots))


class _Slots:
    """Named entries of z."""

    def __init__(self, z: ndarray) -> None:
        self.z = z

    def __getitem__(self, name: str) -> float:
        """The standard normal entry, clipped at 2.5 standard deviations."""
        return float(np.clip(self.z[SINGLE_SLOTS[name]], -2.5, 2.5))

    def uniform(self, name: str) -> float:
        return float(ndtr(self.z[SINGLE_SLOTS[name]]))

    def choice(self, name: str) -> int:
        first, last = GROUP_SLOTS[name]
        return int(self.z[first:last].argmax())


def _age(uniform: float) -> float:
    """Map a uniform number to `age`; most people are between 20 and 65 years old."""
    years = 20.0 + 50.0 * uniform**1.6
    return max(YOUNGEST, float(np.interp(years, [12.0, 25.0, 90.0], [0.0, 0.5, 1.0])))


def _build(slots: _Slots, ancestry: Ancestry) -> dict[str, float]:
    mixture = np.array(ancestry.mixture) / sum(ancestry.mixture)
    african, asian, caucasian = (float(share) for share in mixture)
    return {
        "african": african,
        "asian": asian,
        "caucasian": caucasian,
        "muscle": _unit(0.46 + 0.1 * slots["muscle"], 0.15, 0.85),
        "weight": _unit(0.48 + 0.12 * slots["weight"], 0.15, 0.9),
    }


def _shape(slots: _Slots, ancestry: Ancestry, sex: float) -> dict[str, float]:
    prior = load_prior()
    normal = np.zeros(prior.factor.shape[1])
    normal[:SHAPE_AXES] = np.clip(slots.z[:SHAPE_AXES], -2.2, 2.2)
    along = float(prior.feminine @ normal)
    wanted = SEX_OFFSET * (2.0 * sex - 1.0) + np.sqrt(1.0 - SEX_OFFSET**2) * along
    local = prior.mean + prior.factor @ (normal + (wanted - along) * prior.feminine)
    for name, shift in ancestry.shape.items():
        local[list(SHAPES).index(name)] += shift
    shape = zip(SHAPES, 0.5 + 0.5 * prior.clip(local), strict=True)
    return {name: _unit(value) for name, value in shape}


def _skin(slots: _Slots, ancestry: Ancestry, age: float) -> dict[str, float]:
    melanin = _unit(ancestry.melanin[0] + ancestry.melanin[1] * slots["melanin"], 0.02, 0.98)
    years = years_of(age)
    return {
        "skin_melanin": melanin,
        "skin_haemoglobin": _unit(0.48 + 0.13 * slots["haemoglobin"], 0.1, 0.9),
        "skin_undertone": _unit(
            ancestry.undertone[0] + ancestry.undertone[1] * slots["undertone"], 0.05, 0.95
        ),
        "skin_freckles": _unit(0.35 * (slots["freckles"] - 0.8) * (melanin < 0.45)),
        "skin_pores": _unit(0.48 + 0.12 * slots["pores"], 0.15, 0.9),
        "skin_wrinkles": _unit((years - 24.0) / 62.0, 0.02, 1.0),
        "skin_shine": _unit(0.42 - 0.002 * (years - 40.0), 0.1, 0.8),
        "lip_redness": _unit(0.42 + 0.15 * slots["lips"]),
        "cheek_blush": _unit(0.4 + 0.14 * slots["blush"], 0.05, 0.85),
        "under_eye": _unit(0.22 + 0.004 * (years - 25.0) + 0.1 * slots["under_eye"], 0.0, 0.85),
    }


def _eyes(slots: _Slots, ancestry: Ancestry, woman: bool) -> dict[str, float]:
    return {
        "iris_melanin": _unit(ancestry.iris[0] + ancestry.iris[1] * slots["iris"], 0.03, 1.0),
        "iris_green": _unit(0.35 + 0.2 * slots["green"]),
        "iris_size": _unit(0.5 + 0.12 * slots["iris_size"], 0.2, 0.8),
        "pupil_size": 0.4,
        "limbal_ring": 0.6,
        "lash_length": _unit((0.62 if woman else 0.38) + 0.12 * slots["lashes"], 0.15, 0.95),
    }


def _hair(slots: _Slots, ancestry: Ancestry, woman: bool, age: float) -> dict[str, Any]:
    coiled = ancestry.curl[0] > COILED_FROM
    drawers = HAIR_DRAWERS[woman, coiled]
    kind = f"hair_{'woman' if woman else 'man'}_{'coiled' if coiled else 'straight'}"
    curl = _unit(ancestry.curl[0] + ancestry.curl[1] * slots["curl"])
    style = drawers[slots.choice(kind)]
    grey = np.clip((years_of(age) - 42.0 + 6.0 * slots["grey"]) / 30.0, 0.0, 1.0)
    return {
        "hair_style": style,
        "hair_length": _unit(0.5 + 0.16 * slots["hair_length"], 0.1, 0.95),
        "hair_volume": _unit(0.5 + 0.13 * slots["hair_volume"], 0.15, 0.9),
        "hair_curl": max(curl, 0.45) if style in ("long_wavy", "curly") else curl,
        "hair_parting": (0.25, 0.72)[slots.choice("parting")],
        "hair_line": _unit((0.32 if woman else 0.4) + 0.08 * slots["hair_line"], 0.1, 0.97),
        "hair_melanin": _unit(
            ancestry.hair[0] + ancestry.hair[1] * slots["hair_melanin"], 0.12, 1.0
        ),
        "hair_redness": _unit(0.25 + 0.12 * slots["hair_redness"]),
        "hair_grey": _unit(grey * (0.4 if woman else 1.0)),
        "brow_style": BROWS[slots.choice("brows")],
        "brow_thickness": _unit((0.42 if woman else 0.58) + 0.12 * slots["brow_thickness"], 0.12),
        "brow_density": _unit(0.63 + 0.12 * slots["brow_density"], 0.25, 0.95),
        "brow_darkness": _unit(0.55 + 0.12 * slots["brow_darkness"], 0.2, 0.9),
    }


def _beard(slots: _Slots, woman: bool, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "beard_style": "none" if woman else BEARDS[slots.choice("beard")],
        "beard_length": _unit(0.4 + 0.16 * slots["beard_length"], 0.05, 0.95),
        "beard_density": 0.75,
        "beard_grey": _unit(1.2 * values["hair_grey"]),
        "stubble": 0.0 if woman else _unit(0.25 + 0.15 * slots["stubble"]),
    }


def _clothes(slots: _Slots) -> dict[str, Any]:
    dyes = _dyes()
    place = slots.uniform("cloth") * (len(dyes) - 1)
    low = min(int(place), len(dyes) - 2)
    dye = dyes[low] + (place - low) * (dyes[low + 1] - dyes[low])
    red, green, blue = np.clip(dye * (1.0 + 0.08 * slots["cloth_light"]), 0.0, 1.0)
    return {
        "neckline": NECKLINES[slots.choice("neckline")],
        "cloth_red": float(red), "cloth_green": float(green), "cloth_blue": float(blue),
    }  # fmt: skip


@lru_cache(maxsize=1)
def _dyes() -> Float[ndarray, "D 3"]:
    """The sampler's dyes sorted by lightness, so that a single number selects a colour."""
    dyes: Sequence[tuple[float, float, float]] = sorted(CLOTHES, key=sum)
    return np.array(dyes)


def _detail(z: Float[ndarray, "Z"]) -> dict[str, float]:
    """Learned details of the skin: combinations of the entries for shape and single parameters of
    the head. The layout of z, which generators have learned, has no entries of their own."""
    own = [slot for name, slot in SINGLE_SLOTS.items() if name not in PASSING]
    continuous = np.concatenate([z[:SHAPE_AXES], z[own]])
    return detail_from(_mixture() @ continuous)


@lru_cache(maxsize=1)
def _mixture() -> Float[ndarray, "D C"]:
    """Orthonormal rows, so that the details of z ~ N(0, 1) are independent and of variance 1."""
    entries = SHAPE_AXES + len(SINGLES) - len(PASSING)
    square = np.random.default_rng(48).standard_normal((entries, len(DETAILS)))
    return np.linalg.qr(square)[0].T


def _expression(slots: _Slots) -> dict[str, float]:
    """A smile, a slightly open mouth, raised or lowered brows; most faces are near neutral."""
    smile = _unit(0.22 + 0.22 * slots["smile"], 0.0, 0.75)
    opened = _unit(0.1 * (slots["open"] - 0.4), 0.0, 0.2)
    brows = 0.2 * slots["brow_raise"]
    weights = {
        "mouthSmileLeft": smile, "mouthSmileRight": smile,
        "cheekSquintLeft": 0.5 * smile, "cheekSquintRight": 0.5 * smile,
        "jawOpen": opened, "browInnerUp": max(brows, 0.0),
        "browDownLeft": max(-brows, 0.0), "browDownRight": max(-brows, 0.0),
    }  # fmt: skip
    return {name: weight for name, weight in weights.items() if weight > 0.0}


def _unit(value: float, low: float = 0.0, high: float = 1.0) -> float:
    return float(np.clip(value, low, high))

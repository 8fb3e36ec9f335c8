"""Sample plausible, diverse people from a seed (`sample_parameters`).

seed ─▶ sex, years, ancestry ─┬─▶ build, face (learned prior) ─▶ shape
                              ├─▶ skin, eyes, lips
                              ├─▶ hair, brows, beard
                              └─▶ glasses, hat, clothes
Frequencies are rough estimates for adults, chosen for variety rather than to match a census.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from portraiture.engine.dyes import CLOTHES, SHIRTS, SUITS, TIES, dyed
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.prior import load_prior
from portraiture.engine.shapes import SHAPES
from portraiture.engine.skin.sample import sample_detail

YOUNGEST = 0.42
"""Lower bound of the sampled `age`; below it, MakeHuman's macro targets look like teenagers."""

CUT_STREAM, DETAIL_STREAM = 1, 2
"""Second words of the seeds of cut and details, so that all else of a seed's person does not depend
on them."""

Range = tuple[float, float]
"""Mean and standard deviation."""


@dataclass(frozen=True)
class Ancestry:
    """One cluster of ancestry: its frequency and the distributions conditioned on it.

    mixture: Dirichlet concentrations of African, Asian and Caucasian face shape.
    melanin, undertone: of the skin. hair, iris: their melanin. curl: of the hair.
    red: probability of red hair. shape: offsets of local changes, in [-1, 1].
    """

    share: float
    mixture: tuple[float, float, float]
    melanin: Range
    undertone: Range
    hair: Range
    iris: Range
    curl: Range
    red: float
    shape: Mapping[str, float]


ANCESTRIES = (
    Ancestry(  # northern Europe
        0.24, (0.3, 0.3, 12), (0.12, 0.05), (0.42, 0.12), (0.55, 0.22), (0.25, 0.25),
        (0.22, 0.14), 0.09, {},
    ),
    Ancestry(  # Mediterranean, Middle East
        0.15, (1.2, 0.8, 12), (0.29, 0.08), (0.58, 0.1), (0.87, 0.08), (0.72, 0.18),
        (0.38, 0.18), 0.01, {"nose_scale_depth": 0.08},
    ),
    Ancestry(  # South Asia
        0.14, (1.5, 2.5, 9), (0.51, 0.11), (0.62, 0.1), (0.95, 0.03), (0.93, 0.05),
        (0.28, 0.14), 0.0, {},
    ),
    Ancestry(  # East Asia
        0.16, (0.2, 14, 0.5), (0.2, 0.06), (0.66, 0.1), (0.95, 0.04), (0.92, 0.05),
        (0.08, 0.07), 0.0, {"eye_epicanthus_out": -0.12},
    ),
    Ancestry(  # South-East Asia and the Pacific
        0.07, (1.8, 10, 1.0), (0.42, 0.1), (0.65, 0.1), (0.95, 0.04), (0.95, 0.04),
        (0.2, 0.15), 0.0, {"mouth_scale_vert": 0.06},
    ),
    Ancestry(  # West and Central Africa
        0.13, (14, 0.3, 0.4), (0.85, 0.08), (0.58, 0.12), (0.98, 0.02), (0.97, 0.02),
        (0.92, 0.06), 0.0, {},
    ),
    Ancestry(  # African America, East Africa, Caribbean
        0.12, (7, 0.6, 3.0), (0.68, 0.1), (0.58, 0.12), (0.96, 0.03), (0.92, 0.06),
        (0.82, 0.12), 0.0, {},
    ),
    Ancestry(  # Latin America
        0.11, (1.0, 3.5, 6), (0.36, 0.1), (0.6, 0.1), (0.92, 0.05), (0.85, 0.12),
        (0.25, 0.17), 0.0, {},
    ),
)  # fmt: skip

STYLES_MAN_STRAIGHT = {
    "short": 3.2, "side_part": 2.6, "crop": 2.2, "quiff": 1.6, "slick_back": 1.0, "buzz": 1.0,
    "curly": 0.4, "bald": 0.3, "long_straight": 0.2, "bun": 0.12, "bob": 0.1, "long_wavy": 0.1,
}  # fmt: skip
STYLES_MAN_COILED = {
    "buzz": 3.2, "crop": 2.2, "short": 2.0, "afro": 1.4, "curly": 1.4, "bald": 0.9,
}  # fmt: skip
STYLES_WOMAN_STRAIGHT = {
    "long_straight": 2.6, "long_wavy": 2.6, "bob": 2.2, "ponytail": 1.7, "bun": 1.3, "curly": 0.5,
    "short": 0.6, "side_part": 0.4, "quiff": 0.15, "crop": 0.25,
}  # fmt: skip
STYLES_WOMAN_COILED = {
    "afro": 2.4, "curly": 2.6, "bun": 2.0, "ponytail": 1.0, "buzz": 0.5, "crop": 0.5,
    "long_wavy": 0.9, "bob": 0.8,
}  # fmt: skip
BROWS_MAN = {"natural": 4.0, "straight": 2.5, "bushy": 1.6, "angled": 1.2, "rounded": 0.5}
BROWS_WOMAN = {
    "natural": 3.2, "arched": 2.2, "rounded": 1.6, "thin": 1.2, "straight": 1.2, "angled": 0.6,
}  # fmt: skip
BEARDS = {
    "none": 4.4, "stubble": 2.4, "short_beard": 1.5, "full_beard": 1.0, "goatee": 0.5,
    "circle": 0.6, "moustache": 0.45, "sideburns": 0.25,
}  # fmt: skip
NEWER_CUTS: dict[str, dict[str, dict[str, float]]] = {
    "man": {
        "short": {"short": 2.2, "side_swept": 1.3, "receding": 0.4},
        "side_part": {"side_part": 1.4, "side_swept": 1.6},
        "quiff": {"quiff": 1.2, "side_swept": 0.6},
        "curly": {"curly": 3.0, "curly_medium": 0.6, "curly_long": 0.2},
        "bob": {"bob": 0.6, "wavy_medium": 1.0},
        "long_wavy": {"long_wavy": 1.0, "wavy_medium": 1.0}, "afro": {"afro": 1.2, "cornrows": 1.0},
    },
    "balding": {
        "bald": {"bald": 1.0, "horseshoe": 1.4},
        "buzz": {"buzz": 1.5, "receding": 1.0},
        "short": {"receding": 1.0},
        "crop": {"crop": 0.5, "receding": 1.0},
    },
    "woman": {
        "short": {"short": 0.5, "pixie": 1.6, "side_swept": 1.0},
        "crop": {"crop": 0.6, "pixie": 1.2}, "afro": {"afro": 1.6, "braids": 1.4, "cornrows": 0.5},
        "side_part": {"side_part": 0.5, "side_swept": 1.2},
        "bob": {"bob": 1.0, "layered_bob": 2.0, "wavy_medium": 0.6},
        "long_straight": {"long_straight": 2.2, "layered_bob": 0.6},
        "long_wavy": {"long_wavy": 2.0, "wavy_medium": 1.0, "curly_long": 0.3},
        "curly": {"curly": 1.0, "curly_medium": 1.4, "curly_long": 1.2},
    },
}  # fmt: skip
"""Cuts of which one is sampled for each cut of the tables above, by sex and balding."""

FRINGED = (
    *("bob", "layered_bob", "long_straight", "long_wavy", "wavy_medium", "pixie"),
    *("curly_medium", "curly_long"),
)
"""Styles that `hair_fringe` changes."""

UNDER_HAT = (
    "bald", "buzz", "short", "crop", "side_part", "bob", "long_straight", "long_wavy",
    "receding", "horseshoe", "side_swept", "wavy_medium", "layered_bob", "pixie",
)  # fmt: skip


@dataclass(frozen=True)
class _Person:
    """Attributes that condition all others. woman: whether sex > 0.5. years: age in years."""

    sex: float
    age: float
    years: float
    woman: bool
    ancestry: Ancestry


def sample_parameters(
    seed: int, *, sex: float | None = None, age: float | None = None
) -> AvatarParameters:
    """Sample a plausible adult. The same seed gives the same person.

    sex, age: if given, values in [0, 1] on which all other parameters are conditioned.
    Raises AvatarError when they are out of range.
    """
    rng = np.random.default_rng(seed)
    person = _sample_person(rng, sex, age)
    values: dict[str, Any] = {"sex": person.sex, "age": person.age}
    values |= _sample_face(rng, person)
    values |= _sample_skin(rng, person)
    values |= _sample_eyes(rng, person)
    values |= _sample_hair(rng, person)
    values |= _sample_cut(np.random.default_rng((seed, CUT_STREAM)), person, values)
    values |= _sample_brows(rng, person)
    values |= _sample_beard(rng, person, values)
    values |= _sample_wear(rng, person, values)
    values["detail"] = sample_detail(np.random.default_rng((seed, DETAIL_STREAM)))
    return AvatarParameters(**values)


def years_of(age: float) -> float:
    """Convert the `age` parameter to years: 12 at 0, 25 at 0.5, 90 at 1."""
    return float(np.interp(age, [0.0, 0.5, 1.0], [12.0, 25.0, 90.0]))


def _sample_person(rng: Generator, sex: float | None, age: float | None) -> _Person:
    woman = rng.random() < 0.5
    drawn_sex = rng.uniform(0.8, 0.96) if woman else rng.uniform(0.04, 0.2)
    years = 20.0 + 60.0 * rng.beta(1.15, 2.0)
    drawn_age = max(YOUNGEST, float(np.interp(years, [12.0, 25.0, 90.0], [0.0, 0.5, 1.0])))
    shares = np.array([ancestry.share for ancestry in ANCESTRIES])
    ancestry = ANCESTRIES[int(rng.choice(len(ANCESTRIES), p=shares / shares.sum()))]
    sex = _unit(drawn_sex) if sex is None else sex
    age = _unit(drawn_age) if age is None else age
    return _Person(sex, age, years_of(age), sex > 0.5, ancestry)


def _sample_face(rng: Generator, person: _Person) -> dict[str, Any]:
    """Sample build, ancestry and face shape."""
    african, asian, caucasian = rng.dirichlet(person.ancestry.mixture)
    muscle = rng.normal(0.5 - 0.12 * person.woman, 0.12) - 0.004 * max(person.years - 45.0, 0.0)
    weight = rng.normal(0.47, 0.13) + 0.06 * rng.random() * (person.years > 35)
    prior = load_prior()
    local = prior.sample(rng, sex=person.sex)
    for name, shift in person.ancestry.shape.items():
        local[list(SHAPES).index(name)] += shift
    shape = zip(SHAPES, 0.5 + 0.5 * prior.clip(local), strict=True)
    return {
        "african": _unit(african),
        "asian": _unit(asian),
        "caucasian": _unit(caucasian),
        "muscle": _unit(muscle, 0.15, 0.85),
        "weight": _unit(weight, 0.15, 0.9),
        "shape": {name: _unit(value) for name, value in shape},
    }


def _sample_skin(rng: Generator, person: _Person) -> dict[str, float]:
    ancestry, years = person.ancestry, person.years
    melanin = _unit(rng.normal(*ancestry.melanin), 0.02, 0.98)
    fair = max(0.0, 1.0 - melanin / 0.35)
    freckled = rng.random() < 0.08 + 0.3 * fair
    freckles = rng.uniform(0.2, 0.9) * (0.4 + 0.6 * fair) if freckled else 0.08 * rng.random()
    makeup = person.woman and rng.random() < 0.45
    return {
        "skin_melanin": melanin,
        "skin_haemoglobin": _unit(rng.normal(0.48, 0.13), 0.1, 0.9),
        "skin_undertone": _unit(rng.normal(*ancestry.undertone), 0.05, 0.95),
        "skin_freckles": _unit(freckles * (melanin < 0.6)),
        "skin_pores": _unit(rng.normal(0.52 - 0.12 * person.woman, 0.12), 0.15, 0.9),
        "skin_wrinkles": _unit((years - 24.0) / 62.0 + rng.normal(0.0, 0.07), 0.02, 1.0),
        "skin_shine": _unit(rng.normal(0.42 - 0.002 * (years - 40.0), 0.12), 0.1, 0.8),
        "lip_redness": _unit(rng.normal(0.36, 0.1) + makeup * rng.uniform(0.1, 0.45)),
        "cheek_blush": _unit(rng.normal(0.38 + 0.08 * makeup, 0.14), 0.05, 0.85),
        "under_eye": _unit(rng.normal(0.22 + 0.004 * (years - 25.0), 0.12), 0.0, 0.85),
    }


def _sample_eyes(rng: Generator, person: _Person) -> dict[str, float]:
    years = person.years
    return {
        "iris_melanin": _unit(rng.normal(*person.ancestry.iris), 0.03, 1.0),
        "iris_green": _unit(rng.beta(1.2, 2.2)),
        "iris_size": _unit(rng.normal(0.5, 0.12), 0.2, 0.8),
        "pupil_size": _unit(rng.normal(0.42 - 0.002 * (years - 40.0), 0.1), 0.15, 0.75),
        "limbal_ring": _unit(rng.normal(0.6 - 0.005 * (years - 25.0), 0.15), 0.05, 1.0),
        "lash_length": _unit(rng.normal(0.62 if person.woman else 0.38, 0.13), 0.15, 0.95),
    }


def _sample_hair(rng: Generator, person: _Person) -> dict[str, Any]:
    ancestry, years, woman = person.ancestry, person.years, person.woman
    melanin = rng.normal(*ancestry.hair)
    ginger = rng.random() < ancestry.red
    dyed = woman and rng.random() < 0.35
    grey = np.clip((years - rng.normal(45.0, 8.0)) / rng.uniform(18.0, 35.0), 0.0, 1.0)
    curl = _unit(rng.normal(*ancestry.curl))
    coiled = curl > 0.65
    tables = {
        (False, False): STYLES_MAN_STRAIGHT,
        (False, True): STYLES_MAN_COILED,
        (True, False): STYLES_WOMAN_STRAIGHT,
        (True, True): STYLES_WOMAN_COILED,
    }
    weights = dict(tables[woman, coiled])
    if woman and years > 55:
        weights |= {"long_straight": 0.7, "long_wavy": 0.8, "short": 2.0, "crop": 1.0, "bob": 2.6}
    balding = not woman and rng.random() < np.interp(years, [28, 75], [0.08, 0.6])
    hair_line = rng.normal(0.32 if woman else 0.4, 0.08)
    if balding:
        hair_line = rng.uniform(0.6, 0.95)
        weights = {"bald": 0.5 + years / 60, "buzz": 2.0, "short": 1.6, "crop": 0.8}
    style = _choice(rng, weights)
    if style in ("long_wavy", "curly"):
        curl = max(curl, _unit(rng.normal(0.5, 0.1)))
    return {
        "hair_style": style,
        "hair_length": _unit(rng.normal(0.5, 0.17), 0.1, 0.95),
        "hair_volume": _unit(rng.normal(0.5, 0.14), 0.15, 0.9),
        "hair_curl": curl,
        "hair_parting": _unit(
            rng.choice([0.25, 0.5, 0.75], p=[0.5, 0.2, 0.3]) + rng.normal(0, 0.04)
        ),
        "hair_line": _unit(hair_line, 0.1, 0.97),
        "hair_melanin": _unit(rng.uniform(0.45, 0.65) if ginger else melanin, 0.12, 1.0),
        "hair_redness": _unit(rng.uniform(0.65, 0.95) if ginger else rng.normal(0.25, 0.1)),
        "hair_grey": _unit(grey * (0.25 if dyed else 1.0)),
    }


def _sample_cut(rng: Generator, person: _Person, values: Mapping[str, Any]) -> dict[str, Any]:
    """Sample the cut and fringe, from a generator of their own: they were added later, and every
    seed keeps its other values."""
    kind = "woman" if person.woman else "balding" if values["hair_line"] >= 0.6 else "man"
    style = values["hair_style"]
    cut = _choice(rng, NEWER_CUTS[kind].get(style, {style: 1.0}))
    fringed = rng.random() < (0.36 if person.woman else 0.06)
    fringe = float(rng.uniform(0.25, 1.0)) if fringed and cut in FRINGED else 0.0
    wave = _unit(rng.normal(0.5, 0.12), 0.3)
    waved = cut in ("wavy_medium", "curly_medium", "curly_long")
    return {
        "hair_style": cut,
        "hair_fringe": fringe,
        "hair_curl": max(values["hair_curl"], wave) if waved else values["hair_curl"],
        "hair_roots": float(rng.uniform(0.0, 0.9)) if person.woman else 0.1,
    }


def _sample_brows(rng: Generator, person: _Person) -> dict[str, Any]:
    woman = person.woman
    style = _choice(rng, BROWS_WOMAN if woman else BROWS_MAN)
    return {
        "brow_style": style,
        "brow_thickness": _unit(rng.normal(0.42 if woman else 0.58, 0.12), 0.12, 0.92),
        "brow_density": _unit(rng.normal(0.6 if woman else 0.66, 0.12), 0.25, 0.95),
        "brow_darkness": _unit(rng.normal(0.55, 0.12), 0.2, 0.9),
    }


def _sample_beard(rng: Generator, person: _Person, values: Mapping[str, Any]) -> dict[str, Any]:
    """Sample beard and stubble: sparser on Asian faces, usually greyer than the hair."""
    style = _choice(rng, BEARDS)
    growth = _unit(rng.normal(0.62, 0.15) - 0.3 * values["asian"], 0.05, 1.0)
    shaven = rng.beta(1.6, 3.0)
    grey = values["hair_grey"] * rng.uniform(0.9, 1.5)
    if person.woman:
        style, shaven = "none", 0.0
    elif values["asian"] > 0.6 and rng.random() < 0.6:
        style = "none"
    return {
        "beard_style": style,
        "beard_length": _unit(rng.beta(2.0, 3.2), 0.05, 0.95),
        "beard_density": _unit(0.3 + 0.65 * growth),
        "beard_grey": _unit(grey),
        "stubble": _unit(shaven * growth * (0.5 + 0.5 * values["hair_melanin"])),
    }


def _sample_wear(rng: Generator, person: _Person, values: Mapping[str, Any]) -> dict[str, Any]:
    glasses = {"rectangle": 3.0, "round": 2.0, "rimless": 1.0, "aviator": 0.8}
    glasses["cat_eye"] = 1.4 if person.woman else 0.0
    style = _choice(rng, glasses)
    sunglasses = rng.random() < 0.012
    worn = rng.random() < np.interp(person.years, [22, 70], [0.12, 0.3]) or sunglasses
    hat = _choice(rng, {"beanie": 1.0, "cap": 1.0})
    hatted = rng.random() < 0.055 and values["hair_style"] in UNDER_HAT
    cloth, hat_rgb = dyed(rng, CLOTHES), dyed(rng, CLOTHES)
    return {
        "glasses_style": style if worn else "none",
        "glasses_size": _unit(rng.normal(0.5, 0.14), 0.15, 0.9),
        "glasses_tone": _unit(rng.choice([0.06, 0.5, 0.95], p=[0.55, 0.25, 0.2])),
        "glasses_tint": _unit(rng.uniform(0.75, 0.95) if sunglasses else 0.0),
        "hat_style": hat if hatted else "none",
        **_sample_clothes(rng, person, cloth),
        "hat_red": hat_rgb[0], "hat_green": hat_rgb[1], "hat_blue": hat_rgb[2],
    }  # fmt: skip


def _sample_clothes(rng: Generator, person: _Person, cloth: list[float]) -> dict[str, Any]:
    """Sample a garment and its colours; suits are for older people, and mostly dark.

    cloth: colour of all that is no suit.
    """
    formal = float(np.interp(person.years, [20.0, 60.0], [0.5, 2.0]))
    necklines = {"crew": 3.0, "v_neck": 1.6, "shirt": 2.4, "knit": 0.9, "hoodie": 0.5 / formal}
    if person.woman:
        necklines |= {"suit_tie": 0.0, "suit_open": 0.3 * formal, "blouse_jacket": 1.3 * formal}
        necklines["dress"] = 1.2
    else:
        necklines |= {"suit_tie": 1.3 * formal, "suit_open": 0.7 * formal, "blouse_jacket": 0.0}
    kind = _choice(rng, necklines)
    shirt, tie, suit = (dyed(rng, dyes) for dyes in (SHIRTS, TIES, SUITS))
    if kind == "blouse_jacket" and rng.random() < 0.5:
        shirt = dyed(rng, CLOTHES)
    coloured = kind == "blouse_jacket" and rng.random() < 0.4
    if kind in ("suit_tie", "suit_open", "blouse_jacket") and not coloured:
        cloth = suit
    colours = {"cloth": cloth, "shirt": shirt, "tie": tie}
    channels = ("red", "green", "blue")
    return {"neckline": kind} | {
        f"{name}_{channel}": value
        for name, colour in colours.items()
        for channel, value in zip(channels, colour, strict=True)
    }


def _choice(rng: Generator, weights: Mapping[str, float]) -> str:
    """Sample a key by weight. Reordering a table changes the person of every seed."""
    shares = np.array(list(weights.values()))
    return list(weights)[int(rng.choice(len(shares), p=shares / shares.sum()))]


def _unit(value: float, low: float = 0.0, high: float = 1.0) -> float:
    return float(np.clip(value, low, high))

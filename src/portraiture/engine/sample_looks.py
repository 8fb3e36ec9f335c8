"""Sample hair, beard, glasses and clothes of a person: classes by the learned tables, then styles.

sex, band of age, tone ─`population`─▶ `Look` ─▶ styles and colours of the engine
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from portraiture.engine.ancestry import ANCESTRIES, Ancestry, colour_chances, form_chances
from portraiture.engine.ancestry import tone_chances as chances_of_tones
from portraiture.engine.classes import AT_EARS, CLASSES, CURLS, HAIR_COLOURS, HAIR_STYLES, RECEDING
from portraiture.engine.dyes import CLOTHES, SHIRTS, SUITS, TIES, dyed
from portraiture.engine.population import TONES, Tone, band_of, load_population
from portraiture.errors import AvatarError

MAN_STYLES: dict[str, dict[str, float]] = {
    "bald": {"bald": 1.0, "horseshoe": 1.2},
    "receding": {"receding": 1.4, "short": 0.5, "crop": 0.6, "side_part": 0.3},
    "buzz": {"buzz": 1.0},
    "short": {
        "short": 2.6, "side_part": 2.2, "crop": 1.6, "side_swept": 1.6, "quiff": 1.0,
        "slick_back": 0.7, "curly": 1.0, "afro": 1.0, "cornrows": 0.15,
    },
    "medium": {
        "wavy_medium": 1.0, "side_swept": 0.7, "bob": 0.3, "bun": 0.2, "curly_medium": 0.7,
        "curly": 0.7, "afro": 1.0,
    },
    "long": {"long_straight": 1.0, "long_wavy": 1.0, "curly_long": 1.0},
}  # fmt: skip
WOMAN_STYLES: dict[str, dict[str, float]] = {
    "bald": {"bald": 1.0},
    "receding": {"receding": 1.0},
    "buzz": {"buzz": 1.0},
    "short": {
        "layered_bob": 2.4, "pixie": 1.0, "side_swept": 0.6, "bun": 0.6, "ponytail": 0.5,
        "curly": 1.0, "afro": 1.0, "cornrows": 0.15,
    },
    "medium": {
        "layered_bob": 2.6, "bob": 0.7, "wavy_medium": 1.8, "ponytail": 0.4, "bun": 0.3,
        "curly_medium": 1.0, "curly": 0.6, "afro": 1.0, "braids": 0.5,
    },
    "long": {"long_straight": 1.0, "long_wavy": 1.0, "curly_long": 1.0, "braids": 0.3},
}  # fmt: skip
"""Styles of each length with their weights; those of another form are left out."""

NEAREST_FORM = {"afro": ("curly", "wavy"), "curly": ("wavy", "straight"), "wavy": ("straight",)}
"""Forms taken instead, in order, where no style of a length has the form."""

SHORT_BOB = (0.12, 0.07)
"""Mean and standard deviation of `hair_length` of a layered bob that is cut at the ears, as women
with short hair in portraits mostly wear it."""

FRINGED = (
    *("bob", "layered_bob", "long_straight", "long_wavy", "wavy_medium", "pixie"),
    *("curly_medium", "curly_long"),
)
"""Styles that `hair_fringe` changes."""

UNDER_HAT = (
    "bald", "buzz", "short", "crop", "side_part", "bob", "long_straight", "long_wavy",
    "receding", "horseshoe", "side_swept", "wavy_medium", "layered_bob", "pixie",
)  # fmt: skip
HATTED, SUNNY = 0.03, 0.012
"""Frequencies of hats and of sunglasses."""

BEARD_STYLES: dict[str, dict[str, float]] = {
    "none": {"none": 1.0},
    "stubble": {"none": 1.0, "stubble": 1.0},
    "moustache": {"moustache": 1.0},
    "goatee": {"goatee": 0.5, "circle": 0.6},
    "full": {"short_beard": 1.5, "full_beard": 1.0},
}
SHAVEN = 0.17
"""Most of the engine's stubble that passes for none."""
GLASSES_STYLES: dict[str, dict[str, float]] = {
    "none": {"none": 1.0},
    "rimless": {"rimless": 1.0},
    "thin": {"oval": 1.6, "rectangle": 1.0, "round": 0.6, "aviator": 0.4},
    "thick": {"rectangle": 1.6, "oval": 0.6, "round": 0.5, "cat_eye": 1.0},
}
RIMS = {"none": (0.35, 1.0), "rimless": (0.0, 0.28), "thin": (0.0, 0.28), "thick": (0.35, 1.0)}
"""Range of `glasses_rim` of each class."""


@dataclass(frozen=True)
class Look:
    """A person's classes by look (`population.CLASSES`), ancestry and tone."""

    classes: Mapping[str, str]
    ancestry: Ancestry
    tone: Tone

    def __getitem__(self, look: str) -> str:
        return self.classes[look]


def sample_look(
    rng: Generator, *, woman: bool, years: float, asked: Mapping[str, str] | None = None
) -> Look:
    """Sample the classes of a person. Tones are equally likely; the ancestry is one that has them,
    given hair and tone. asked: classes of looks that are not sampled. Raises AvatarError."""
    asked, people = asked or {}, load_population()
    for look, name in asked.items():
        if name not in CLASSES.get(look, ()):  # type: ignore[call-overload]
            raise AvatarError(f"There is no look {look}={name}; looks are {', '.join(CLASSES)}.")
    given: dict[str, str] = {
        "tone": TONES[int(rng.integers(len(TONES)))],
        "sex": "woman" if woman else "man",
        "band": band_of(years),
    }
    classes: dict[str, str] = {}
    for look, names in CLASSES.items():
        sampled = _class(rng, names, people.chances(look, **given))
        classes[look] = asked.get(look, sampled)
        given[look] = classes[look]
    tone: Tone = TONES[TONES.index(given["tone"])]  # type: ignore[call-overload]
    return Look(classes, _ancestry(rng, tone, classes, woman=woman), tone)


def _ancestry(rng: Generator, tone: Tone, classes: Mapping[str, str], *, woman: bool) -> Ancestry:
    """By Bayes' rule; grey and white hair say nothing of it."""
    chance = chances_of_tones()[TONES.index(tone)].copy()
    form = CLASSES["form"].index(classes["form"])
    chance *= [form_chances(ancestry, woman=woman)[form] for ancestry in ANCESTRIES]
    colour = CLASSES["colour"].index(classes["colour"])
    if colour < len(colour_chances(ANCESTRIES[0])):
        chance *= [colour_chances(ancestry)[colour] for ancestry in ANCESTRIES]
    return ANCESTRIES[int(rng.choice(len(ANCESTRIES), p=chance / chance.sum()))]


def sample_hair(rng: Generator, look: Look, *, woman: bool, years: float) -> dict[str, Any]:
    """Style, length, form and colour of the hair."""
    length, form = look["hair"], look["form"]
    style = choice(rng, _styles(woman, length, form))
    line = rng.uniform(0.6 + 0.004 * (years - 18.0), 0.97) if length == "bald" else None
    if length == "receding":
        line = rng.uniform(RECEDING + 0.01, 0.97)
    usual = np.clip(rng.normal(0.22 if woman else 0.3, 0.1), 0.02, 0.6)
    fringed = look["fringe"] == "yes" and style in FRINGED
    parted = [0.6, 0.0, 0.4] if style == "bob" else [0.5, 0.2, 0.3]
    usual_length = (0.7 if woman and length == "short" else 0.5, 0.17)
    shortest, longest = (AT_EARS if style == "layered_bob" else 0.0), 0.95
    if style == "layered_bob" and length == "short":
        usual_length, shortest, longest = SHORT_BOB, 0.0, AT_EARS - 0.01
    return {
        "hair_style": style,
        "hair_length": unit(rng.normal(*usual_length), shortest, longest),
        "hair_volume": unit(rng.normal(0.78 if woman else 0.66, 0.14), 0.2, 1.0),
        "hair_curl": unit(rng.normal(CURLS[form], 0.07)),
        "hair_parting": unit(rng.choice([0.25, 0.5, 0.75], p=parted) + rng.normal(0, 0.04)),
        "hair_line": unit(usual if line is None else line),
        "hair_fringe": float(rng.triangular(0.15, 0.35, 0.95)) if fringed else 0.0,
        "hair_roots": float(rng.uniform(0.0, 0.9)) if woman else 0.0,
        **_pigments(rng, look, years),
    }


def _styles(woman: bool, length: str, form: str) -> dict[str, float]:
    """Styles of a length that have the form, or the nearest form that some style has."""
    weights = (WOMAN_STYLES if woman else MAN_STYLES)[length]
    if length in ("bald", "receding"):
        return weights
    for one in (form, *NEAREST_FORM.get(form, ())):
        fitting = {s: w for s, w in weights.items() if one in HAIR_STYLES[s].forms}  # type: ignore[index]
        if fitting:
            return fitting
    return weights


def _pigments(rng: Generator, look: Look, years: float) -> dict[str, float]:
    """Melanin, redness and grey of a named colour; some grey comes with age before it shows."""
    colour = look["colour"]
    melanin, redness, grey = HAIR_COLOURS[colour]
    melanin, redness = rng.normal(melanin, 0.035), rng.normal(redness, 0.06)
    if colour == "grey":
        grey = rng.uniform(0.35, 0.8)
    elif colour == "white":
        grey = rng.uniform(0.85, 1.0)
    else:
        grey = 0.3 * rng.beta(1.5, 3.0) * float(np.clip((years - 35.0) / 30.0, 0.0, 1.0))
    if grey > 0.3:
        melanin = np.clip(rng.normal(*look.ancestry.hair), 0.5, 0.95)
    return {
        "hair_melanin": unit(melanin, 0.12),
        "hair_redness": unit(redness),
        "hair_grey": unit(grey),
    }


def sample_beard(rng: Generator, look: Look, values: Mapping[str, Any]) -> dict[str, Any]:
    """Beard and stubble: sparser on Asian faces, usually greyer than the hair."""
    growth = unit(rng.normal(0.62, 0.15) - 0.3 * values["asian"], 0.05, 1.0)
    style = choice(rng, BEARD_STYLES[look["beard"]])
    shaven = rng.beta(1.4, 2.0) * SHAVEN if values["sex"] <= 0.5 else 0.0
    stubble = shaven * growth * (0.5 + 0.5 * values["hair_melanin"])
    if look["beard"] == "stubble":
        stubble = rng.uniform(0.22, 0.6)
    return {
        "beard_style": style,
        "beard_length": unit(rng.beta(2.0, 3.2), 0.05, 0.95),
        "beard_density": unit(0.3 + 0.65 * growth),
        "beard_grey": unit(values["hair_grey"] * rng.uniform(0.9, 1.5)),
        "stubble": unit(stubble),
    }


def sample_wear(
    rng: Generator, look: Look, values: Mapping[str, Any], *, woman: bool
) -> dict[str, Any]:
    """Glasses, hat and clothes."""
    styles = dict(GLASSES_STYLES[look["glasses"]])
    if not woman:
        styles.pop("cat_eye", None)
    style = choice(rng, styles)
    sunny = rng.random() < SUNNY and style not in ("none", "rimless")
    hat = choice(rng, {"beanie": 1.0, "cap": 1.0})
    formal = look["clothes"] in ("suit_tie", "suit_open", "blouse_jacket")
    hatted = rng.random() < HATTED and values["hair_style"] in UNDER_HAT and not formal
    hat_rgb = dyed(rng, CLOTHES)
    return {
        "glasses_style": style,
        "glasses_size": unit(rng.normal(0.5, 0.14), 0.15, 0.9),
        "glasses_rim": unit(rng.uniform(*RIMS[look["glasses"]])),
        "glasses_tone": unit(rng.choice([0.06, 0.5, 0.95], p=[0.55, 0.25, 0.2])),
        "glasses_tint": unit(rng.uniform(0.75, 0.95) if sunny else 0.0),
        "hat_style": hat if hatted else "none",
        "hat_red": hat_rgb[0], "hat_green": hat_rgb[1], "hat_blue": hat_rgb[2],
        **_clothes(rng, look["clothes"], woman=woman),
    }  # fmt: skip


def _clothes(rng: Generator, kind: str, *, woman: bool) -> dict[str, Any]:
    """A garment and its colours; suits are mostly dark."""
    other = {"crew": 3.0, "v_neck": 1.6, "hoodie": 0.6} | ({"dress": 1.2} if woman else {})
    neckline = choice(rng, other) if kind == "other" else kind
    cloth, shirt, tie, suit = (dyed(rng, dyes) for dyes in (CLOTHES, SHIRTS, TIES, SUITS))
    if kind == "blouse_jacket" and rng.random() < 0.5:
        shirt = dyed(rng, CLOTHES)
    coloured = kind == "blouse_jacket" and rng.random() < 0.4
    if kind in ("suit_tie", "suit_open", "blouse_jacket") and not coloured:
        cloth = suit
    colours = {"cloth": cloth, "shirt": shirt, "tie": tie}
    channels = ("red", "green", "blue")
    return {"neckline": neckline} | {
        f"{name}_{channel}": value
        for name, colour in colours.items()
        for channel, value in zip(channels, colour, strict=True)
    }


def choice(rng: Generator, weights: Mapping[str, float]) -> str:
    """Sample a key by weight. Reordering a table changes the person of every seed."""
    return _class(rng, tuple(weights), np.array(list(weights.values())))


def _class(rng: Generator, names: tuple[str, ...], weights: np.ndarray) -> str:
    return names[int(rng.choice(len(names), p=weights / weights.sum()))]


def unit(value: float, low: float = 0.0, high: float = 1.0) -> float:
    """A value clipped to [low, high]."""
    return float(np.clip(value, low, high))

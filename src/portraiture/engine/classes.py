"""Classes that people see in hair, beards and glasses, and what they are in the engine.

The one table of styles and of names of colours: portraits are annotated with these classes, the
portrait parser tells them (`perception.looks`), `fit` chooses styles by them, and people are
sampled by them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from portraiture.engine.parameters import BeardStyle, GlassesStyle, HairStyle

Classed = Literal["hair", "form", "fringe", "colour", "beard", "glasses", "clothes"]
CLASSES: dict[Classed, tuple[str, ...]] = {
    "hair": ("bald", "receding", "buzz", "short", "medium", "long"),
    "form": ("straight", "wavy", "curly", "afro"),
    "fringe": ("no", "yes"),
    "colour": (
        "black", "dark_brown", "brown", "light_brown", "blond", "red", "grey", "white",
    ),
    "beard": ("none", "stubble", "moustache", "goatee", "full"),
    "glasses": ("none", "rimless", "thin", "thick"),
    "clothes": ("suit_tie", "suit_open", "shirt", "blouse_jacket", "knit", "other"),
}  # fmt: skip
"""Classes of each look, as portraits are annotated with them (`perception.looks`)."""


class StyleClass(NamedTuple):
    """Classes that a hair style may have.

    lengths: of length, with a usual hairline. forms: of form. relative: length relative to shoulder
    length; `hair_length` varies it by ±10 %.
    """

    lengths: tuple[str, ...]
    forms: tuple[str, ...]
    relative: float


_ANY = ("straight", "wavy", "curly", "afro")
_USUAL = ("straight", "wavy")
HAIR_STYLES: dict[HairStyle, StyleClass] = {
    "bald": StyleClass(("bald",), _USUAL, 0.0),
    "buzz": StyleClass(("buzz",), _ANY, 0.05),
    "short": StyleClass(("short",), _USUAL, 0.2),
    "crop": StyleClass(("short",), _USUAL, 0.12),
    "side_part": StyleClass(("short",), _USUAL, 0.25),
    "quiff": StyleClass(("short",), _USUAL, 0.25),
    "slick_back": StyleClass(("short",), _USUAL, 0.25),
    "curly": StyleClass(("short", "medium"), ("curly",), 0.45),
    "afro": StyleClass(("short", "medium"), ("afro",), 0.4),
    "bob": StyleClass(("medium",), _USUAL, 0.6),
    "long_straight": StyleClass(("long",), ("straight",), 1.0),
    "long_wavy": StyleClass(("long",), ("wavy",), 1.0),
    "ponytail": StyleClass(("short", "medium"), _USUAL, 0.5),
    "bun": StyleClass(("short", "medium"), _USUAL, 0.4),
    "receding": StyleClass(("receding",), _ANY, 0.12),
    "horseshoe": StyleClass(("bald", "receding"), _ANY, 0.05),
    "side_swept": StyleClass(("short", "medium"), _USUAL, 0.25),
    "wavy_medium": StyleClass(("medium",), ("wavy",), 0.55),
    "layered_bob": StyleClass(("medium",), _USUAL, 0.6),
    "pixie": StyleClass(("short",), _USUAL, 0.2),
    "curly_medium": StyleClass(("medium",), ("curly",), 0.5),
    "curly_long": StyleClass(("long",), ("curly", "afro"), 1.0),
    "braids": StyleClass(("long", "medium"), ("afro", "curly"), 1.0),
    "cornrows": StyleClass(("short", "buzz"), ("afro",), 0.1),
}

CURLS = {"straight": 0.1, "wavy": 0.4, "curly": 0.75, "afro": 0.95}
"""`hair_curl` of each form."""

RECEDING = 0.8
"""Hairline from which hair recedes."""
AT_EARS = 0.28
"""`hair_length` below which a layered bob ends at the ears and is called short."""

HAIR_COLOURS: dict[str, tuple[float, float, float]] = {
    "black": (0.95, 0.1, 0.0), "dark_brown": (0.8, 0.2, 0.0), "brown": (0.66, 0.25, 0.0),
    "light_brown": (0.5, 0.25, 0.0), "blond": (0.28, 0.2, 0.0), "red": (0.5, 0.75, 0.0),
    "grey": (0.75, 0.15, 0.6), "white": (0.75, 0.1, 1.0),
}  # fmt: skip
"""Typical melanin, redness and grey of each named colour."""
HAIR_SPREAD = (0.09, 0.2, 0.22)
"""Standard deviations of melanin, redness and grey within a named colour."""

BEARDS: dict[BeardStyle, str | None] = {
    "none": "none", "stubble": "stubble", "moustache": "moustache", "goatee": "goatee",
    "circle": "goatee", "short_beard": "full", "full_beard": "full", "sideburns": None,
}  # fmt: skip
WIRE = 0.3
"""`AvatarParameters.glasses_rim` below which every frame is of metal."""


def hair_colour_name(melanin: float, redness: float, grey: float) -> str:
    """The name of the colour whose typical pigments are nearest. Under much grey the pigments of
    the other hairs hardly show."""
    shows = 1.0 - 0.9 * grey

    def distance(name: str) -> float:
        typical = HAIR_COLOURS[name]
        gaps = [
            (a - b) / s
            for a, b, s in zip((melanin, redness, grey), typical, HAIR_SPREAD, strict=True)
        ]
        return shows * (gaps[0] ** 2 + gaps[1] ** 2) + gaps[2] ** 2

    return min(HAIR_COLOURS, key=distance)


def only(classes: tuple[str, ...]) -> str | None:
    """The one class that a style may have; None where there are several."""
    return classes[0] if len(classes) == 1 else None


def lengths_of(style: HairStyle, line: float, length: float = 0.5) -> tuple[str, ...]:
    """Classes of length that a style may have: short hair with a high hairline recedes. line,
    length: `hair_line`, `hair_length`."""
    if style == "layered_bob" and length < AT_EARS:
        return ("short",)
    lengths = HAIR_STYLES[style].lengths
    return ("receding",) if "short" in lengths and line >= RECEDING else lengths


def glasses_class(style: GlassesStyle, rim: float) -> str:
    """The class of glasses. rim: `AvatarParameters.glasses_rim`."""
    if style in ("none", "rimless"):
        return style
    return "thin" if style == "aviator" or rim < WIRE else "thick"

"""Hair, beards, glasses, hats and clothes."""

from __future__ import annotations

from portraiture.engine.concepts.concept import Concept, Rgb


def _hair(
    name: str, phrase: str, others: tuple[str, ...], melanin: float, red: float, grey: float
) -> Concept:
    return Concept(
        name,
        "attribute",
        phrase,
        others,
        undyed=True,
        set={
            "hair_melanin": melanin,
            "hair_redness": red,
            "hair_grey": grey,
            "hair_roots": 0.0,
            "beard_grey": 0.8 * grey,
        },
    )


def _dye(name: str, phrase: str, others: tuple[str, ...], rgb: Rgb) -> Concept:
    return Concept(
        name, "attribute", phrase, others, hair=rgb, set={"hair_grey": 0.0, "hair_melanin": 0.35}
    )


def _cut(name: str, phrase: str, others: tuple[str, ...], style: str) -> Concept:
    return Concept(name, "attribute", phrase, others, set={"hair_style": style})


HAIR: tuple[Concept, ...] = (
    _cut("bald", "bald", ("with a shaved head", "hairless"), "bald"),
    _cut("balding", "balding", ("with a receding hairline", "losing hair"), "receding"),
    _cut("buzz_cut", "with a buzz cut", ("with cropped military hair", "a crew cut"), "buzz"),
    _cut("afro", "with an afro", ("with big frizzy hair",), "afro"),
    _cut("ponytail", "with a ponytail", (), "ponytail"),
    _cut("bun", "with hair in a bun", ("with a chignon", "hair tied up"), "bun"),
    _cut("braids", "with braids", ("with plaits", "with dreadlocks"), "braids"),
    _cut("cornrows", "with cornrows", (), "cornrows"),
    _cut("bob", "with a bob", ("with a chin-length bob haircut",), "bob"),
    _cut("pixie_cut", "with a pixie cut", ("with a short feminine haircut",), "pixie"),
    _cut("quiff", "with a quiff", ("like Elvis", "with a pompadour"), "quiff"),
    _cut("slicked_back", "with slicked-back hair", ("with gelled hair",), "slick_back"),
    Concept(
        "long_hair",
        "attribute",
        "with long hair",
        ("long-haired", "with hair down to the shoulders"),
        hair_change="longer",
    ),
    Concept(
        "short_hair",
        "attribute",
        "with short hair",
        ("short-haired", "with a short haircut"),
        hair_change="shorter",
    ),
    Concept(
        "curly_hair",
        "attribute",
        "with curly hair",
        ("with curls", "curly", "with ringlets"),
        hair_change="curlier",
        set={"hair_curl": 0.8},
    ),
    Concept(
        "straight_hair",
        "attribute",
        "with straight hair",
        ("with sleek smooth hair",),
        hair_change="straighter",
        set={"hair_curl": 0.0},
    ),
    Concept(
        "fringe",
        "attribute",
        "with a fringe",
        ("with bangs over the forehead",),
        hair_change="fringe",
        set={"hair_fringe": 0.95},
    ),
    _hair("red_hair", "with red hair", ("a redhead", "ginger", "with auburn hair"), 0.42, 1.0, 0.0),
    _hair(
        "blond_hair",
        "with blond hair",
        ("blonde", "fair-haired", "with golden hair"),
        0.10,
        0.22,
        0.0,
    ),
    _hair("black_hair", "with black hair", ("raven-haired", "with jet black hair"), 1.0, 0.0, 0.0),
    _hair("brown_hair", "with brown hair", ("a brunette", "with chestnut hair"), 0.66, 0.4, 0.0),
    _hair("grey_hair", "with grey hair", ("gray-haired", "with silver hair"), 0.6, 0.1, 0.72),
    _hair("white_hair", "with white hair", ("with snow-white hair",), 0.1, 0.0, 1.0),
    _dye("pink_hair", "with pink hair", ("with hair dyed pink",), (0.95, 0.40, 0.64)),
    _dye("blue_hair", "with blue hair", ("with hair dyed blue",), (0.12, 0.36, 0.82)),
    _dye("green_hair", "with green hair", ("with hair dyed green",), (0.18, 0.62, 0.28)),
    _dye(
        "purple_hair",
        "with purple hair",
        ("with violet hair", "with lilac hair"),
        (0.50, 0.22, 0.68),
    ),
    _dye("orange_hair", "with bright orange hair", (), (0.98, 0.46, 0.06)),
)

BEARDS: tuple[Concept, ...] = (
    Concept(
        "bearded",
        "attribute",
        "with a beard",
        ("bearded", "with a big bushy beard", "a lumberjack"),
        set={"beard_style": "full_beard", "beard_length": 0.5, "beard_density": 0.9},
    ),
    Concept(
        "short_beard",
        "attribute",
        "with a short beard",
        ("with a trimmed beard",),
        set={"beard_style": "short_beard", "beard_density": 0.9},
    ),
    Concept(
        "long_beard",
        "attribute",
        "with a long beard",
        ("like a wizard", "like Gandalf", "like Santa Claus"),
        set={"beard_style": "full_beard", "beard_length": 1.0, "beard_density": 1.0},
    ),
    Concept(
        "goatee",
        "attribute",
        "with a goatee",
        ("with a chin beard",),
        set={"beard_style": "goatee", "beard_density": 0.9},
    ),
    Concept(
        "moustache",
        "attribute",
        "with a moustache",
        ("with a mustache", "moustached"),
        set={"beard_style": "moustache", "beard_density": 1.0, "beard_length": 0.7},
    ),
    Concept(
        "stubble",
        "attribute",
        "with stubble",
        ("unshaven", "with a five o'clock shadow"),
        set={"beard_style": "stubble", "beard_density": 0.9},
    ),
    Concept(
        "shaven",
        "attribute",
        "clean-shaven",
        ("without a beard", "freshly shaved", "beardless"),
        set={"beard_style": "none", "stubble": 0.0},
    ),
)

WORN: tuple[Concept, ...] = (
    Concept(
        "glasses",
        "attribute",
        "with glasses",
        ("wearing spectacles", "bespectacled", "a nerd with eyeglasses"),
        set={
            "glasses_style": "rectangle",
            "glasses_tint": 0.0,
            "glasses_rim": 0.75,
            "glasses_tone": 0.05,
        },
    ),
    Concept(
        "round_glasses",
        "attribute",
        "with round glasses",
        ("like Harry Potter", "like John Lennon"),
        set={"glasses_style": "round", "glasses_tint": 0.0, "glasses_rim": 0.35},
    ),
    Concept(
        "sunglasses",
        "attribute",
        "with sunglasses",
        ("wearing dark shades", "shades", "cool with dark glasses"),
        set={
            "glasses_style": "aviator",
            "glasses_tint": 1.0,
            "glasses_tone": 0.02,
            "glasses_size": 0.75,
        },
    ),
    Concept(
        "no_glasses",
        "attribute",
        "without glasses",
        ("with contact lenses instead of glasses",),
        set={"glasses_style": "none"},
    ),
    Concept(
        "beanie",
        "attribute",
        "with a beanie",
        ("wearing a woollen hat", "with a knitted cap"),
        set={"hat_style": "beanie"},
    ),
    Concept(
        "cap", "attribute", "with a baseball cap", ("wearing a cap",), set={"hat_style": "cap"}
    ),
    Concept(
        "suit",
        "attribute",
        "in a suit",
        ("wearing a suit and tie", "a businessman"),
        set={"neckline": "suit_tie", "cloth_red": 0.12, "cloth_green": 0.13, "cloth_blue": 0.18},
    ),
    Concept(
        "hoodie",
        "attribute",
        "in a hoodie",
        ("wearing a hooded sweatshirt",),
        set={"neckline": "hoodie"},
    ),
)

GROOMING: tuple[Concept, ...] = (*HAIR, *BEARDS, *WORN)
"""All of them."""

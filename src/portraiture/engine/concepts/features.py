"""Builds, features and make-up."""

from __future__ import annotations

from portraiture.engine.concepts.concept import (
    Bend,
    Concept,
    Creases,
    EyeLook,
    Rgb,
    Softened,
    Spots,
    Stroke,
    Tint,
)

_SHAVEN = {"beard_style": "none", "stubble": 0.0}


def _eyes(name: str, phrase: str, rgb: Rgb, melanin: float) -> Concept:
    return Concept(
        name, "attribute", phrase, (), set={"iris_melanin": melanin}, eyes=EyeLook(iris=rgb)
    )


BUILDS: tuple[Concept, ...] = (
    Concept(
        "fat",
        "attribute",
        "fat",
        ("chubby", "overweight", "obese", "with a double chin", "plump", "round-faced"),
        set={"weight": 1.0},
        shape={
            "head_fat": 0.45,
            "cheek_volume": 0.4,
            "neck_double": 0.5,
            "neck_scale_horiz": 0.3,
            "chin_jaw_drop": 0.2,
        },
        bends=(
            Bend((48, -62, -10), 34.0, by=(5.0, 0, 1.5)),
            Bend((0, -112, 8), 26.0, by=(0, -4.0, 0.0), scale=(1.12, 1.0, 1.0)),
        ),
    ),
    Concept(
        "thin",
        "attribute",
        "thin",
        ("skinny", "gaunt", "slender", "with hollow cheeks", "emaciated"),
        set={"weight": 0.0},
        shape={
            "head_fat": -0.4,
            "cheek_volume": -0.4,
            "cheek_bones": 0.2,
            "neck_double": -0.3,
            "neck_scale_horiz": -0.25,
        },
        bends=(Bend((44, -58, 2), 22.0, by=(-4.5, 0, -2.5)),),
    ),
    Concept(
        "muscular",
        "attribute",
        "muscular",
        ("a bodybuilder", "strong with a thick neck", "with a strong jaw", "athletic"),
        set={"muscle": 1.0},
        shape={
            "chin_bones": 0.35,
            "chin_width": 0.3,
            "neck_scale_horiz": 0.4,
            "cheek_volume": -0.15,
        },
    ),
    Concept(
        "masculine",
        "attribute",
        "masculine",
        ("as a man", "male", "manly", "turned into a man", "a guy"),
        set={
            "sex": 0.0,
            "brow_thickness": 0.75,
            "lash_length": 0.25,
            "lip_redness": 0.25,
            "stubble": 0.35,
        },
        shape={"chin_width": 0.2, "chin_bones": 0.25, "mouth_scale_vert": -0.1},
        hair_change="shorter",
        bends=(Bend((28, 18, 22), 16.0, by=(0, -0.5, 2.0)),),
    ),
    Concept(
        "feminine",
        "attribute",
        "feminine",
        ("as a woman", "female", "turned into a woman", "womanly", "a lady"),
        set={
            "sex": 1.0,
            "brow_style": "arched",
            "brow_thickness": 0.3,
            "lash_length": 0.95,
            "lip_redness": 0.7,
            "cheek_blush": 0.6,
            **_SHAVEN,
        },
        shape={"chin_width": -0.2, "chin_bones": -0.2, "mouth_scale_vert": 0.15, "eye_scale": 0.1},
        hair_change="longer",
        paints=(Softened(5.0, 0.5), Tint((0.80, 0.36, 0.38), "lips", 0.3)),
    ),
)

FEATURES: tuple[Concept, ...] = (
    Concept(
        "freckles",
        "attribute",
        "with freckles",
        ("freckled",),
        paints=(
            Spots((0.48, 0.25, 0.14), 2.6, 0.75, 0.65, "cheeks", 3),
            Spots((0.48, 0.25, 0.14), 1.9, 0.75, 0.6, "cheeks", 9),
            Spots((0.48, 0.25, 0.14), 2.4, 0.7, 0.6, "nose", 5),
            Spots((0.48, 0.25, 0.14), 3.2, 0.4, 0.45, "upper", 7),
        ),
    ),
    Concept(
        "makeup",
        "attribute",
        "with make-up",
        ("wearing makeup", "glamorous with eye shadow", "made up for a party"),
        set={"lash_length": 1.0, "cheek_blush": 0.6},
        paints=(
            Softened(5.0, 0.5),
            Tint((0.46, 0.26, 0.36), "lids", 0.6),
            Tint((0.88, 0.42, 0.44), "cheeks", 0.28),
            Tint((0.72, 0.12, 0.20), "lips", 0.7),
            Stroke(((40, -1), (47, 2), (52, 6)), (0.05, 0.04, 0.05), 1.3),
        ),
    ),
    Concept(
        "lipstick",
        "attribute",
        "with red lipstick",
        ("with red lips", "with bright lipstick"),
        paints=(Tint((0.74, 0.05, 0.10), "lips", 0.88),),
    ),
    Concept(
        "eye_shadow",
        "attribute",
        "with blue eye shadow",
        ("with coloured eyelids",),
        set={"lash_length": 1.0},
        paints=(Tint((0.16, 0.38, 0.74), "lids", 0.75),),
    ),
    _eyes("blue_eyes", "with blue eyes", (0.22, 0.48, 0.86), 0.05),
    _eyes("green_eyes", "with green eyes", (0.24, 0.58, 0.30), 0.1),
    _eyes("brown_eyes", "with brown eyes", (0.36, 0.19, 0.09), 0.8),
    _eyes("red_eyes", "with red eyes", (0.85, 0.06, 0.04), 0.2),
    Concept(
        "big_eyes",
        "attribute",
        "with big eyes",
        ("wide-eyed", "with huge eyes", "doe-eyed"),
        shape={"eye_scale": 0.35},
        bends=(Bend((31.3, 0, 15), 27.0, scale=(1.34, 1.42, 1.08)),),
        eyes=EyeLook(size=1.08),
    ),
    Concept(
        "big_nose",
        "attribute",
        "with a big nose",
        ("long-nosed", "like Pinocchio", "with a huge nose"),
        shape={"nose_volume": 0.3, "nose_scale_vert": 0.25},
        bends=(Bend((0, -40, 38), 20.0, by=(0, -4.0, 8.0), scale=(1.25, 1.15, 1.2)),),
    ),
    Concept(
        "small_nose",
        "attribute",
        "with a small nose",
        ("with a button nose",),
        shape={"nose_scale_vert": -0.3, "nose_scale_depth": -0.3},
        bends=(Bend((0, -40, 36), 20.0, by=(0, 2.0, -4.0), scale=(0.75, 0.8, 0.75)),),
    ),
    Concept(
        "full_lips",
        "attribute",
        "with full lips",
        ("with thick lips", "big-lipped"),
        shape={
            "mouth_scale_vert": 0.45,
            "mouth_lowerlip_volume": 0.3,
            "mouth_upperlip_volume": 0.3,
        },
        bends=(Bend((0, -73, 28), 15.0, scale=(1.05, 1.35, 1.2)),),
    ),
    Concept(
        "big_ears",
        "attribute",
        "with big ears",
        ("with ears that stick out", "like Dumbo"),
        shape={"ear_scale": 0.5, "ear_wing": 0.5},
    ),
    Concept(
        "scar",
        "attribute",
        "with a scar",
        ("a pirate with a scar across the eye", "scarred", "with a scar on the cheek"),
        paints=(
            Stroke(
                ((22, 34), (28, 16), (33, 0), (37, -24), (40, -46)),
                (0.62, 0.24, 0.22),
                4.0,
                0.9,
                1.0,
                mirrored=False,
            ),
            Stroke(
                ((22.6, 34), (28.6, 16), (33.6, 0), (37.6, -24), (40.4, -46)),
                (0.90, 0.66, 0.60),
                1.0,
                0.7,
                0.5,
                mirrored=False,
            ),
        ),
    ),
    Concept(
        "bushy_brows",
        "attribute",
        "with bushy eyebrows",
        ("with thick eyebrows",),
        set={"brow_style": "bushy", "brow_thickness": 1.0, "brow_density": 1.0},
    ),
    Concept(
        "wrinkled",
        "attribute",
        "wrinkled",
        ("with deep wrinkles",),
        set={"skin_wrinkles": 1.0, "age": 0.85},
        paints=(Creases(1.5),),
    ),
    Concept(
        "tired_eyes",
        "attribute",
        "with dark circles under the eyes",
        ("sleepless",),
        set={"under_eye": 1.0},
        paints=(Tint((0.36, 0.24, 0.26), "sockets", 0.4),),
    ),
)

"""Ages, expressions, and all other attributes of the face."""

from __future__ import annotations

from portraiture.engine.concepts.concept import (
    Bend,
    Concept,
    Creases,
    Softened,
)
from portraiture.engine.concepts.features import BUILDS, FEATURES

_SHAVEN = {"beard_style": "none", "stubble": 0.0}


def _both(**weights: float) -> dict[str, float]:
    """Weights of actions on both sides; those that have no side end in an underscore."""
    out = {}
    for name, weight in weights.items():
        if name.endswith("_"):
            out[name.removesuffix("_")] = weight
        else:
            out |= {f"{name}Left": weight, f"{name}Right": weight}
    return out


AGES: tuple[Concept, ...] = (
    Concept(
        "old",
        "attribute",
        "old",
        (
            "an elderly person",
            "an aged gentleman",
            "an old lady",
            "a grandfather",
            "a grandmother",
            "a senior citizen",
            "in old age",
        ),
        set={
            "age": 0.95,
            "skin_wrinkles": 0.75,
            "hair_grey": 0.85,
            "beard_grey": 0.85,
            "hair_line": 0.55,
            "lip_redness": 0.3,
        },
        paints=(Creases(1.25),),
    ),
    Concept(
        "middle_aged",
        "attribute",
        "middle-aged",
        ("in their fifties", "a mature person"),
        set={"age": 0.72, "skin_wrinkles": 0.4, "hair_grey": 0.3},
        paints=(Creases(0.6),),
    ),
    Concept(
        "young",
        "attribute",
        "young",
        ("a young adult", "youthful", "twenty years old", "in their twenties", "rejuvenated"),
        set={
            "age": 0.45,
            "skin_wrinkles": 0.0,
            "hair_grey": 0.0,
            "beard_grey": 0.0,
            "under_eye": 0.1,
        },
        paints=(Softened(6.0, 0.7),),
    ),
    Concept(
        "child",
        "attribute",
        "a child",
        ("a kid", "a little boy", "a little girl", "childlike", "a toddler"),
        set={
            "age": 0.0,
            "skin_wrinkles": 0.0,
            "hair_grey": 0.0,
            "under_eye": 0.0,
            "cheek_blush": 0.7,
            "brow_thickness": 0.3,
            **_SHAVEN,
        },
        shape={
            "eye_scale": 0.25,
            "cheek_volume": 0.35,
            "chin_height": -0.25,
            "nose_scale_vert": -0.25,
        },
        bends=(
            Bend((31.3, 0, 15), 28.0, scale=(1.15, 1.18, 1.0)),
            Bend((0, -42, 34), 22.0, scale=(0.85, 0.85, 0.8)),
            Bend((0, 60, -50), 90.0, scale=(1.07, 1.07, 1.05)),
            Bend((38, -58, 5), 26.0, by=(2.0, 0, 2.5)),
            Bend((0, -106, 10), 26.0, by=(0, 5.0, -1.0)),
        ),
        paints=(Softened(9.0, 0.85),),
    ),
    Concept(
        "teenager",
        "attribute",
        "a teenager",
        ("an adolescent", "sixteen years old"),
        set={"age": 0.2, "skin_wrinkles": 0.0, "hair_grey": 0.0, "beard_style": "none"},
        paints=(Softened(6.0, 0.6),),
    ),
)

EXPRESSIONS: tuple[Concept, ...] = (
    Concept(
        "smiling",
        "attribute",
        "smiling",
        ("with a big smile", "happy", "grinning", "cheerful"),
        expression=_both(
            mouthSmile=0.9,
            cheekSquint=0.5,
            mouthUpperUp=0.65,
            mouthLowerDown=0.5,
            jawOpen_=0.12,
            mouthDimple=0.2,
            eyeSquint=0.15,
        ),
    ),
    Concept(
        "laughing",
        "attribute",
        "laughing",
        ("laughing out loud", "bursting with joy"),
        expression=_both(
            mouthSmile=0.9,
            cheekSquint=0.85,
            mouthUpperUp=0.5,
            mouthLowerDown=0.4,
            jawOpen_=0.38,
            eyeSquint=0.45,
        ),
    ),
    Concept(
        "angry",
        "attribute",
        "angry",
        ("furious", "with an angry face", "enraged", "scowling", "mad with rage"),
        expression=_both(
            browDown=1.0,
            noseSneer=0.55,
            eyeSquint=0.4,
            mouthFrown=0.6,
            mouthPress=0.5,
            mouthStretch=0.25,
            jawForward_=0.3,
        ),
    ),
    Concept(
        "sad",
        "attribute",
        "sad",
        ("unhappy", "crying", "miserable", "with a sorrowful face", "depressed"),
        expression=_both(
            browInnerUp_=1.0, mouthFrown=0.85, mouthShrugLower_=0.5, eyeLookDown=0.1, eyeBlink=0.06
        ),
    ),
    Concept(
        "surprised",
        "attribute",
        "surprised",
        ("astonished", "shocked", "amazed with an open mouth"),
        expression=_both(
            jawOpen_=0.5, browInnerUp_=0.9, browOuterUp=0.9, eyeWide=0.9, mouthFunnel_=0.25
        ),
    ),
    Concept(
        "disgusted",
        "attribute",
        "disgusted",
        ("with a look of disgust", "grimacing"),
        expression=_both(
            noseSneer=1.0, mouthUpperUp=0.6, browDown=0.6, mouthFrown=0.4, eyeSquint=0.5
        ),
    ),
    Concept(
        "afraid",
        "attribute",
        "afraid",
        ("scared", "terrified", "frightened"),
        expression=_both(
            browInnerUp_=1.0, eyeWide=0.9, mouthStretch=0.8, jawOpen_=0.22, mouthLowerDown=0.3
        ),
    ),
    Concept(
        "winking",
        "attribute",
        "winking",
        ("giving a wink",),
        expression={
            **_both(mouthSmile=0.6, cheekSquint=0.3),
            "eyeBlinkLeft": 1.0,
            "cheekSquintLeft": 0.7,
        },
    ),
    Concept(
        "kissing",
        "attribute",
        "blowing a kiss",
        ("pouting", "with pursed lips", "a duck face"),
        expression=_both(mouthPucker_=1.0, eyeBlink=0.15),
    ),
    Concept(
        "sleepy",
        "attribute",
        "sleepy",
        ("tired", "drowsy with heavy eyelids", "asleep"),
        expression=_both(eyeBlink=0.55, browInnerUp_=0.3, mouthShrugLower_=0.15),
    ),
    Concept(
        "tongue_out",
        "attribute",
        "sticking the tongue out",
        ("with the tongue out",),
        expression=_both(tongueOut_=1.0, jawOpen_=0.38, mouthSmile=0.4),
    ),
)

ATTRIBUTES: tuple[Concept, ...] = (*AGES, *EXPRESSIONS, *BUILDS, *FEATURES)
"""All of them."""

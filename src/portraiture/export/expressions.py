"""VRM 1.0's preset expressions as mixtures of the ARKit actions.

Weights were chosen by eye on rendered faces. ``Both`` stands for ``Left`` and ``Right``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Override = Literal["none", "block", "blend"]

_MIXTURES: dict[str, dict[str, float]] = {
    "neutral": {},
    "happy": {
        "mouthSmileBoth": 1.0, "cheekSquintBoth": 0.5, "eyeSquintBoth": 0.3,
        "mouthDimpleBoth": 0.2, "mouthUpperUpBoth": 0.2, "browOuterUpBoth": 0.1,
    },
    "angry": {
        "browDownBoth": 1.0, "noseSneerBoth": 0.4, "mouthFrownBoth": 0.35,
        "mouthPressBoth": 0.35, "eyeSquintBoth": 0.3, "mouthShrugLower": 0.2,
    },
    "sad": {
        "browInnerUp": 0.9, "mouthFrownBoth": 0.7, "mouthShrugLower": 0.35,
        "eyeSquintBoth": 0.15, "eyeLookDownBoth": 0.2,
    },
    "relaxed": {
        "mouthSmileBoth": 0.35, "eyeBlinkBoth": 0.25, "browInnerUp": 0.1,
        "cheekSquintBoth": 0.1,
    },
    "surprised": {
        "browInnerUp": 0.9, "browOuterUpBoth": 0.8, "eyeWideBoth": 0.85, "jawOpen": 0.4,
        "mouthFunnel": 0.2,
    },
    "aa": {"jawOpen": 0.6, "mouthLowerDownBoth": 0.25, "mouthUpperUpBoth": 0.15},
    "ih": {
        "jawOpen": 0.2, "mouthStretchBoth": 0.45, "mouthUpperUpBoth": 0.2,
        "mouthLowerDownBoth": 0.25,
    },
    "ou": {"mouthPucker": 0.75, "mouthFunnel": 0.35, "jawOpen": 0.15},
    "ee": {
        "jawOpen": 0.12, "mouthSmileBoth": 0.45, "mouthStretchBoth": 0.35,
        "mouthUpperUpBoth": 0.2, "mouthLowerDownBoth": 0.3,
    },
    "oh": {"jawOpen": 0.4, "mouthFunnel": 0.7, "mouthPucker": 0.2},
    "blink": {"eyeBlinkBoth": 1.0},
    "blinkLeft": {"eyeBlinkLeft": 1.0},
    "blinkRight": {"eyeBlinkRight": 1.0},
    "lookUp": {"eyeLookUpBoth": 1.0},
    "lookDown": {"eyeLookDownBoth": 1.0},
    "lookLeft": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
    "lookRight": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
}  # fmt: skip

BLINK_OVERRIDE: dict[str, Override] = {
    "happy": "blend",
    "angry": "blend",
    "sad": "blend",
    "relaxed": "blend",
    "surprised": "none",
}
"""Moods that already narrow the eyes weaken a blink on top, or the lids would cross."""

MOUTH_OVERRIDE: dict[str, Override] = {"surprised": "blend"}
"""Moods that already open the mouth weaken visemes on top."""


def both_sides(mixture: Mapping[str, float]) -> dict[str, float]:
    """The mixture, each name that ends in ``Both`` as one for the left and one for the right."""
    out: dict[str, float] = {}
    for name, weight in mixture.items():
        if name.endswith("Both"):
            out[name.removesuffix("Both") + "Left"] = weight
            out[name.removesuffix("Both") + "Right"] = weight
        else:
            out[name] = weight
    return out


VRM_PRESETS: Mapping[str, Mapping[str, float]] = {
    preset: both_sides(mixture) for preset, mixture in _MIXTURES.items()
}
"""VRM preset name to ARKit weights in [0, 1]; all 18 presets of the specification."""

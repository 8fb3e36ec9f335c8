"""Morph targets that are mixtures of the ARKit actions: the 15 visemes of Oculus LipSync and five
whole gestures that lip-sync and avatar programs ask for by name.

Weights were chosen by eye on rendered faces. ``Both`` stands for ``Left`` and ``Right``.
"""

from __future__ import annotations

from collections.abc import Mapping

from portraiture.export.expressions import both_sides

_VISEMES: dict[str, dict[str, float]] = {
    "viseme_sil": {},
    "viseme_PP": {"mouthPressBoth": 0.6, "mouthRollUpper": 0.25, "mouthRollLower": 0.3},
    "viseme_FF": {
        "mouthRollLower": 0.8, "mouthUpperUpBoth": 0.65, "mouthShrugLower": 0.15, "jawOpen": 0.1,
    },
    "viseme_TH": {
        "jawOpen": 0.26, "tongueOut": 0.75, "mouthUpperUpBoth": 0.15, "mouthLowerDownBoth": 0.2,
    },
    "viseme_DD": {"jawOpen": 0.16, "mouthUpperUpBoth": 0.2, "mouthLowerDownBoth": 0.3},
    "viseme_kk": {"jawOpen": 0.24, "mouthStretchBoth": 0.2, "mouthLowerDownBoth": 0.2},
    "viseme_CH": {"jawOpen": 0.1, "mouthFunnel": 0.65, "mouthPucker": 0.2},
    "viseme_SS": {
        "jawOpen": 0.05, "mouthStretchBoth": 0.35, "mouthSmileBoth": 0.15,
        "mouthUpperUpBoth": 0.25, "mouthLowerDownBoth": 0.35,
    },
    "viseme_nn": {"jawOpen": 0.14, "mouthUpperUpBoth": 0.12, "mouthLowerDownBoth": 0.2},
    "viseme_RR": {"jawOpen": 0.14, "mouthFunnel": 0.4, "mouthPucker": 0.15},
    "viseme_aa": {"jawOpen": 0.6, "mouthLowerDownBoth": 0.25, "mouthUpperUpBoth": 0.15},
    "viseme_E": {
        "jawOpen": 0.26, "mouthSmileBoth": 0.25, "mouthStretchBoth": 0.35,
        "mouthUpperUpBoth": 0.2, "mouthLowerDownBoth": 0.25,
    },
    "viseme_I": {
        "jawOpen": 0.12, "mouthSmileBoth": 0.45, "mouthStretchBoth": 0.35,
        "mouthUpperUpBoth": 0.2, "mouthLowerDownBoth": 0.3,
    },
    "viseme_O": {"jawOpen": 0.4, "mouthFunnel": 0.7, "mouthPucker": 0.2},
    "viseme_U": {"jawOpen": 0.08, "mouthPucker": 0.9, "mouthFunnel": 0.25},
}  # fmt: skip

_GESTURES: dict[str, dict[str, float]] = {
    "mouthOpen": {"jawOpen": 0.7},
    "mouthSmile": {"mouthSmileBoth": 1.0},
    "eyesClosed": {"eyeBlinkBoth": 1.0},
    "eyesLookUp": {"eyeLookUpBoth": 1.0},
    "eyesLookDown": {"eyeLookDownBoth": 1.0},
}

VISEME_NAMES = tuple(_VISEMES)
"""In the order of Oculus LipSync."""

MIXTURES: Mapping[str, Mapping[str, float]] = {
    name: both_sides(mixture) for name, mixture in {**_VISEMES, **_GESTURES}.items()
}
"""Name to ARKit weights in [0, 1]."""

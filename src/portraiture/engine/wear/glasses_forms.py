"""Outlines, rims and bridges of the styles of glasses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from portraiture.engine.classes import WIRE
from portraiture.engine.parameters import GlassesStyle


@dataclass(frozen=True)
class Form:
    """A style of glasses.

    outline: knots of the left lens in mm, counter-clockwise from the outer side, as seen from
    the front by the viewer's right; x away from the nose. rim: width and depth in mm, 0 for none.
    metal: thin rims and pads on wires. hinge_y: height of the hinges above the lenses' middle, mm.
    """

    outline: tuple[tuple[float, float], ...]
    rim: tuple[float, float]
    metal: bool
    bridge: Literal["keyhole", "arch", "double"]
    hinge_y: float

    def worn(self, rim: float) -> Form:
        """The form with acetate rims as thick as `AvatarParameters.glasses_rim` says."""
        if self.metal:
            return self
        width, depth = (0.3 + rim) * np.array(self.rim)
        metal = rim < WIRE
        bridge = "arch" if metal else self.bridge
        return replace(self, rim=(float(width), float(depth)), metal=metal, bridge=bridge)


FORMS: dict[GlassesStyle, Form] = {
    "round": Form(
        tuple((23.0 * np.cos(a), 22.3 * np.sin(a)) for a in np.arange(12) * np.pi / 6),
        (2.4, 3.2),
        False,
        "keyhole",
        6.0,
    ),
    "rectangle": Form(
        (
            (26.2, 2.0), (26.0, 11.5), (22.0, 16.2), (10.0, 17.2), (-8.0, 16.8), (-21.0, 15.2),
            (-24.8, 11.0), (-24.6, 0.0), (-21.5, -11.5), (-14.0, -16.6), (2.0, -17.4),
            (17.0, -16.8), (23.5, -12.5),
        ),
        (3.6, 4.2),
        False,
        "keyhole",
        10.0,
    ),
    "oval": Form(
        (
            (25.0, 1.0), (23.6, 8.6), (17.5, 14.0), (7.0, 16.6), (-6.0, 16.4), (-17.0, 13.2),
            (-23.2, 7.2), (-24.2, -0.6), (-20.6, -8.6), (-12.0, -14.6), (0.0, -16.6),
            (12.0, -15.2), (21.4, -8.6),
        ),
        (2.6, 3.4),
        False,
        "keyhole",
        6.0,
    ),
    "aviator": Form(
        (
            (27.5, 4.0), (26.5, 14.0), (19.0, 19.5), (4.0, 20.3), (-12.0, 19.4), (-22.0, 15.5),
            (-23.8, 7.0), (-20.0, -7.0), (-11.0, -19.0), (3.0, -25.0), (16.0, -22.5), (24.5, -11.0),
        ),
        (1.3, 1.7),
        True,
        "double",
        12.0,
    ),
    "cat_eye": Form(
        (
            (27.4, 9.0), (29.6, 18.2), (22.0, 19.4), (8.0, 16.8), (-8.0, 15.6), (-20.0, 13.6),
            (-24.2, 7.5), (-23.0, -4.0), (-16.5, -14.0), (-4.0, -18.4), (9.0, -18.2),
            (19.5, -12.5), (25.0, -2.0),
        ),
        (3.2, 4.0),
        False,
        "keyhole",
        13.0,
    ),
    "rimless": Form(
        (
            (25.6, 0.0), (25.0, 9.5), (20.0, 14.8), (8.0, 16.0), (-8.0, 15.8), (-20.0, 13.8),
            (-24.2, 8.5), (-24.4, -2.0), (-20.5, -11.0), (-11.0, -15.8), (4.0, -16.6),
            (17.0, -14.6), (23.6, -9.0),
        ),
        (0.0, 1.6),
        True,
        "arch",
        5.0,
    ),
}  # fmt: skip

"""The eye's texture: iris with fibres and crypts, limbal ring, pupil, veined sclera.

Polar layout without a seam: the gaze axis is at the centre, the nose at the left (u = 0), up is up.
The distance from the centre is ``0.5 * (angle / EYE_REACH) ** EYE_POWER``, so that the iris gets
most of the texels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.skin.detail import fractal, noise
from portraiture.engine.skin.tone import encode_srgb
from portraiture.ops.inner import inner, kernel
from portraiture.ops.parallel import in_threads

EYE_REACH = np.radians(100.0)
"""Polar angle at the edge of the texture."""

EYE_POWER = 0.72

_BLUE = np.array([0.078, 0.128, 0.195])
_GREY = np.array([0.125, 0.150, 0.165])
_GREEN = np.array([0.098, 0.125, 0.062])
_AMBER = np.array([0.185, 0.100, 0.030])
_BROWN = np.array([0.085, 0.034, 0.012])
_DARK = np.array([0.016, 0.007, 0.004])
"""Linear RGB of irises, as dark as in portraits: between the lids, photographed irises have a fifth
to a half of the radiance of the skin around them."""


def texture_radius(angle: Float[ndarray, "*n"]) -> Float[ndarray, "*n"]:
    """Distance from the texture's centre, in texture sides, at a polar angle in radians."""
    return 0.5 * (np.clip(angle, 0.0, EYE_REACH) / EYE_REACH) ** EYE_POWER


def iris_colors(parameters: AvatarParameters) -> Float[ndarray, "2 3"]:
    """Linear RGB of the outer iris and of the ring around the pupil."""
    melanin = parameters.iris_melanin
    cold = _GREY + (_BLUE - _GREY) * np.clip(1.0 - 2.2 * melanin, 0.0, 1.0)
    cold = cold + (_GREEN - cold) * parameters.iris_green
    stops = np.array([0.0, 0.28, 0.5, 0.7, 0.93])
    outer = np.stack([cold, 0.6 * cold + 0.4 * _AMBER * 0.8, 0.65 * _AMBER + 0.35 * _GREEN,
                      _BROWN, _DARK])  # fmt: skip
    inner = np.stack([1.05 * cold + 0.02, 0.45 * cold + 0.55 * _AMBER, _AMBER * 0.9,
                      _BROWN * 1.35, _DARK * 1.5])  # fmt: skip
    return np.stack(
        [[np.interp(melanin, stops, colors[:, c]) for c in range(3)] for colors in (outer, inner)]
    )


def iris_angle(parameters: AvatarParameters) -> float:
    """Polar angle of the limbus in radians, from the centre of the engine's 16.7 mm eyeball."""
    diameter_mm = 10.5 + 2.5 * parameters.iris_size
    return float(np.arcsin(0.5 * diameter_mm / 16.7))


def paint_eye(parameters: AvatarParameters, *, size: int = 512) -> UInt8[ndarray, "s s 3"]:
    """sRGB texture of one eye; both eyes share it, the right one mirrored."""
    out = np.empty((size, size, 3), np.float32)
    colors = iris_colors(parameters)
    limbus = iris_angle(parameters)
    pupil = limbus * (0.20 + 0.28 * parameters.pupil_size)
    tired = 0.35 + 0.5 * parameters.skin_haemoglobin
    aged = float(np.clip((parameters.age - 0.55) / 0.4, 0.0, 1.0))
    dials = np.array(
        [limbus, pupil, parameters.limbal_ring, tired, aged, 0.4 + 0.6 * parameters.skin_melanin,
         parameters.iris_melanin],
    )  # fmt: skip
    in_threads(_paint_eye, size, out, colors, dials)
    return (encode_srgb(np.clip(out, 0.0, 1.0)) * 255.0 + 0.5).astype(np.uint8)


@kernel
def _paint_eye(out, colors, dials, first, end):
    size = out.shape[0]
    for row in range(first, end):
        for column in range(size):
            px, py = (column + 0.5) / size - 0.5, 0.5 - (row + 0.5) / size
            radius = np.sqrt(px * px + py * py)
            angle = EYE_REACH * min(2.0 * radius, 1.0) ** (1.0 / EYE_POWER)
            cx, sy = px / max(radius, 1e-6), py / max(radius, 1e-6)
            edge = 0.024 + 0.004 * noise(6 * cx + 9, 6 * sy, 0.0, 3)
            mix = _smooth(dials[0] - edge * 1.5, dials[0] + edge, angle)
            red, green, blue = _iris(angle, cx, sy, colors, dials)
            white_r, white_g, white_b = _sclera(angle, cx, sy, dials)
            shade = _lid_shade(angle * cx, angle * sy)
            out[row, column, 0] = shade * (red + mix * (white_r - red))
            out[row, column, 1] = shade**1.06 * (green + mix * (white_g - green))
            out[row, column, 2] = shade**1.10 * (blue + mix * (white_b - blue))


@inner
def _smooth(low: float, high: float, value: float) -> float:
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@inner
def _lid_shade(x: float, y: float) -> float:
    """Shadowing by lids and lashes at angles x (from the nose) and y (up)."""
    upper = 0.17 - 0.22 * x * x
    lower = -0.31 + 0.22 * x * x
    above = _smooth(upper - 0.28, upper + 0.02, y)
    below = _smooth(0.11, -0.03, y - lower)
    sides = _smooth(0.42, 0.85, abs(x))
    return (1.0 - 0.70 * above) * (1.0 - 0.33 * below) * (1.0 - 0.50 * sides)


@inner
def _iris(angle, cx, sy, colors, dials):
    """Linear RGB of iris and pupil."""
    wobble = 1.0 + 0.008 * noise(4 * cx, 4 * sy, 2.0, 7)
    t = (angle / wobble - dials[1]) / (dials[0] - dials[1])
    r = min(max(t, 0.0), 1.2)
    twist = 0.05 * noise(3 * cx, 3 * sy, 1.5 * r, 8)
    ax, ay = cx - twist * sy, sy + twist * cx
    fibre = 1.0 - abs(noise(15 * ax, 15 * ay, 1.3 * r, 11)) * 1.8
    thin = 1.0 - abs(noise(34 * ax, 34 * ay, 1.7 * r, 12)) * 1.8
    broad = fractal(5 * ax, 5 * ay, 1.2 * r, 2, 13)
    collar = 0.30 + 0.05 * noise(9 * cx, 9 * sy, 5.0, 14) + 0.02 * noise(26 * cx, 26 * sy, 5.0, 15)
    ring = np.exp(-(((r - collar) / 0.055) ** 2))
    crypt = max(noise(7 * ax + 20, 7 * ay, 3.4 * r, 16) - 0.35, 0.0) * _smooth(0.2, 0.35, r)
    crypt *= 1.0 - _smooth(0.6, 0.9, r)
    bright = 1.0 + 0.34 * fibre + 0.22 * thin + 0.20 * broad + 0.30 * ring - 0.75 * crypt
    contrast = 0.55 + 0.45 * (1.0 - dials[6])
    bright = 1.0 + contrast * (bright - 1.25)
    inner = 1.0 - _smooth(collar - 0.08, collar + 0.30, r + 0.10 * broad)
    limbal = (0.35 + 0.65 * dials[2]) * _smooth(0.66, 0.97, r)
    bright *= 1.0 - 0.88 * limbal
    bright *= 0.72 + 0.28 * _smooth(0.0, 0.14, r)
    bright *= 1.0 + (0.30 * max(-sy, 0.0) - 0.12 * max(sy, 0.0)) * _smooth(0.1, 0.8, r)
    pupil = _smooth(-0.045, 0.035, t)
    red = pupil * bright * (colors[0, 0] + inner * (colors[1, 0] - colors[0, 0])) + 0.002
    green = pupil * bright * (colors[0, 1] + inner * (colors[1, 1] - colors[0, 1])) + 0.002
    blue = pupil * bright * (colors[0, 2] + inner * (colors[1, 2] - colors[0, 2])) + 0.002
    return red, green, blue


@inner
def _sclera(angle, cx, sy, dials):
    """Linear RGB of the sclera: warmer and redder towards the corners, veined, shadowed above."""
    away = _smooth(dials[0], 1.0, angle)
    side = abs(cx)
    x, y = angle * cx, angle * sy
    corner = away * side * side
    nasal = max(-cx, 0.0) * _smooth(0.45, 0.95, angle)
    warp = 0.55 * noise(5.0 * x, 5.0 * y, 1.0, 21) + 0.25 * noise(13.0 * x, 13.0 * y, 1.5, 25)
    vein = 1.0 - abs(noise(4.0 * x + warp, 13.0 * y + 2.2 * warp, 0.5, 22)) * 11.0
    fine = 1.0 - abs(noise(10.0 * x + warp, 27.0 * y + 2.5 * warp, 0.5, 23)) * 8.0
    reach = _smooth(dials[0] + 0.03, 0.75, angle) * (0.25 + 0.75 * side)
    veins = (0.42 * max(vein, 0.0) + 0.22 * max(fine, 0.0)) * reach * dials[3]
    blotch = 0.5 + 0.5 * fractal(4.0 * x, 4.0 * y, 4.0, 2, 24)
    pink = (0.22 * corner + 0.42 * nasal * nasal + 0.10 * blotch * away) * dials[3] + veins
    yellow = 0.05 + 0.07 * dials[5] + 0.10 * dials[4] + 0.05 * corner
    light = 0.44 * (1.0 - 0.05 * blotch) * (1.0 - 0.25 * corner)
    red = light * (1.0 - 0.10 * pink - 0.06 * yellow)
    green = light * (0.94 - 0.52 * pink - 0.28 * yellow)
    blue = light * (0.885 - 0.50 * pink - 0.95 * yellow)
    return red, green, blue

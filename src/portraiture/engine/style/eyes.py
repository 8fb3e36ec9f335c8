"""Eyes of a style: a large iris in a few clean tones, painted in the layout of `face.iris`."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from portraiture.engine.face.eyes import eye_material, make_eye
from portraiture.engine.face.iris import EYE_POWER, EYE_REACH, iris_angle, iris_colors
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape
from portraiture.engine.skin.tone import encode_srgb
from portraiture.engine.style.recipes import Recipe
from portraiture.ops.vectors import smooth
from portraiture.types import Part

SIZE = 256
_WHITE = np.array([0.98, 0.98, 0.97])
_SHADE = np.array([0.70, 0.72, 0.80])
"""sRGB of the white of the eye, in light and under the upper lid."""


def make_style_eyes(parameters: AvatarParameters, shape: HeadShape, recipe: Recipe) -> list[Part]:
    """Both eyes, as `face.eyes.make_eyes`."""
    limbus = recipe.iris * iris_angle(parameters)
    parts = []
    for side, lit in (("left", -1.0), ("right", 1.0)):
        texture = paint_style_eye(parameters, recipe, limbus, lit=lit)
        parts.append(make_eye(shape, side, eye_material(texture), limbus))
    return parts


def paint_style_eye(
    parameters: AvatarParameters, recipe: Recipe, limbus: float, *, lit: float
) -> UInt8[ndarray, "s s 3"]:
    """sRGB texture. limbus: polar angle of the iris' edge, radians. lit: side of the highlight in
    the texture, -1 or 1."""
    flat = recipe.finish != "lit"
    x, y = np.meshgrid((np.arange(SIZE) + 0.5) / SIZE - 0.5, 0.5 - (np.arange(SIZE) + 0.5) / SIZE)
    radius = np.hypot(x, y)
    angle = EYE_REACH * np.minimum(2.0 * radius, 1.0) ** (1.0 / EYE_POWER)
    across, up = angle * x / np.maximum(radius, 1e-6), angle * y / np.maximum(radius, 1e-6)
    t = angle / limbus
    soft = 0.05 if flat else 0.10
    iris = _iris(parameters, t, up / limbus, flat=flat)
    hidden = smooth((up - 0.03) / 0.25)[..., None]
    white = _WHITE + hidden * (_SHADE - _WHITE)
    edge = smooth((t - 1.0 + soft) / (2.0 * soft))[..., None]
    out = iris + edge * (white - iris)
    large, width, share = (0.27, 0.07, 1.0) if flat else (0.17, 0.12, 0.85)
    for at, size in (((0.36 * lit, 0.4), large), ((-0.34 * lit, -0.42), 0.5 * large)):
        off = np.hypot(across / limbus - at[0], up / limbus - at[1])
        out = out + share * smooth((size - off) / width + 0.5)[..., None] * (1.0 - out)
    return (np.clip(out, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _iris(
    parameters: AvatarParameters, t: ndarray, up: ndarray, *, flat: bool
) -> Float[ndarray, "s s 3"]:
    """sRGB of iris and pupil at t, radius over the limbus'. up: height over the limbus."""
    colors = encode_srgb(np.clip(2.1 * iris_colors(parameters), 0.0, 1.0))
    grey = colors.mean(1, keepdims=True)
    outer, inner = np.clip(grey + 1.35 * (colors - grey), 0.02, 0.95)
    pupil = 0.42 + 0.12 * parameters.pupil_size
    low = smooth(0.5 - 0.9 * up) if not flat else smooth((0.1 - up) / 0.12)
    glow = np.clip(inner + 0.16, 0.0, 1.0)
    color = outer + low[..., None] * (glow - outer)
    if not flat:
        color = color * (0.75 + 0.25 * smooth((t - pupil) / 0.3))[..., None]
    ring = smooth((t - 0.80) / (0.03 if flat else 0.16))[..., None]
    color = color * (1.0 - (0.72 if flat else 0.8) * ring)
    soft = 0.03 if flat else 0.08
    return color * smooth((t - pupil + soft) / (2.0 * soft))[..., None] + 0.012

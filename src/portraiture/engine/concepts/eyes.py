"""Eyes of a concept: the texture of `face.iris` or `style.eyes`, recoloured."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from portraiture.engine.concepts.color import LUMA, codes_of, floats
from portraiture.engine.concepts.concept import EyeLook
from portraiture.engine.face.iris import EYE_POWER, EYE_REACH, iris_angle, texture_radius
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.skin.texels import sample_bilinear
from portraiture.engine.style.recipes import recipe_of
from portraiture.ops.vectors import smooth
from portraiture.types import Style


def painted_eye(
    texture: UInt8[ndarray, "s s C"], look: EyeLook, parameters: AvatarParameters, style: Style
) -> UInt8[ndarray, "s s C"]:
    """One eye's texture with another iris, pupil and white."""
    limbus = recipe_of(style, parameters).iris * iris_angle(parameters)
    size = len(texture)
    at = (np.arange(size) + 0.5) / size - 0.5
    x, y = np.meshgrid(at, -at)
    radius = np.hypot(x, y)
    angle = EYE_REACH * np.minimum(2.0 * radius, 1.0) ** (1.0 / EYE_POWER)
    color = floats(texture)
    if look.size != 1.0:
        color = _resized(color, angle, radius, limbus, look.size)
        limbus = limbus * look.size
    t = angle / limbus
    iris = smooth((1.06 - t) / 0.10)
    across, up = t * x / np.maximum(radius, 1e-6), t * y / np.maximum(radius, 1e-6)
    light = color @ LUMA
    if look.white is not None:
        shade = np.clip(light / max(float(np.percentile(light[t > 1.15], 80)), 0.05), 0.25, 1.15)
        shade = shade + look.glow * (1.0 - shade)
        white = shade[..., None] * np.asarray(look.white, np.float32)
        color = color + (1.0 - iris)[..., None] * (white - color)
    if look.iris is not None:
        color = color + iris[..., None] * (_iris(light, t, across, up, look) - color)
    return codes_of(color, texture)


def _resized(
    color: Float32[ndarray, "s s 3"], angle: ndarray, radius: ndarray, limbus: float, factor: float
) -> Float32[ndarray, "s s 3"]:
    """The texture with a larger or smaller iris."""
    edge = 1.12 * limbus
    inner = angle / factor
    outer = edge + (angle - edge * factor) * (EYE_REACH - edge) / (EYE_REACH - edge * factor)
    source = np.where(angle < edge * factor, inner, outer)
    ratio = texture_radius(source) / np.maximum(texture_radius(angle), 1e-6)
    size = len(color)
    at = np.arange(size) + 0.5 - 0.5 * size
    x, y = np.meshgrid(at, at)
    middle = 0.5 * size - 0.5
    return sample_bilinear(color, middle + x * ratio, middle + y * ratio)


def _iris(
    light: ndarray, t: ndarray, across: ndarray, up: ndarray, look: EyeLook
) -> Float32[ndarray, "s s 3"]:
    """The iris in another colour: its fibres stay as light and dark."""
    ring = (t > 0.55) & (t < 0.85)
    level = float(np.median(light[ring]))
    fibres = np.clip(light / max(level, 0.02), 0.35, 1.8) ** np.float32(0.75)
    rim = 1.0 - 0.65 * (1.0 - look.glow) * smooth((t - 0.78) / 0.2)
    color = np.asarray(look.iris, np.float32) * (fibres * rim)[..., None]
    warm = smooth((0.62 - t) / 0.3)[..., None]
    color = color + 0.25 * warm * (np.minimum(1.4 * color, 1.0) - color)
    match look.pupil:
        case "round":
            pupil = smooth((0.36 - t) / 0.06)
        case "slit":
            wide = 0.20 * np.sqrt(np.clip(1.0 - (up / 0.92) ** 2, 0.0, 1.0))
            pupil = smooth((wide - np.abs(across)) / 0.06 + 0.5) * (np.abs(up) < 0.92)
        case "none":
            pupil = np.zeros_like(t)
    filled = np.where((t < 0.5)[..., None], np.asarray(look.iris, np.float32) * 0.9, color)
    color = filled + smooth((t - 0.42) / 0.14)[..., None] * (color - filled)
    return (color * (1.0 - pupil)[..., None] + 0.01).astype(np.float32)

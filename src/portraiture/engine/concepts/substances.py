"""Parts of a person in another substance: marble, bronze, wood …

skin: the pattern at every texel. Sculpted hair, brows, beard and clothes: one small texture of the
pattern round the head, by uv that depend on the place alone. Eyes: a carved iris.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from scipy.ndimage import gaussian_filter

from portraiture.engine.concepts.color import LUMA, codes_of, floats
from portraiture.engine.concepts.concept import Substance
from portraiture.engine.concepts.pattern import amount
from portraiture.engine.concepts.reshape import Frame, frame_of
from portraiture.engine.face.iris import EYE_POWER, EYE_REACH
from portraiture.engine.head import HeadModel
from portraiture.engine.shape import HeadShape
from portraiture.engine.skin.layout import anatomy
from portraiture.ops.vectors import smooth
from portraiture.types import Part

WRAP = 512
"""Rows and columns of the texture round the head."""
WRAP_RADIUS_MM, WRAP_LOW_MM, WRAP_HIGH_MM = 95.0, -260.0, 160.0
LEFT_OUT = ("lashes",)
"""Parts that nothing is sculpted of."""


def in_substance(parts: Sequence[Part], substance: Substance, shape: HeadShape) -> list[Part]:
    """The parts made of it: all, or the skin alone."""
    made = []
    frame = frame_of(shape)
    for part in parts:
        if part.name == "skin":
            made.append(_material(part, _skin(part, substance, shape.model), substance))
        elif not substance.whole:
            made.append(part)
        elif part.name in LEFT_OUT:
            continue
        elif part.material.kind == "eye":
            made.append(_material(part, _eye(part, substance), substance))
        elif part.material.alpha_mode == "blend":
            made.append(part)
        elif part.material.kind == "mouth":
            made.append(_material(part, _plain(part, substance, 0.62), substance))
        else:
            made.append(_wrapped(part, substance, frame))
    return made


def _material(part: Part, texture: UInt8[ndarray, "h w 4"], substance: Substance) -> Part:
    material = replace(
        part.material, kind="plain", base_color=texture, normal=None, roughness=None,
        roughness_factor=substance.roughness, metallic=substance.metallic,
    )  # fmt: skip
    return replace(part, material=material)


def ground(points: Float[ndarray, "N 3"], substance: Substance) -> Float32[ndarray, "N 3"]:
    """Colour of the substance at points, canonical millimetres."""
    share = (substance.amount * amount(points, substance.pattern, substance.scale))[:, None]
    rgb, other = (np.asarray(c, np.float32) for c in (substance.rgb, substance.other))
    return rgb + share * (other - rgb)


@lru_cache(maxsize=4)
def _skin_ground(model: HeadModel, size: int, substance: Substance) -> Float32[ndarray, "s s 3"]:
    maps = anatomy(model, size)
    out = np.broadcast_to(np.asarray(substance.rgb, np.float32), (size, size, 3)).copy()
    out[maps.near] = ground(maps.position[maps.near], substance)
    return out


def _skin(part: Part, substance: Substance, model: HeadModel) -> UInt8[ndarray, "s s 4"]:
    """The pattern, darkened where the skin is darker than around: brows, lids, lips, folds."""
    texture = part.material.base_color
    size = len(texture)
    maps = anatomy(model, size)
    light = floats(texture) @ LUMA
    weight = gaussian_filter(maps.near.astype(np.float32), 0.02 * size)
    wide = gaussian_filter(light * maps.near, 0.02 * size) / np.maximum(weight, 1e-3)
    ratio = np.clip(light / np.maximum(wide, 0.03), 0.35, 1.25)
    ratio = gaussian_filter(ratio, 0.0015 * size) ** np.float32(substance.relief)
    return codes_of(_skin_ground(model, size, substance) * ratio[..., None], texture)


def _eye(part: Part, substance: Substance) -> UInt8[ndarray, "s s 4"]:
    """A carved eye: a shallow ring for the iris and a drilled pupil."""
    texture = part.material.base_color
    size = len(texture)
    at = (np.arange(size) + 0.5) / size - 0.5
    radius = np.hypot(*np.meshgrid(at, at))
    angle = EYE_REACH * np.minimum(2.0 * radius, 1.0) ** (1.0 / EYE_POWER)
    t = angle / np.radians(21.0)
    ring = np.exp(-(((t - 1.0) / 0.09) ** 2))
    pupil = smooth((0.42 - t) / 0.12)
    shade = 1.0 - 0.34 * ring - 0.5 * pupil - 0.08 * smooth((1.0 - t) / 0.2)
    return codes_of(shade[..., None] * np.asarray(substance.rgb, np.float32), texture)


def _plain(part: Part, substance: Substance, shade: float) -> UInt8[ndarray, "h w 4"]:
    texture = part.material.base_color
    light = floats(texture) @ LUMA
    light = light / max(float(light.mean()), 0.05)
    out = shade * np.clip(light, 0.4, 1.3)[..., None] ** 0.5 * np.asarray(substance.rgb, np.float32)
    return codes_of(out, texture)


def _wrapped(part: Part, substance: Substance, frame: Frame) -> Part:
    """A sculpted part: uv round the head, where the pattern is painted."""
    at = frame.to_canonical(part.vertices)
    turn = np.abs(np.arctan2(at[:, 0], at[:, 2] + 60.0)) / np.pi
    height = (at[:, 1] - WRAP_LOW_MM) / (WRAP_HIGH_MM - WRAP_LOW_MM)
    uv = np.clip(np.stack([turn, height], axis=1), 0.002, 0.998).astype(np.float32)
    shade = 0.93 if part.material.kind == "cloth" else 1.0
    made = _material(part, _wrap(substance, shade), substance)
    material = replace(made.material, alpha_mode="opaque")
    return replace(made, uv=uv, material=material)


@lru_cache(maxsize=6)
def _wrap(substance: Substance, shade: float) -> UInt8[ndarray, "n n 4"]:
    at = (np.arange(WRAP) + 0.5) / WRAP
    turn, height = np.meshgrid(np.pi * at, WRAP_HIGH_MM - (WRAP_HIGH_MM - WRAP_LOW_MM) * at)
    x, z = WRAP_RADIUS_MM * np.sin(turn), WRAP_RADIUS_MM * np.cos(turn) - 60.0
    points = np.stack([x, height, z], axis=-1).reshape(-1, 3)
    out = np.full((WRAP, WRAP, 4), 255, np.uint8)
    return codes_of(shade * ground(points, substance).reshape(WRAP, WRAP, 3), out)

"""Colours of textures moved elsewhere while their light and dark stay."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray

from portraiture.engine.concepts.concept import Grade, Rgb

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def floats(codes: UInt8[ndarray, "h w C"]) -> Float32[ndarray, "h w 3"]:
    """The colours of a texture, sRGB in [0, 1]."""
    return codes[..., :3].astype(np.float32) / np.float32(255.0)


def codes_of(
    color: Float[ndarray, "h w 3"], like: UInt8[ndarray, "h w C"]
) -> UInt8[ndarray, "h w C"]:
    """A texture with other colours; its opacity stays."""
    out = like.copy()
    out[..., :3] = (np.clip(color, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return out


def tinted(
    color: Float[ndarray, "*n 3"], rgb: Rgb, level: float, contrast: float = 1.0
) -> Float32[ndarray, "*n 3"]:
    """`rgb` with the light and dark of `color`. level: luma at which it is `rgb` itself."""
    light = np.clip((color @ LUMA) / max(level, 1e-3), 0.02, 2.5) ** np.float32(contrast)
    aim = np.asarray(rgb, np.float32)
    dark = aim * np.minimum(light, 1.0)[..., None]
    over = np.clip(light - 1.0, 0.0, 1.0)[..., None]
    return (dark + over * (0.85 - 0.55 * aim) * aim).astype(np.float32)


def graded(color: Float[ndarray, "*n 3"], grade: Grade) -> Float32[ndarray, "*n 3"]:
    """All colours changed, sRGB in [0, 1]."""
    grey = (color @ LUMA)[..., None]
    out = grey + grade.saturation * (color - grey)
    out = 0.5 + grade.contrast * (out - 0.5) + grade.lift
    return np.clip(out * np.asarray(grade.tint, np.float32), 0.0, 1.0).astype(np.float32)

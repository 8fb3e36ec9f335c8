"""Material images to PNG or JPEG bytes, the two formats of core glTF."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from portraiture.types import AlphaMode

JPEG_QUALITY = 90
NORMAL_JPEG_QUALITY = 92
JPEG_MIN_SIDE = 64
"""Smaller images stay PNG: exact and hardly larger."""

PNG_STEP = 4
"""Levels of large masked textures, 64 a channel: a third less to store, and nothing to see."""


def encode_color(rgba: UInt8[ndarray, "h w 4"], alpha_mode: AlphaMode) -> bytes:
    """Base colour: JPEG without chroma subsampling when opaque, PNG with alpha otherwise.

    Masked textures are those of hair, large and full of grain: they are rounded to `PNG_STEP`.
    """
    if alpha_mode == "opaque":
        return _jpeg_or_png(rgba[..., :3], JPEG_QUALITY)
    if alpha_mode == "mask" and min(rgba.shape[:2]) >= JPEG_MIN_SIDE:
        levels = np.rint(rgba / PNG_STEP) * PNG_STEP
        return _png(np.minimum(levels, 255.0).astype(np.uint8))
    return _png(rgba)


def encode_normal(normal: UInt8[ndarray, "h w 3"]) -> bytes:
    """Tangent-space normal map."""
    return _jpeg_or_png(normal, NORMAL_JPEG_QUALITY)


def encode_roughness(roughness: UInt8[ndarray, "h w"], *, metallic: bool) -> bytes:
    """glTF's metallicRoughness texture: green is roughness, blue multiplies the metallic factor.

    Where the metallic factor is zero the blue channel is idle and a grey image is smallest.
    """
    if not metallic:
        return _jpeg_or_png(roughness, JPEG_QUALITY)
    full = np.full_like(roughness, 255)
    return _png(np.stack([full, roughness, full], axis=2))


def _jpeg_or_png(image: ndarray, quality: int) -> bytes:
    if min(image.shape[:2]) < JPEG_MIN_SIDE:
        return _png(image)
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(
        out, "JPEG", quality=quality, subsampling=0, optimize=True
    )
    return out.getvalue()


def _png(image: ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(out, "PNG", compress_level=6)
    return out.getvalue()

"""Material images to PNG or JPEG bytes, the two formats of core glTF, or to WebP."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from portraiture.export.options import TextureFormat
from portraiture.types import AlphaMode

JPEG_QUALITY = 90
NORMAL_JPEG_QUALITY = 92
JPEG_MIN_SIDE = 64
"""Smaller images stay PNG: exact and hardly larger."""

PNG_STEP = 4
"""Levels of large masked textures, 64 a channel: a third less to store, and nothing to see."""


WEBP_QUALITY, NORMAL_WEBP_QUALITY = 88, 94


def encode_color(
    rgba: UInt8[ndarray, "h w 4"],
    alpha_mode: AlphaMode,
    texture_format: TextureFormat | None = None,
) -> bytes:
    """Base colour: JPEG without chroma subsampling when opaque, PNG with alpha otherwise, unless
    there is a `texture_format`; with alpha JPEG stays PNG.

    Masked textures are those of hair, large and full of grain: they are rounded to `PNG_STEP`.
    """
    opaque = alpha_mode == "opaque"
    pixels = rgba[..., :3] if opaque else rgba
    match texture_format:
        case "webp":
            return _webp(pixels, WEBP_QUALITY)
        case "jpeg" if opaque:
            return _jpeg(pixels, JPEG_QUALITY)
        case None if opaque:
            return _jpeg_or_png(pixels, JPEG_QUALITY)
    if alpha_mode == "mask" and min(rgba.shape[:2]) >= JPEG_MIN_SIDE:
        levels = np.rint(rgba / PNG_STEP) * PNG_STEP
        return _png(np.minimum(levels, 255.0).astype(np.uint8))
    return _png(pixels)


def encode_normal(
    normal: UInt8[ndarray, "h w 3"], texture_format: TextureFormat | None = None
) -> bytes:
    """Tangent-space normal map."""
    match texture_format:
        case "webp":
            return _webp(normal, NORMAL_WEBP_QUALITY)
        case "jpeg":
            return _jpeg(normal, NORMAL_JPEG_QUALITY)
        case "png":
            return _png(normal)
        case None:
            return _jpeg_or_png(normal, NORMAL_JPEG_QUALITY)


def encode_roughness(
    roughness: UInt8[ndarray, "h w"],
    *,
    metallic: bool,
    texture_format: TextureFormat | None = None,
) -> bytes:
    """glTF's metallicRoughness texture: green is roughness, blue multiplies the metallic factor.

    Where the metallic factor is zero the blue channel is idle and a grey image is smallest.
    """
    full = np.full_like(roughness, 255)
    pixels = np.stack([full, roughness, full], axis=2) if metallic else roughness
    match texture_format:
        case "webp":
            return _webp(pixels, WEBP_QUALITY)
        case "jpeg":
            return _jpeg(pixels, JPEG_QUALITY)
        case None if not metallic:
            return _jpeg_or_png(pixels, JPEG_QUALITY)
    return _png(pixels)


def _jpeg_or_png(image: ndarray, quality: int) -> bytes:
    if min(image.shape[:2]) < JPEG_MIN_SIDE:
        return _png(image)
    return _jpeg(image, quality)


def _jpeg(image: ndarray, quality: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(
        out, "JPEG", quality=quality, subsampling=0, optimize=True
    )
    return out.getvalue()


def _png(image: ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(out, "PNG", compress_level=6)
    return out.getvalue()


def _webp(image: ndarray, quality: int) -> bytes:
    """Colours under transparent pixels stay, or the edges of hair would darken when filtered."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(
        out, "WEBP", quality=quality, method=4, exact=True, use_sharp_yuv=True
    )
    return out.getvalue()

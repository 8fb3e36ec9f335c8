"""Material images at another size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from portraiture.ops.vectors import unit
from portraiture.types import Material


def limited(material: Material, side: int) -> Material:
    """The material with no image wider or higher than `side` pixels."""
    return replace(
        material,
        base_color=_within(material.base_color, side, resized_color),
        normal=None if material.normal is None else _within(material.normal, side, resized_normal),
        roughness=(
            None if material.roughness is None else _within(material.roughness, side, resized)
        ),
    )


def _within(image: ndarray, side: int, resize) -> ndarray:
    height, width = image.shape[:2]
    longest = max(height, width)
    if longest <= side:
        return image
    return resize(image, max(height * side // longest, 1), max(width * side // longest, 1))


def resized(image: UInt8[ndarray, "h w *c"], height: int, width: int) -> UInt8[ndarray, "H W *c"]:
    """The image at another size: Lanczos with antialiasing."""
    if image.shape[:2] == (height, width):
        return image
    scaled = Image.fromarray(np.ascontiguousarray(image)).resize(
        (width, height), Image.Resampling.LANCZOS
    )
    return np.array(scaled)


def resized_color(rgba: UInt8[ndarray, "h w 4"], height: int, width: int) -> ndarray:
    """Colour and opacity at another size; transparent pixels lend no colour to their neighbours,
    and keep one of their own."""
    if (rgba[..., 3] == 255).all():
        return resized(rgba, height, width)
    weight = np.maximum(rgba[..., 3:].astype(np.float64), 1.0) / 255.0
    layers = np.concatenate([rgba[..., :3] * weight, weight * 255.0], axis=2).astype(np.float32)
    scaled = [
        np.array(
            Image.fromarray(layers[..., k]).resize((width, height), Image.Resampling.BOX), float
        )
        for k in range(4)
    ]
    color = np.stack(scaled[:3], axis=2) / np.maximum(scaled[3][..., None] / 255.0, 1e-6)
    alpha = resized(rgba[..., 3], height, width)
    out = np.concatenate([np.clip(np.rint(color), 0, 255), alpha[..., None]], axis=2)
    return out.astype(np.uint8)


def resized_normal(normal: UInt8[ndarray, "h w 3"], height: int, width: int) -> ndarray:
    """Unit normals at another size."""
    vectors = resized(normal, height, width) / 127.5 - 1.0
    return np.clip(np.rint((unit(vectors) + 1.0) * 127.5), 0, 255).astype(np.uint8)

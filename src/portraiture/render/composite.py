"""Resolve supersampled linear colour to an image: filtering, background, sRGB."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.ops.inner import kernel
from portraiture.render.rasterize_numba import barycentric_at, row_span


def encode_srgb(linear: Float[ndarray, "*n"]) -> Float[ndarray, "*n"]:
    """Linear light to sRGB codes in [0, 1] (IEC 61966-2-1); values outside are clamped."""
    x = np.clip(linear, 0.0, 1.0)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-6) ** (1 / 2.4) - 0.055)


def decode_srgb(code: Float[ndarray, "*n"]) -> Float[ndarray, "*n"]:
    """sRGB codes in [0, 1] to linear light."""
    c = np.asarray(code)
    return np.where(c <= 0.04045, c / 12.92, ((np.maximum(c, 0.0) + 0.055) / 1.055) ** 2.4)


def shrink(
    image: Float[ndarray, "H W 4"], factor: int, background: ndarray | None
) -> Float[ndarray, "h w 4"]:
    """Average factor × factor premultiplied display-linear samples; returns sRGB, straight alpha.

    background: (3,) sRGB, composited underneath in linear light; the result is then opaque.
    """
    height, width = image.shape[0] // factor, image.shape[1] // factor
    mean = np.zeros((height, width, 4), np.float32)
    for dy in range(factor):
        for dx in range(factor):
            mean += image[dy::factor, dx::factor]
    mean /= factor * factor
    alpha = mean[..., 3:]
    if background is not None:
        under = decode_srgb(np.asarray(background, np.float64)).astype(np.float32)
        rgb = encode_srgb(mean[..., :3] + (1.0 - alpha) * under)
        return np.concatenate([rgb, np.ones_like(alpha)], axis=2).astype(np.float32)
    rgb = encode_srgb(mean[..., :3] / np.maximum(alpha, 1e-6))
    return np.concatenate([rgb, np.clip(alpha, 0.0, 1.0)], axis=2).astype(np.float32)


def gather_transparent(triangles, order, depth, near):
    """Fragments of the triangles in `order` that lie in front of `depth` (H, W): triangle (N,),
    barycentrics (N, 3) and pixel (N, 2), in the order of the triangles."""
    found = _fragments(0)
    count = _gather(triangles, order, depth, near, False, *found)
    found = _fragments(count)
    _gather(triangles, order, depth, near, True, *found)
    return found


def _fragments(count):
    return (
        np.empty(count, np.int32),
        np.empty((count, 3), np.float32),
        np.empty((count, 2), np.int64),
    )


@kernel
def _gather(triangles, order, depth, near, write, triangle, bary, pixel):
    """The number of fragments, which it counts or writes."""
    count = 0
    for f in order:
        x0, x1 = triangles.box[f, 0], triangles.box[f, 1]
        for row in range(triangles.box[f, 2], triangles.box[f, 3] + 1):
            c0, c1 = row_span(triangles.edges, f, row + 0.5, x0, x1)
            for column in range(c0, c1 + 1):
                x, y = column + 0.5, row + 0.5
                b0, b1, b2, total = barycentric_at(triangles.edges, f, x, y)
                inverse = total * triangles.scale[f]
                if total <= 0.0 or inverse * near > 1.0 or inverse * depth[row, column] < 1.0:
                    continue
                if write:
                    triangle[count] = f
                    bary[count, 0], bary[count, 1], bary[count, 2] = b0, b1, b2
                    pixel[count, 0], pixel[count, 1] = row, column
                count += 1
    return count


@kernel
def composite(image, colour, pixel):
    """Composite fragments, ordered back to front, over the premultiplied `image` (H, W, 4)."""
    for s in range(colour.shape[0]):
        under = image[pixel[s, 0], pixel[s, 1]]
        for c in range(4):
            under[c] = colour[s, c] + (1.0 - colour[s, 3]) * under[c]

"""Resolve supersampled linear colour to an image: outlines, filtering, background, sRGB."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.ndimage import uniform_filter

from portraiture.ops.inner import inner, kernel
from portraiture.ops.parallel import in_threads
from portraiture.render.rasterize_numba import barycentric_at, row_span

OUTLINE_DEPTH_M = 0.012
OUTLINE_ANGLE_COS = 0.35


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


def draw_outlines(
    image: Float[ndarray, "H W 4"],
    depth: Float[ndarray, "H W"],
    normal: Float[ndarray, "H W 3"],
    group: Int[ndarray, "H W"],
    hair: Bool[ndarray, "H W"],
    radius: float,
) -> None:
    """Draw dark outlines, in place, at depth discontinuities, creases and group boundaries.

    group: -1 for background; group 0 has no outlines of its own. hair: samples that are outlined
    as one mass, where more than half of the neighbourhood is hair. radius: half the line width in
    samples; lines at creases are thinner.
    """
    reach = max(1, int(np.ceil(radius)))
    mass = uniform_filter(hair.astype(np.float32), 8 * reach + 1) > 0.5
    loose = ((group == 0) | hair) & ~mass
    region = np.where(mass, _HAIR_MASS, np.where(loose, _LOOSE, group)).astype(np.int32)
    in_threads(_outline, len(depth), image, depth, normal, region, reach, float(radius))


_HAIR_MASS = 1 << 20
_LOOSE = 1 << 21
"""Region ids: hair as one mass, and strands without outlines."""


@kernel
def _outline(image, depth, normal, group, reach, radius, first, end):
    for row in range(first, end):
        _outline_row(image, depth, normal, group, row, reach, radius)


@inner
def _outline_row(image, depth, normal, group, row, reach, radius):
    height, width = depth.shape
    for column in range(width):
        k = 0.0
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                distance = np.sqrt(float(dx * dx + dy * dy))
                y, x = row + dy, column + dx
                if distance > radius + 0.5 or not (0 <= y < height and 0 <= x < width):
                    continue
                step = _edge(depth, normal, group, row, column, y, x)
                if step > 0.0:
                    k = max(k, min(max(radius * min(step, 1.0) + 0.5 - distance, 0.0), 1.0))
        k = float(np.float32(k))
        pixel = image[row, column]
        for c in range(3):
            pixel[c] = (1.0 - k) * pixel[c] + k * (0.012 if c < 2 else 0.018)
        pixel[3] = max(pixel[3], k)


@inner
def _edge(depth, normal, group, row, column, y, x):
    """Edge strength between two samples: 1 for a silhouette, less for a crease, 0 for none."""
    first, second = group[row, column], group[y, x]
    if first == _LOOSE or second == _LOOSE:
        return 0.0
    if first == _HAIR_MASS or second == _HAIR_MASS:
        return 0.0 if first == second else 1.0
    a, b = depth[row, column], depth[y, x]
    here, there = a < np.inf, b < np.inf
    if not here and not there:
        return 0.0
    if here != there or abs(a - b) > OUTLINE_DEPTH_M:
        return 1.0
    if first != second:
        return 0.6
    cosine = 0.0
    for c in range(3):
        cosine += normal[row, column, c] * normal[y, x, c]
    return 0.5 if cosine < OUTLINE_ANGLE_COS else 0.0


@kernel
def gather_transparent(triangles, order, depth, near):
    """Fragments of the triangles in `order` that lie in front of `depth` (H, W): triangle (N,),
    barycentrics (N, 3) and pixel (N, 2), in the order of the triangles."""
    triangle, bary, pixel = _no_fragments(np.int64(0))
    for pass_ in range(2):
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
                    if pass_ == 1:
                        triangle[count] = f
                        bary[count, 0], bary[count, 1], bary[count, 2] = b0, b1, b2
                        pixel[count, 0], pixel[count, 1] = row, column
                    count += 1
        if pass_ == 0:
            triangle, bary, pixel = _no_fragments(count)
    return triangle, bary, pixel


@inner
def _no_fragments(count):
    return (
        np.zeros(count, np.int32),
        np.zeros((count, 3), np.float32),
        np.zeros((count, 2), np.int64),
    )


@kernel
def composite(image, colour, pixel):
    """Composite fragments, ordered back to front, over the premultiplied `image` (H, W, 4)."""
    for s in range(colour.shape[0]):
        under = image[pixel[s, 0], pixel[s, 1]]
        for c in range(4):
            under[c] = colour[s, c] + (1.0 - colour[s, 3]) * under[c]

"""Ink lines over a shaded image: silhouettes, borders of regions, folds and creases, each as wide
as it is strong, and wider on the side away from the light."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.ndimage import uniform_filter

from portraiture.ops.inner import inner, kernel

INK = np.array([0.010, 0.008, 0.014], np.float32)
"""Display-linear colour of the lines."""

FOLD_M = 0.004
"""Jump of depth, beyond the surface's slope, at which one surface in front of another begins."""

CREASE_COS = 0.80
"""Cosine of normals about a line's width apart below which a valley is drawn."""

SILHOUETTE, BORDER, FOLD, CREASE = 1.0, 0.42, 0.6, 0.38
"""Relative width of each kind of line."""

_HAIR_MASS = 1 << 20
_LOOSE = 1 << 21
"""Region ids: strands of hair as one mass, and strands without outlines."""


def draw_ink(
    image: Float[ndarray, "H W 4"],
    depth: Float[ndarray, "H W"],
    normal: Float[ndarray, "H W 3"],
    group: Int[ndarray, "H W"],
    hair: Bool[ndarray, "H W"],
    light: Float[ndarray, "3"],
    radius: float,
) -> None:
    """Draw ink lines, in place.

    group: -1 for background; group 0 has no lines of its own. hair: samples of strands that are
    outlined as one mass, where more than half of the neighbourhood is hair. light: unit vector
    towards the key light. radius: half the width of a silhouette, samples.
    """
    region = group.astype(np.int32)
    if hair.any() or (group == 0).any():
        mass = uniform_filter(hair.astype(np.float32), 8 * max(int(np.ceil(radius)), 1) + 1) > 0.5
        loose = ((group == 0) | hair) & ~mass
        region = np.where(mass, _HAIR_MASS, np.where(loose, _LOOSE, group)).astype(np.int32)
    reach = max(round(radius), 1)
    cover = np.zeros(depth.shape, np.float32)
    _lines(cover, depth, normal, region, np.asarray(light, np.float64), reach, float(radius))
    k = cover[..., None]
    image[..., :3] += k * (INK - image[..., :3])
    image[..., 3:] = np.maximum(image[..., 3:], k)


@kernel
def _lines(cover, depth, normal, region, light, reach, radius):
    """Stamp a disc at every sample on a line."""
    height, width = depth.shape
    for row in range(height):
        for column in range(width):
            if region[row, column] == _LOOSE:
                continue
            strength = 0.0
            for turn in range(2):
                dy, dx = turn, 1 - turn
                strength = max(strength, _line(depth, normal, region, row, column, dy, dx, reach))
            if strength <= 0.0:
                continue
            shaded = 0.0
            if depth[row, column] < np.inf:
                for c in range(3):
                    shaded -= normal[row, column, c] * light[c]
            r = radius * strength * (1.0 + 0.35 * shaded)
            _stamp(cover, row, column, max(r, 0.45))


@inner
def _stamp(cover, row, column, radius):
    reach = int(radius + 1.0)
    for y in range(max(row - reach, 0), min(row + reach + 1, cover.shape[0])):
        for x in range(max(column - reach, 0), min(column + reach + 1, cover.shape[1])):
            distance = np.sqrt(float((y - row) ** 2 + (x - column) ** 2))
            k = np.float32(min(max(radius + 0.5 - distance, 0.0), 1.0))
            cover[y, x] = max(cover[y, x], k)


@inner
def _line(depth, normal, region, row, column, dy, dx, reach):
    """Relative width of a line between a sample and the next one along (dy, dx); 0 for none."""
    height, width = depth.shape
    y, x = row + dy, column + dx
    if y >= height or x >= width:
        return 0.0
    first, second = region[row, column], region[y, x]
    if second == _LOOSE:
        return 0.0
    a, b = depth[row, column], depth[y, x]
    here, there = a < np.inf, b < np.inf
    if here != there:
        return SILHOUETTE
    if not here or (first == _HAIR_MASS and second == _HAIR_MASS):
        return 0.0
    jump = abs(a - b)
    before_y, before_x, after_y, after_x = row - dy, column - dx, y + dy, x + dx
    if before_y >= 0 and before_x >= 0 and depth[before_y, before_x] < np.inf:
        jump = min(jump, abs(a - b - (depth[before_y, before_x] - a)))
    if after_y < height and after_x < width and depth[after_y, after_x] < np.inf:
        jump = min(jump, abs(a - b - (b - depth[after_y, after_x])))
    if jump > FOLD_M:
        return min(FOLD + jump * 12.0, SILHOUETTE)
    if first != second:
        return BORDER
    return _crease(depth, normal, region, row, column, dy, dx, reach)


@inner
def _crease(depth, normal, region, row, column, dy, dx, reach):
    """Line at a valley: normals that face each other over a line's width."""
    height, width = depth.shape
    y0, x0, y1, x1 = row - reach * dy, column - reach * dx, row + reach * dy, column + reach * dx
    if y0 < 0 or x0 < 0 or y1 >= height or x1 >= width:
        return 0.0
    if region[y0, x0] != region[row, column] or region[y1, x1] != region[row, column]:
        return 0.0
    cosine, length0, length1 = 0.0, 0.0, 0.0
    for c in range(3):
        cosine += normal[y0, x0, c] * normal[y1, x1, c]
        length0 += normal[y0, x0, c] ** 2
        length1 += normal[y1, x1, c] ** 2
    cosine /= max(np.sqrt(length0 * length1), 1e-9)
    middle = depth[row, column]
    valley = middle - 0.5 * (depth[y0, x0] + depth[y1, x1])
    if cosine < CREASE_COS and valley > 0.0:
        return CREASE * min(0.6 + 2.0 * (CREASE_COS - cosine), 1.5)
    return 0.0

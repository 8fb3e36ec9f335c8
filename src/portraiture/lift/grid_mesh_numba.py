"""Kernels of `grid_mesh`: a z-buffer over the triangles of a grid, and its gradients by
scatter-add. One image is one piece of parallel work."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from portraiture.ops.inner import inlined, inner
from portraiture.ops.parallel import one_at_a_time

ON_EDGE = -2
"""ON_EDGE - f marks a pixel that triangle f touches only by its edge."""


@inlined
def corners_of(triangle, size):
    """Rows and columns of the three vertices."""
    cells = (size - 1) * (size - 1)
    second = triangle >= cells
    cell = triangle - cells if second else triangle
    row, column = cell // (size - 1), cell % (size - 1)
    if second:
        return row, column + 1, row + 1, column, row + 1, column + 1
    return row, column, row + 1, column, row, column + 1


@inlined
def edge(px, py, ax, ay, bx, by):
    """Twice the signed area of a triangle."""
    return (px - ax) * (by - ay) - (py - ay) * (bx - ax)


@inlined
def weights_at(xy, r0, c0, r1, c1, r2, c2, x, y, tiny):
    """Barycentrics of a place on the screen, and twice the triangle's area."""
    ax, ay = xy[r0, c0, 0], xy[r0, c0, 1]
    bx, by = xy[r1, c1, 0], xy[r1, c1, 1]
    cx, cy = xy[r2, c2, 0], xy[r2, c2, 1]
    area = edge(cx, cy, ax, ay, bx, by) + tiny
    w0 = edge(x, y, bx, by, cx, cy) / area
    w1 = edge(x, y, cx, cy, ax, ay) / area
    return w0, w1, edge(x, y, ax, ay, bx, by) / area, area


@one_at_a_time
@njit(cache=True, parallel=True, error_model="numpy")
def rasterize(xy, z, values, background, background_depth, tiny, slack):
    """Values (B, S, S, 3), depth and triangle (B, S, S) of every pixel; see `grid_mesh`."""
    image = np.full(values.shape, background, values.dtype)
    depth = np.full(z.shape, np.inf, z.dtype)
    triangle = np.full(z.shape, -1, np.int64)
    for b in prange(z.shape[0]):
        _fill(xy[b], z[b], depth[b], triangle[b], tiny, slack)
        _interpolate(xy[b], values[b], depth[b], triangle[b], image[b], background_depth, tiny)
    return image, depth, triangle


@inner
def _fill(xy, z, depth, triangle, tiny, slack):
    size, half = z.shape[0], 0.5 * z.shape[0]
    for f in range(2 * (size - 1) * (size - 1)):
        r0, c0, r1, c1, r2, c2 = corners_of(f, size)
        z0, z1, z2 = z[r0, c0], z[r1, c1], z[r2, c2]
        ax, ay = xy[r0, c0, 0], xy[r0, c0, 1]
        bx, by = xy[r1, c1, 0], xy[r1, c1, 1]
        cx, cy = xy[r2, c2, 0], xy[r2, c2, 1]
        area = edge(cx, cy, ax, ay, bx, by)
        if not abs(area) > tiny or z0 < tiny or z1 < tiny or z2 < tiny:
            continue
        area = area + tiny
        left = max(math.ceil((min(ax, bx, cx) + 1.0) * half - 0.5 - slack), 0)
        right = min(math.floor((max(ax, bx, cx) + 1.0) * half - 0.5 + slack), size - 1)
        top = max(math.ceil((min(ay, by, cy) + 1.0) * half - 0.5 - slack), 0)
        bottom = min(math.floor((max(ay, by, cy) + 1.0) * half - 0.5 + slack), size - 1)
        for row in range(top, bottom + 1):
            y = (2.0 * row + 1.0) / size - 1.0
            for column in range(left, right + 1):
                x = (2.0 * column + 1.0) / size - 1.0
                w0 = edge(x, y, bx, by, cx, cy) / area
                w1 = edge(x, y, cx, cy, ax, ay) / area
                w2 = edge(x, y, ax, ay, bx, by) / area
                smallest = min(w0, w1, w2)
                if smallest <= -slack:
                    continue
                height = w0 * z0 + w1 * z1 + w2 * z2
                strict, loose = smallest > 0.0, triangle[row, column] < 0
                if height < 0.0 or (not strict and not loose):
                    continue
                if height < depth[row, column] or (strict and loose):
                    depth[row, column] = height
                    triangle[row, column] = f if strict else ON_EDGE - f
    for row in range(size):
        for column in range(size):
            if triangle[row, column] <= ON_EDGE:
                triangle[row, column] = ON_EDGE - triangle[row, column]


@inner
def _interpolate(xy, values, depth, triangle, image, background_depth, tiny):
    size = depth.shape[0]
    for row in range(size):
        y = (2.0 * row + 1.0) / size - 1.0
        for column in range(size):
            f = triangle[row, column]
            if f < 0:
                depth[row, column] = background_depth
                continue
            x = (2.0 * column + 1.0) / size - 1.0
            r0, c0, r1, c1, r2, c2 = corners_of(f, size)
            w0, w1, w2, _ = weights_at(xy, r0, c0, r1, c1, r2, c2, x, y, tiny)
            for k in range(values.shape[2]):
                total = w0 * values[r0, c0, k] + w1 * values[r1, c1, k] + w2 * values[r2, c2, k]
                image[row, column, k] = total


@one_at_a_time
@njit(cache=True, parallel=True, error_model="numpy")
def scatter_gradients(xy, values, triangle, gradient, tiny):
    """Gradients with respect to xy and values, of one with respect to the image (B, S, S, 3)."""
    on_xy, on_values = np.zeros_like(xy), np.zeros_like(values)
    for b in prange(xy.shape[0]):
        _scatter(xy[b], values[b], triangle[b], gradient[b], tiny, on_xy[b], on_values[b])
    return on_xy, on_values


@inner
def _scatter(xy, values, triangle, gradient, tiny, on_xy, on_values):
    size = triangle.shape[0]
    for row in range(size):
        y = (2.0 * row + 1.0) / size - 1.0
        for column in range(size):
            f = triangle[row, column]
            if f < 0:
                continue
            x = (2.0 * column + 1.0) / size - 1.0
            r0, c0, r1, c1, r2, c2 = corners_of(f, size)
            ax, ay = xy[r0, c0, 0], xy[r0, c0, 1]
            bx, by = xy[r1, c1, 0], xy[r1, c1, 1]
            cx, cy = xy[r2, c2, 0], xy[r2, c2, 1]
            w0, w1, w2, area = weights_at(xy, r0, c0, r1, c1, r2, c2, x, y, tiny)
            g0, g1, g2 = 0.0, 0.0, 0.0
            for k in range(values.shape[2]):
                g = gradient[row, column, k]
                on_values[r0, c0, k] += w0 * g
                on_values[r1, c1, k] += w1 * g
                on_values[r2, c2, k] += w2 * g
                g0 += g * values[r0, c0, k]
                g1 += g * values[r1, c1, k]
                g2 += g * values[r2, c2, k]
            # w = e / area: dw = (de - w d(area)) / area, summed over the three weights
            mean = g0 * w0 + g1 * w1 + g2 * w2
            g0, g1, g2, mean = g0 / area, g1 / area, g2 / area, mean / area
            on_xy[r0, c0, 0] += g1 * (cy - y) + g2 * (y - by) - mean * (cy - by)
            on_xy[r0, c0, 1] += g1 * (x - cx) + g2 * (bx - x) - mean * (bx - cx)
            on_xy[r1, c1, 0] += g0 * (y - cy) + g2 * (ay - y) - mean * (ay - cy)
            on_xy[r1, c1, 1] += g0 * (cx - x) + g2 * (x - ax) - mean * (cx - ax)
            on_xy[r2, c2, 0] += g0 * (by - y) + g1 * (y - ay) - mean * (by - ay)
            on_xy[r2, c2, 1] += g0 * (x - bx) + g1 * (ax - x) - mean * (ax - bx)

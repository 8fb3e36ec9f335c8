"""The CPU rasteriser: homogeneous edge functions, bands of rows in parallel, alpha test.

points ──set_up──▶ edges, boxes ──bin_rows──▶ triangles per band ──fill──▶ triangle, bary, depth

Triangles are never clipped: with homogeneous pixel coordinates P = (x z, y z, z) the three edge
functions are rows of the inverse of [P0 P1 P2], so coverage, perspective-correct barycentrics and
1/z follow from the same three numbers, even if corners lie behind the camera (Olano and Greer
1997, "Triangle scan conversion using 2D homogeneous coordinates", section 4).

Edge functions of the two triangles at a shared edge are exact negatives of each other in floating
point (products and differences round symmetrically), and the sign of the edge's coefficients
decides to which of them a sample exactly on the edge belongs, so there are no gaps and no overlaps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from portraiture.ops.inner import inlined, kernel
from portraiture.ops.parallel import in_threads
from portraiture.render.alpha_test import AlphaTest
from portraiture.render.texture_numba import sample_channel

BAND = 8
"""Rows per band, the unit of parallel work."""


class Triangles(NamedTuple):
    """Triangles set up for rasterisation.

    edges: (F, 9) coefficients a, b, c of the three edge functions a x + b y + c, positive inside.
    scale: (F,) 1/|det|. box: (F, 4) int32 first and last column, first and last row.
    """

    edges: ndarray
    scale: ndarray
    box: ndarray


def rasterize_numba(
    points: ndarray,
    faces: ndarray,
    size: tuple[int, int],
    *,
    near: float,
    cull: ndarray,
    alpha: AlphaTest | None = None,
) -> tuple[ndarray, ndarray, ndarray]:
    """Find the nearest triangle at every pixel centre of one image.

    points: (V, 3) float64 homogeneous pixels. faces: (F, 3) int32. cull: (F,) uint8, 1 culls the
    triangle if it faces away.
    Returns triangle (H, W) int32 with -1 for none, barycentric (H, W, 3) float32 and depth (H, W)
    float32 with inf for none.
    """
    height, width = size
    triangles = set_up(points, faces, cull, height, width, near)
    start, order = bin_rows(triangles.box, height)
    if alpha is None:
        alpha = AlphaTest(
            np.full(len(faces), -1.0, np.float32),
            np.zeros((len(faces), 3), np.int64),
            np.zeros((len(points), 2), np.float32),
            np.zeros(4, np.uint8),
        )
    triangle = np.empty((height, width), np.int32)
    bary = np.empty((height, width, 3), np.float32)
    depth = np.empty((height, width), np.float32)
    in_threads(
        _fill, len(start) - 1, triangles, alpha, faces, start, order, near, triangle, bary, depth
    )
    return triangle, bary, depth


def set_up(
    points: ndarray, faces: ndarray, cull: ndarray, height: int, width: int, near: float
) -> Triangles:
    """Set up `Triangles` from homogeneous points; the box is empty if a triangle is not visible."""
    count = len(faces)
    triangles = Triangles(np.empty((count, 9)), np.empty(count), np.empty((count, 4), np.int32))
    in_threads(_set_up, count, points, faces, cull, height, width, near, *triangles)
    return triangles


@kernel
def _set_up(points, faces, cull, height, width, near, edges, scale, box, first, end):
    for f in range(first, end):
        box[f, 0], box[f, 1], box[f, 2], box[f, 3] = 0, -1, 0, -1
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        det = _edges_of(points, a, b, c, edges[f])
        if not abs(det) > 1e-300 or (cull[f] != 0 and det > 0.0):
            continue
        scale[f] = 1.0 / abs(det)
        az, bz, cz = points[a, 2], points[b, 2], points[c, 2]
        if az < near and bz < near and cz < near:
            continue
        x0, x1, y0, y1 = 0.0, width - 1.0, 0.0, height - 1.0
        if az >= near and bz >= near and cz >= near:
            ax, bx, cx = points[a, 0] / az, points[b, 0] / bz, points[c, 0] / cz
            ay, by, cy = points[a, 1] / az, points[b, 1] / bz, points[c, 1] / cz
            x0 = max(x0, np.floor(min(ax, bx, cx) - 0.5))
            x1 = min(x1, np.ceil(max(ax, bx, cx) - 0.5))
            y0 = max(y0, np.floor(min(ay, by, cy) - 0.5))
            y1 = min(y1, np.ceil(max(ay, by, cy) - 0.5))
        if x1 >= x0 and y1 >= y0:
            box[f, 0], box[f, 1], box[f, 2], box[f, 3] = int(x0), int(x1), int(y0), int(y1)


@inlined
def _edges_of(points, a, b, c, edges):
    """Write the edge coefficients, positive inside; returns det [Pa Pb Pc].

    A front-facing (counter-clockwise) triangle has det < 0 in OpenCV's camera frame.
    """
    ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
    bx, by, bz = points[b, 0], points[b, 1], points[b, 2]
    cx, cy, cz = points[c, 0], points[c, 1], points[c, 2]
    ux, uy, uz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    vx, vy, vz = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
    wx, wy, wz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    det = ax * ux + ay * uy + az * uz
    sign = 1.0 if det > 0.0 else -1.0
    edges[0], edges[1], edges[2] = sign * ux, sign * uy, sign * uz
    edges[3], edges[4], edges[5] = sign * vx, sign * vy, sign * vz
    edges[6], edges[7], edges[8] = sign * wx, sign * wy, sign * wz
    return det


@kernel
def bin_rows(box, height):
    """Triangles of each band of rows, in order: ``order[start[b]:start[b + 1]]``."""
    bands = (height + BAND - 1) // BAND
    start = np.zeros(bands + 1, np.int64)
    for f in range(box.shape[0]):
        if box[f, 1] >= box[f, 0]:
            for band in range(box[f, 2] // BAND, box[f, 3] // BAND + 1):
                start[band + 1] += 1
    for band in range(bands):
        start[band + 1] += start[band]
    cursor = start[:-1].copy()
    order = np.empty(start[bands], np.int32)
    for f in range(box.shape[0]):
        if box[f, 1] >= box[f, 0]:
            for band in range(box[f, 2] // BAND, box[f, 3] // BAND + 1):
                order[cursor[band]] = f
                cursor[band] += 1
    return start, order


@inlined
def inside(e, a, b):
    """Whether a sample with edge value `e` counts as covered; a, b: the edge's coefficients."""
    return e > 0.0 or (e == 0.0 and (a > 0.0 or (a == 0.0 and b > 0.0)))


@inlined
def row_span(edges, f, y, x0, x1):
    """Range of columns at height y (pixels) whose centres can lie in triangle f, with a margin of
    one pixel."""
    low, high = float(x0), float(x1)
    for k in range(3):
        a = edges[f, 3 * k]
        rest = edges[f, 3 * k + 1] * y + edges[f, 3 * k + 2]
        if a > 0.0:
            low = max(low, np.floor(-rest / a - 1.5))
        elif a < 0.0:
            high = min(high, np.ceil(-rest / a + 0.5))
        elif rest < 0.0:
            return 0, -1
    if high < low:
        return 0, -1
    return int(low), int(high)


@inlined
def barycentric_at(edges, f, x, y):
    """Perspective-correct barycentrics of a sample and their unscaled sum; the sum is 0 outside."""
    e0 = edges[f, 0] * x + (edges[f, 1] * y + edges[f, 2])
    e1 = edges[f, 3] * x + (edges[f, 4] * y + edges[f, 5])
    e2 = edges[f, 6] * x + (edges[f, 7] * y + edges[f, 8])
    if not (
        inside(e0, edges[f, 0], edges[f, 1])
        and inside(e1, edges[f, 3], edges[f, 4])
        and inside(e2, edges[f, 6], edges[f, 7])
    ):
        return 0.0, 0.0, 0.0, 0.0
    total = e0 + e1 + e2
    return e0 / total, e1 / total, e2 / total, total


@inlined
def opacity_at(alpha, faces, f, b0, b1, b2):
    """Texture alpha in [0, 255] at a fragment of triangle f."""
    i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
    u = b0 * alpha.uv[i, 0] + b1 * alpha.uv[j, 0] + b2 * alpha.uv[k, 0]
    v = b0 * alpha.uv[i, 1] + b1 * alpha.uv[j, 1] + b2 * alpha.uv[k, 1]
    t = alpha.texture
    return sample_channel(alpha.texels, t[f, 0], t[f, 1], t[f, 2], 4, 3, u, v)


@inlined
def cutoff_at(alpha, f, row, column):
    """The triangle's cutoff at a sample, see `AlphaTest.spread`."""
    order = 2 * ((row ^ column) & 1) + (row & 1)
    turn = (order + f) & 3
    return alpha.cutoff[f] * (1.0 + alpha.spread * (turn - 1.5) / 1.5)


@kernel
def _fill(triangles, alpha, faces, start, order, near, triangle, bary, depth, first, last):
    """Depth-test all fragments of the bands `first` to `last` - 1."""
    height, width = triangle.shape
    nearest = np.empty((BAND, width), np.float64)
    for band in range(first, last):
        top, end = band * BAND, min(band * BAND + BAND, height)
        for row in range(top, end):
            for column in range(width):
                nearest[row - top, column] = 0.0
                triangle[row, column] = -1
        for slot in range(start[band], start[band + 1]):
            f = order[slot]
            for row in range(max(top, triangles.box[f, 2]), min(end - 1, triangles.box[f, 3]) + 1):
                _fill_row(triangles, alpha, faces, f, row, near, nearest, triangle)
        for row in range(top, end):
            _resolve_row(triangles, row, triangle, bary, depth)


@inlined
def _fill_row(triangles, alpha, faces, f, row, near, nearest, triangle):
    """Depth-test the fragments of triangle f in one row; `nearest` holds the largest 1/z so far."""
    edges, line, y = triangles.edges, row % BAND, row + 0.5
    first, last = triangles.box[f, 0], triangles.box[f, 1]
    if last - first > 3:
        first, last = row_span(edges, f, y, first, last)
    a0, a1, a2 = edges[f, 0], edges[f, 3], edges[f, 6]
    r0 = edges[f, 1] * y + edges[f, 2]
    r1 = edges[f, 4] * y + edges[f, 5]
    r2 = edges[f, 7] * y + edges[f, 8]
    scale, farthest = triangles.scale[f], 1.0 / near
    for column in range(first, last + 1):
        x = column + 0.5
        e0, e1, e2 = a0 * x + r0, a1 * x + r1, a2 * x + r2
        if e0 < 0.0 or e1 < 0.0 or e2 < 0.0:
            continue
        total = e0 + e1 + e2
        inverse = total * scale
        if inverse <= nearest[line, column] or inverse > farthest:
            continue
        if e0 == 0.0 or e1 == 0.0 or e2 == 0.0:
            owned = inside(e0, a0, edges[f, 1]) and inside(e1, a1, edges[f, 4])
            if not (owned and inside(e2, a2, edges[f, 7])):
                continue
        if alpha.cutoff[f] >= 0.0:
            opacity = opacity_at(alpha, faces, f, e0 / total, e1 / total, e2 / total)
            if opacity < cutoff_at(alpha, f, row, column) * 255.0:
                continue
        nearest[line, column] = inverse
        triangle[row, column] = f


@inlined
def _resolve_row(triangles, row, triangle, bary, depth):
    """Write barycentrics and depth of the visible triangles in one row, 0 and inf for none."""
    for column in range(triangle.shape[1]):
        f = triangle[row, column]
        b0, b1, b2, distance = 0.0, 0.0, 0.0, np.inf
        if f >= 0:
            b0, b1, b2, total = barycentric_at(triangles.edges, f, column + 0.5, row + 0.5)
            distance = 1.0 / (total * triangles.scale[f])
        bary[row, column, 0], bary[row, column, 1], bary[row, column, 2] = b0, b1, b2
        depth[row, column] = distance

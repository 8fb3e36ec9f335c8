"""The point of a mesh that is closest to a point."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial import KDTree

from portraiture.ops.inner import inlined, kernel

_NEAREST_TRIANGLES = 12


def closest_on_mesh(
    points: Float[ndarray, "P 3"], vertices: Float[ndarray, "V 3"], faces: Int[ndarray, "F 3"]
) -> tuple[Int[ndarray, "P"], Float[ndarray, "P 3"]]:
    """Triangle and barycentric coordinates of the nearest point of a mesh.

    Exact among the twelve triangles with the nearest centroids.
    """
    points = np.ascontiguousarray(points, np.float64)
    corners = np.ascontiguousarray(vertices[faces], np.float64)
    near = min(_NEAREST_TRIANGLES, len(faces))
    _, candidate = KDTree(corners.mean(1)).query(points, k=near, workers=1)
    face, barycentric = np.zeros(len(points), np.int64), np.zeros((len(points), 3))
    candidate = candidate.reshape(len(points), near).astype(np.int64)
    _closest_of(points, corners, candidate, face, barycentric)
    return face, barycentric


@kernel
def _closest_of(points, corners, candidate, face, barycentric):
    """Nearest candidate triangle of each point, and barycentric coordinates in it."""
    for i in range(len(points)):
        best = np.inf
        for f in candidate[i]:
            weights = closest_barycentric(points[i], corners[f])
            distance = 0.0
            for c in range(3):
                foot = 0.0
                for k in range(3):
                    foot += weights[k] * corners[f, k, c]
                distance += (foot - points[i, c]) ** 2
            if distance < best:
                best, face[i] = distance, f
                for k in range(3):
                    barycentric[i, k] = weights[k]


@kernel
def closest_barycentric(point, corners):
    """Three barycentric coordinates of a triangle's (3, 3) point closest to `point` (3,).

    The projection onto the plane if it is inside, else the nearest of the three edges' closest
    points.
    """
    e1, e2 = _difference(corners[1], corners[0]), _difference(corners[2], corners[0])
    p = _difference(point, corners[0])
    d11, d12, d22 = _dot(e1, e1), _dot(e1, e2), _dot(e2, e2)
    q1, q2 = _dot(p, e1), _dot(p, e2)
    det = max(d11 * d22 - d12 * d12, 1e-24)
    u, v = (d22 * q1 - d12 * q2) / det, (d11 * q2 - d12 * q1) / det
    if u >= 0.0 and v >= 0.0 and u + v <= 1.0:
        return 1.0 - u - v, u, v
    best, first, share = np.inf, 0, 0.0
    for i in range(3):
        edge = _difference(corners[(i + 1) % 3], corners[i])
        offset = _difference(point, corners[i])
        along = min(max(_dot(offset, edge) / max(_dot(edge, edge), 1e-24), 0.0), 1.0)
        gap = _difference(offset, (along * edge[0], along * edge[1], along * edge[2]))
        distance = _dot(gap, gap)
        if distance < best:
            best, first, share = distance, i, along
    if first == 0:
        return 1.0 - share, share, 0.0
    if first == 1:
        return 0.0, 1.0 - share, share
    return share, 0.0, 1.0 - share


@inlined
def _difference(a, b):
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


@inlined
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]

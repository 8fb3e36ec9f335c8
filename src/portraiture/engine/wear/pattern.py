"""Garment patterns: cut once on the base mesh's body helper, then worn by any body.

Every vertex of a garment is a weighted mean of vertices of the subdivided body helper
(``helper-tights``, a smooth skin-tight hull), so it follows sex, weight and muscle. A level
function on the base mesh defines where the fabric ends.

helper quads ──Catmull-Clark──▶ Hull ──cut along levels──▶ triangles, ──loops──▶ hems and collars
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.sparse import coo_matrix, csr_matrix, vstack

from portraiture.engine.head import HeadModel


@dataclass(frozen=True, eq=False)
class Hull:
    """The subdivided helper. H hull vertices, V baked vertices.

    rows: (H, V) weights of baked vertices. faces: (F, 3) hull indices, facing outward. edges:
    (E, 2), unique. points: (H, 3) positions on the base mesh.
    """

    rows: csr_matrix
    faces: Int[ndarray, "F 3"]
    edges: Int[ndarray, "E 2"]
    points: Float[ndarray, "H 3"]


@dataclass(frozen=True)
class Cut:
    """Cloth cut from a hull. rows: (N, H) weights of hull vertices. faces: (F, 3) row indices."""

    rows: csr_matrix
    faces: Int[ndarray, "F 3"]


@lru_cache(maxsize=2)
def body_hull(model: HeadModel, low_m: float = 0.34, half_width_m: float = 0.37) -> Hull:
    """The helper above `low_m` and within `half_width_m` of the midline, subdivided once."""
    template = model.arrays["template"].astype(np.float64)
    quads = model.arrays["quads:helper-tights"].astype(np.int64)
    corners = template[quads]
    kept = (corners[:, :, 1].max(1) > low_m) & (np.abs(corners[:, :, 0]).min(1) < half_width_m)
    used, quads = np.unique(quads[kept], return_inverse=True)
    quads = quads.reshape(-1, 4)
    first = coo_matrix(
        (np.ones(len(used)), (np.arange(len(used)), used)), shape=(len(used), len(template))
    ).tocsr()
    weights, fine = catmull_clark(quads, len(used))
    rows = csr_matrix(weights @ first)
    points = rows @ template
    faces = np.concatenate([fine[:, [0, 1, 2]], fine[:, [0, 2, 3]]])
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return Hull(rows, faces, np.unique(np.sort(edges, axis=1), axis=0), points)


def catmull_clark(quads: Int[ndarray, "Q 4"], count: int) -> tuple[csr_matrix, ndarray]:
    """One step of Catmull and Clark (1978) on quads: (new vertices, old vertices) weights and the
    (4Q, 4) new quads. New vertices: the old ones, then face points, then edge points. Boundary
    edges and vertices follow the cubic B-spline rule."""
    number = len(quads)
    pairs = np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2)
    edges, of_corner, uses = np.unique(
        np.sort(pairs, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    of_corner = of_corner.reshape(number, 4)
    face_point = _matrix(np.repeat(np.arange(number), 4), quads.ravel(), 0.25, (number, count))
    ends = _matrix(np.repeat(np.arange(len(edges)), 2), edges.ravel(), 0.5, (len(edges), count))
    beside = _matrix(of_corner.ravel(), np.repeat(np.arange(number), 4), 0.5, (len(edges), number))
    border = uses == 1
    inner = diagonal(~border)
    edge_point = inner @ (0.5 * ends + 0.5 * (beside @ face_point)) + diagonal(border) @ ends
    valence = np.bincount(edges.ravel(), minlength=count).astype(float)
    sum_edges = _matrix(
        edges.ravel(), np.repeat(np.arange(len(edges)), 2), 1.0, (count, len(edges))
    )
    sum_faces = _matrix(quads.ravel(), np.repeat(np.arange(number), 4), 1.0, (count, number))
    mean_edge = diagonal(1.0 / np.maximum(valence, 1)) @ sum_edges @ ends
    mean_face = (
        diagonal(1.0 / np.maximum(np.bincount(quads.ravel(), minlength=count), 1))
        @ sum_faces
        @ face_point
    )
    keep = diagonal((valence - 3.0) / np.maximum(valence, 1))
    vertex = keep + diagonal(1.0 / np.maximum(valence, 1)) @ (mean_face + 2.0 * mean_edge)
    on_border = np.zeros(count, bool)
    on_border[edges[border].ravel()] = True
    border_sum = sum_edges @ diagonal(border) @ ends
    rule = 0.5 * diagonal(np.ones(count)) + 0.25 * border_sum
    vertex = diagonal(~on_border) @ vertex + diagonal(on_border) @ rule
    faces = np.arange(number) + count
    edge = of_corner + count + number
    fine = [np.stack([quads[:, k], edge[:, k], faces, edge[:, k - 1]], axis=1) for k in range(4)]
    return stack([vertex, face_point, edge_point]), np.concatenate(fine)


def cut(part: Cut, level: Float[ndarray, "N"]) -> Cut:
    """Keep the cloth where ``level > 0``; triangles are clipped where the level crosses zero."""
    positive = level > 0
    inside = positive[part.faces]
    whole = part.faces[inside.all(1)]
    mixed = part.faces[inside.any(1) & ~inside.all(1)]
    rows = [part.rows]
    total = len(level)
    edge = np.sort(np.concatenate([mixed[:, [0, 1]], mixed[:, [1, 2]], mixed[:, [2, 0]]]), axis=1)
    edge = np.unique(edge[positive[edge[:, 0]] != positive[edge[:, 1]]], axis=0)
    rows.append(crossing_rows(part, edge, level))
    index = {(int(a), int(b)): total + k for k, (a, b) in enumerate(edge)}
    triangles: list[tuple[int, int, int]] = []
    for face in mixed:
        polygon: list[int] = []
        for k in range(3):
            a, b = int(face[k]), int(face[(k + 1) % 3])
            if positive[a]:
                polygon.append(a)
            if positive[a] != positive[b]:
                polygon.append(index[min(a, b), max(a, b)])
        triangles += [(polygon[0], polygon[k], polygon[k + 1]) for k in range(1, len(polygon) - 1)]
    faces = np.concatenate([whole, np.array(triangles, np.int64).reshape(-1, 3)])
    used, faces = np.unique(faces, return_inverse=True)
    return Cut(csr_matrix(stack(rows)[used]), faces.reshape(-1, 3))


def crossing_rows(part: Cut, edges: Int[ndarray, "E 2"], level: Float[ndarray, "N"]) -> csr_matrix:
    """(E, H) weights of the points on `edges` where the level is zero."""
    a, b = level[edges[:, 0]], level[edges[:, 1]]
    share = a / (a - b)
    count = np.arange(len(edges))
    pick = coo_matrix(
        (
            np.concatenate([1.0 - share, share]),
            (np.concatenate([count, count]), np.concatenate([edges[:, 0], edges[:, 1]])),
        ),
        shape=(len(edges), len(level)),
    )
    return csr_matrix(csr_matrix(pick) @ part.rows)


def ring(
    hull: Hull,
    level: Float[ndarray, "H"],
    angle: Float[ndarray, "H"],
    samples: Float[ndarray, "N"],
    *,
    among: Bool[ndarray, "H"] | None = None,
) -> csr_matrix:
    """(N, H) weights of the points of a closed curve around an axis at the angles `samples`.

    The curve is the zero crossing of `level` on the hull (between the vertices `among`); `angle` is
    each hull vertex's angle around the axis, over which the curve must be single-valued. Radians.
    """
    edges = hull.edges
    crosses = (level[edges[:, 0]] > 0) != (level[edges[:, 1]] > 0)
    if among is not None:
        crosses &= among[edges].all(1)
    edges = edges[crosses]
    whole = Cut(diagonal(np.ones(len(level))), hull.faces)
    rows = crossing_rows(whole, edges, level)
    direction = rows @ np.stack([np.cos(angle), np.sin(angle)], axis=1)
    around = np.arctan2(direction[:, 1], direction[:, 0])
    order = np.argsort(around)
    around = around[order]
    around = np.concatenate([[around[-1] - 2 * np.pi], around, [around[0] + 2 * np.pi]])
    order = np.concatenate([[order[-1]], order, [order[0]]])
    after = np.clip(np.searchsorted(around, samples), 1, len(around) - 1)
    width = np.maximum(around[after] - around[after - 1], 1e-9)
    share = (samples - around[after - 1]) / width
    before = diagonal(1.0 - share) @ rows[order[after - 1]]
    return csr_matrix(before + diagonal(share) @ rows[order[after]])


def border_loops(faces: Int[ndarray, "F 3"]) -> list[Int[ndarray, "L"]]:
    """Closed loops of border vertices, oriented against their triangles' winding."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pairs = {(int(a), int(b)) for a, b in directed}
    following = {b: a for a, b in pairs if (b, a) not in pairs}
    loops = []
    while following:
        start, current = following.popitem()
        loop = [start]
        while current != start:
            loop.append(current)
            current = following.pop(current)
        loops.append(np.array(loop))
    return loops


def stack(blocks: Sequence[csr_matrix]) -> csr_matrix:
    """Stack matrices vertically."""
    return csr_matrix(vstack(blocks))


def diagonal(values: Float[ndarray, "N"]) -> csr_matrix:
    """The square matrix with these values on its diagonal."""
    index = np.arange(len(values))
    return csr_matrix(coo_matrix((np.asarray(values, float), (index, index))))


def _matrix(rows: ndarray, columns: ndarray, value: float, shape: tuple[int, int]) -> csr_matrix:
    return csr_matrix(coo_matrix((np.full(len(rows), value), (rows, columns)), shape=shape))

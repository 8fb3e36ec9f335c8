"""Swept solids and ellipsoids, for glasses, visors and buttons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from portraiture.engine.shape import vertex_normals


@dataclass(frozen=True)
class Solid:
    """Triangles with uv: metres along the path, fraction of the profile's perimeter."""

    vertices: Float[ndarray, "V 3"]
    faces: Int[ndarray, "F 3"]
    uv: Float[ndarray, "V 2"]
    normals: Float[ndarray, "V 3"]


def tube(rings: Float[ndarray, "N M 3"], *, closed: bool = False, capped: bool = True) -> Solid:
    """Build the surface through rings of M points, counter-clockwise seen from the path's end.

    closed: the last ring connects to the first. capped: the ends of an open tube are filled.
    """
    wrapped = np.concatenate([rings, rings[:, :1]], axis=1)
    if closed:
        wrapped = np.concatenate([wrapped, wrapped[:1]], axis=0)
    length, width = wrapped.shape[:2]
    i, j = np.meshgrid(np.arange(length - 1), np.arange(width - 1), indexing="ij")
    a, b = (i * width + j).ravel(), ((i + 1) * width + j).ravel()
    faces = np.concatenate([np.stack([a, a + 1, b + 1], 1), np.stack([a, b + 1, b], 1)])
    vertices = wrapped.reshape(-1, 3)
    middle = wrapped[:, :-1].mean(1)
    step = np.linalg.norm(np.diff(middle, axis=0), axis=1)
    along = np.repeat(np.concatenate([[0.0], np.cumsum(step)]), width)
    uv = np.stack([along, np.tile(np.linspace(0.0, 1.0, width), length)], axis=1)
    normals = _smooth(vertices, faces, length, width, closed)
    solid = Solid(vertices, faces, uv, normals)
    if closed or not capped:
        return solid
    ends = [_lid(rings[0], facing_back=True), _lid(rings[-1], facing_back=False)]
    return merge([solid, *ends])


def _smooth(vertices: ndarray, faces: ndarray, length: int, width: int, closed: bool) -> ndarray:
    """Smooth normals that agree where the surface closes on itself."""
    normals = vertex_normals(vertices, faces).astype(np.float64).reshape(length, width, 3)
    normals[:, 0] = normals[:, -1] = normals[:, 0] + normals[:, -1]
    if closed:
        normals[0] = normals[-1] = normals[0] + normals[-1]
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-12)
    return normals.reshape(-1, 3)


def _lid(ring: ndarray, *, facing_back: bool) -> Solid:
    centre = ring.mean(0)
    vertices = np.concatenate([ring, centre[None]])
    k = np.arange(len(ring))
    after = (k + 1) % len(ring)
    hub = np.full(len(ring), len(ring))
    faces = np.stack([after, k, hub], 1) if facing_back else np.stack([k, after, hub], 1)
    uv = np.full((len(vertices), 2), 0.5)
    return Solid(vertices, faces, uv, vertex_normals(vertices, faces).astype(np.float64))


def sweep(
    path: Float[ndarray, "N 3"],
    up: Float[ndarray, "3"],
    profile: Float[ndarray, "M 2"],
    *,
    scale: Float[ndarray, "N"] | None = None,
) -> Solid:
    """Sweep a profile along an open path. profile: metres (sideways, up), counter-clockwise
    seen from the path's end, where sideways is up × direction. scale: of the profile."""
    direction = np.gradient(path, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    side = np.cross(up, direction)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    upright = np.cross(direction, side)
    size = np.ones(len(path)) if scale is None else scale
    local = profile[None] * size[:, None, None]
    rings = path[:, None] + local[..., :1] * side[:, None] + local[..., 1:] * upright[:, None]
    return tube(rings)


def rounded_rectangle(
    width: float, height: float, radius: float, corner: int = 3
) -> Float[ndarray, "M 2"]:
    """Counter-clockwise outline with `corner` points on each rounded corner, metres."""
    turn = np.linspace(0.0, 0.5 * np.pi, corner)
    half = np.array([0.5 * width - radius, 0.5 * height - radius])
    points = []
    for k, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        arc = np.stack([np.cos(turn + k * np.pi / 2), np.sin(turn + k * np.pi / 2)], axis=1)
        points.append(half * [sx, sy] + radius * arc)
    return np.concatenate(points)


def ellipse(width: float, height: float, count: int = 8) -> Float[ndarray, "M 2"]:
    """Counter-clockwise outline, metres."""
    turn = np.arange(count) * 2 * np.pi / count
    return 0.5 * np.stack([width * np.cos(turn), height * np.sin(turn)], axis=1)


def ellipsoid(
    centre: Float[ndarray, "3"], axes: Float[ndarray, "3 3"], around: int = 10, rows: int = 7
) -> Solid:
    """axes: rows are the three half axes, right-handed; the poles lie on the third."""
    latitude = np.linspace(-0.46 * np.pi, 0.46 * np.pi, rows)[:, None]
    turn = (np.arange(around) * 2 * np.pi / around)[None]
    unit = np.stack(
        [
            np.cos(latitude) * np.cos(turn),
            np.cos(latitude) * np.sin(turn),
            np.sin(latitude) + 0.0 * turn,
        ],
        axis=2,
    )
    return tube(centre + unit @ axes)


def merge(solids: list[Solid]) -> Solid:
    """Concatenate several solids."""
    start = np.cumsum([0] + [len(s.vertices) for s in solids])
    return Solid(
        np.concatenate([s.vertices for s in solids]),
        np.concatenate([s.faces + k for s, k in zip(solids, start[:-1], strict=True)]),
        np.concatenate([s.uv for s in solids]),
        np.concatenate([s.normals for s in solids]),
    )


def catmull_rom(knots: Float[ndarray, "K D"], count: int, *, closed: bool) -> Float[ndarray, "N D"]:
    """`count` points on the curve through the knots, evenly spaced in the knots' parameter."""
    knots = np.asarray(knots, np.float64)
    if closed:
        extended = np.concatenate([knots[-1:], knots, knots[:2]])
        t = np.arange(count) * len(knots) / count
    else:
        extended = np.concatenate(
            [2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]]
        )
        t = np.linspace(0.0, len(knots) - 1, count)
    k = np.minimum(t.astype(int), len(extended) - 4)
    f = (t - k)[:, None]
    p0, p1, p2, p3 = (extended[k + i] for i in range(4))
    return p1 + 0.5 * f * (
        p2 - p0 + f * (2 * p0 - 5 * p1 + 4 * p2 - p3 + f * (3 * (p1 - p2) + p3 - p0))
    )

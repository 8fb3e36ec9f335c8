"""Brows as solid shapes: a raised band with tapering ends on the brow ridge, bound to the skin."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from portraiture.engine.face import follicles
from portraiture.engine.face.brows import brow_band
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import Binding, HeadShape, vertex_normals
from portraiture.types import Material, Part, Segment

ALONG, ACROSS = 26, 9
"""Vertices along and across each brow."""

LEAST_HALF_M = 0.0012
"""Least half height: thinner brows would look like scratches."""

_LIFT = (1.5, 0.5)
"""Shares of `rise` at the inner and the outer end: raised brows look friendly, not stern."""

_SUNK_M = 0.0004
"""Depth of the border under the skin."""


def make_solid_brows(
    parameters: AvatarParameters,
    shape: HeadShape,
    material: Material,
    *,
    height: float,
    thickness: float = 1.0,
    rise: float = 0.0,
) -> Part:
    """Build both brows. height: of the ridge over the skin, metres. thickness: factor on the brows'
    height in the face. rise: by how much they lie higher, metres on the base mesh. u of the texture
    runs outwards along a brow, v up across it."""
    along, across = np.meshgrid(
        np.linspace(0.0, 1.0, ALONG), np.linspace(-1.0, 1.0, ACROSS), indexing="ij"
    )
    along, across = along.ravel(), across.ravel()
    x, middle, half = brow_band(along, parameters)
    ends = np.sqrt(np.clip(1.0 - (2.0 * along - 1.0) ** 8, 0.0, 1.0))
    half = np.maximum(thickness * half, LEAST_HALF_M)
    y = middle + rise * np.interp(along, [0.0, 1.0], _LIFT) + half * ends * across
    feet = _front(shape, np.concatenate([-x, x]), np.concatenate([y, y]))
    lens = np.tile(ends * np.sqrt(1.0 - across**4), 2)
    lift = (height + _SUNK_M) * lens - _SUNK_M
    vertices = (feet.position + lift[:, None] * feet.normal).astype(np.float32)
    faces = _grid()
    count = len(along)
    faces = np.concatenate([faces, faces[:, ::-1] + count]).astype(np.int32)
    binding = Binding(
        shape, feet.face.astype(np.int32), feet.barycentric.astype(np.float32), vertices
    )
    joints, weights = binding.skinning()
    return Part(
        name="brows",
        vertices=vertices,
        faces=faces,
        normals=vertex_normals(vertices, faces),
        uv=np.tile(np.stack([along, 0.5 + 0.5 * across], axis=1), (2, 1)).astype(np.float32),
        material=material,
        segment=np.repeat([Segment.LEFT_BROW, Segment.RIGHT_BROW], len(faces) // 2).astype(
            np.uint8
        ),
        joints=joints,
        weights=weights,
        morphs=binding.morphs(),
    )


def _front(shape: HeadShape, x: ndarray, y: ndarray) -> follicles.Roots:
    """The foremost skin at canonical (x, y): sockets and the inside of lids lie behind it."""
    skin = follicles.canonical_skin(shape.model).astype(np.float64)
    corners = skin[shape.faces]
    low, high = corners.min(1), corners.max(1)
    near = (np.abs(corners[..., 0]).max(1) < 0.09) & (low[:, 2] > 0.06)
    near = np.flatnonzero(near & (low[:, 1] > 0.68) & (high[:, 1] < 0.84))
    a, b, c = (corners[near, k] for k in range(3))
    first, second = b - a, c - a
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    area = np.where(np.abs(area) > 1e-12, area, np.inf)
    px, py = x[:, None] - a[:, 0], y[:, None] - a[:, 1]
    u = (px * second[:, 1] - py * second[:, 0]) / area
    v = (py * first[:, 0] - px * first[:, 1]) / area
    inside = np.isfinite(area) & (u > -1e-6) & (v > -1e-6) & (u + v < 1.0 + 1e-6)
    z = np.where(inside, a[:, 2] + u * first[:, 2] + v * second[:, 2], -np.inf)
    rows, best = np.arange(len(x)), z.argmax(1)
    u, v = u[rows, best], v[rows, best]
    return follicles.roots_at(shape, near[best], np.stack([1.0 - u - v, u, v], axis=1))


def _grid() -> ndarray:
    """Triangles of one brow, counter-clockwise seen from the front for the person's right one."""
    k, j = np.meshgrid(np.arange(ALONG - 1), np.arange(ACROSS - 1), indexing="ij")
    a = (k * ACROSS + j).ravel()
    b, c, d = a + 1, a + ACROSS, a + ACROSS + 1
    return np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)])

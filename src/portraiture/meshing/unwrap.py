"""Unwrap a surface with xatlas, in parts that keep the face in one chart.

Surface ─pieces around the head─▶ charts ─packed─▶ Unwrapped
Letters: V vertices before and N after they are split at seams, F triangles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xatlas
from jaxtyping import Float32, Int
from numpy import ndarray

from portraiture.meshing.surface import Surface

SECTORS = 6
"""Pieces around the head; the first lies across the face, which so gets no seam."""

BANDS_M = (-0.095, 0.09)
"""Heights, from the anchor, that part neck, face and crown."""

AXIS_M = -0.06
"""Depth of the axis around which sectors lie."""

FACE, FACE_DETAIL = 1, 1.75
"""Number of the piece with the face, and how many times finer its texels are."""

GUTTER = 4
"""Texels between charts."""

FILLED = 0.75
"""Share of the texture that charts are hoped to take; the packing is scaled to the texture."""

CHART_COST = 8.0
"""xatlas's bound for growing a chart, its default 2: fewer charts for a little more stretch."""


@dataclass(frozen=True)
class Unwrapped:
    """A surface with texture coordinates; vertices are split at seams.

    source: (N,) vertex of the surface that each vertex is. faces: (F, 3), in the surface's order.
    uv: (N, 2) in [0, 1], v up. charts: how many.
    """

    source: Int[ndarray, "N"]
    faces: Int[ndarray, "F 3"]
    uv: Float32[ndarray, "N 2"]
    charts: int


def unwrap(surface: Surface, *, texture_size: int = 1024) -> Unwrapped:
    """Charts without overlap, `GUTTER` texels apart in a square texture (Young 2018, xatlas).

    The head is cut into pieces first: charts of a whole head of 20,000 triangles take three times
    as long, and their seams run anywhere.
    """
    pieces = _pieces(surface)
    atlas = xatlas.Atlas()
    used, area = [], 0.0
    for key, piece in pieces.items():
        rows, corners = np.unique(surface.faces[piece], return_inverse=True)
        scaled = surface.vertices[rows] * np.float32(FACE_DETAIL if key == FACE else 1.0)
        used.append(rows)
        area += _area(scaled, corners.reshape(-1, 3))
        atlas.add_mesh(scaled, corners.reshape(-1, 3).astype(np.uint32))
    charting, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    charting.max_cost = CHART_COST
    packing.padding = GUTTER
    packing.texels_per_unit = texture_size * float(np.sqrt(FILLED / area))
    atlas.generate(charting, packing)
    size = np.array([atlas.width, atlas.height], np.float64)
    source, faces, uv, first = [], np.empty_like(surface.faces), [], 0
    for k, (piece, rows) in enumerate(zip(pieces.values(), used, strict=True)):
        mapping, corners, where = atlas[k]
        source.append(rows[mapping])
        faces[piece] = corners.astype(np.int64) + first
        uv.append(where * size / size.max())
        first += len(mapping)
    return Unwrapped(
        np.concatenate(source), faces, np.concatenate(uv).astype(np.float32), atlas.chart_count
    )


def _area(vertices: ndarray, faces: ndarray) -> float:
    """Of all triangles together."""
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2.0)


def _pieces(surface: Surface) -> dict[int, Int[ndarray, "_"]]:
    """Triangles by sector around the head and by band of height, numbered upwards sector by
    sector, the front first."""
    x, y, z = surface.vertices[surface.faces].mean(1).T
    turn = np.arctan2(x, z - AXIS_M) / (2.0 * np.pi)
    sector = np.floor((turn * SECTORS + 0.5) % SECTORS).astype(int)
    key = sector * (len(BANDS_M) + 1) + np.digitize(y, BANDS_M)
    return {int(k): np.flatnonzero(key == k) for k in np.unique(key)}

"""Hairline on the average head, and hair roots bound to the skin.

The hairline is a curve in spherical coordinates around the cranium of the average head. Everything
here is computed once on that head and transferred to any other by barycentric coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray
from scipy.interpolate import PchipInterpolator
from scipy.spatial import KDTree

from portraiture.engine.hair.darts import spread
from portraiture.engine.head import HeadModel
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, shape_head
from portraiture.ops.vectors import unit

CENTRE = np.array([0.0, 0.925, 0.052])
"""Centre of the average cranium, metres."""

RADIUS = 0.092
"""Mean radius of the average cranium, metres; converts angles of the chart to lengths."""

_FRONT = np.array([0.0, 12.0, 22.0, 30.0, 36.0, 41.0, 46.0, 52.0, 57.0, 61.0])
_LOW_LINE = np.array([27.0, 27.0, 26.5, 25.0, 22.5, 19.0, 14.0, 9.0, 4.0, -1.0])
_HIGH_LINE = np.array([38.0, 42.0, 49.0, 54.0, 55.0, 51.0, 43.0, 31.0, 18.0, 7.0])
_SIDE = np.array(
    [65.0, 69.0, 72.0, 78.0, 81.5, 84.0, 88.0, 96.0, 105.0, 114.0, 118.0, 121.0, 124.0]
)
_SIDE_LINE = np.array(
    [-7.0, -15.0, -26.0, -29.0, -24.0, -10.0, 0.5, 0.0, -4.0, -12.0, -24.0, -38.0, -46.0]
)
_BACK = np.array([132.0, 145.0, 160.0, 172.0, 180.0])
_BACK_LINE = np.array([-49.5, -50.5, -50.0, -49.0, -49.5])
"""Azimuth from the face (degrees) and elevation of the hairline: forehead and temple (one low and
one high variant), sideburn and around the ear, nape."""


@dataclass(frozen=True)
class Roots:
    """Points on the scalp. P roots.

    face: (P,) skin triangle, barycentric: (P, 3), canonical: (P, 3) position on the average head,
    depth: (P,) metres inside the hairline, always positive.
    """

    face: Int[ndarray, "P"]
    barycentric: Float32[ndarray, "P 3"]
    canonical: Float[ndarray, "P 3"]
    depth: Float[ndarray, "P"]

    def on(self, shape: HeadShape) -> tuple[Float[ndarray, "P 3"], Float[ndarray, "P 3"]]:
        """Positions and unit normals of the roots on a head."""
        corners = shape.faces[self.face]
        position = np.einsum("pk,pkc->pc", self.barycentric, shape.skin[corners])
        normal = np.einsum("pk,pkc->pc", self.barycentric, shape.normals[corners])
        return position.astype(np.float64), unit(normal.astype(np.float64))

    def take(self, chosen: ndarray) -> Roots:
        """Select roots by index or mask."""
        return Roots(
            self.face[chosen],
            self.barycentric[chosen],
            self.canonical[chosen],
            self.depth[chosen],
        )


@lru_cache(maxsize=2)
def canonical_head(model: HeadModel | None = None) -> HeadShape:
    """The average head, on which the scalp is defined."""
    return shape_head(AvatarParameters(), model)


def chart(points: Float[ndarray, "... 3"]) -> tuple[ndarray, ndarray]:
    """Azimuth in [-180, 180] (0 the face, positive the person's left) and elevation, degrees."""
    direction = unit(np.asarray(points, np.float64) - CENTRE)
    azimuth = np.degrees(np.arctan2(direction[..., 0], direction[..., 2]))
    return azimuth, np.degrees(np.arcsin(np.clip(direction[..., 1], -1.0, 1.0)))


def hairline(azimuth: Float[ndarray, "..."], recession: float) -> Float[ndarray, "..."]:
    """Elevation (degrees) of the hairline at an azimuth (degrees).

    recession: 0 low and straight, 1 high with bare temples; above 1 (to 1.3) it recedes further.
    """
    front = (1.0 - recession) * _LOW_LINE + recession * _HIGH_LINE
    curve = PchipInterpolator(
        np.concatenate([_FRONT, _SIDE, _BACK]), np.concatenate([front, _SIDE_LINE, _BACK_LINE])
    )
    return curve(np.abs(azimuth))


def scalp_depth(canonical: Float[ndarray, "... 3"], recession: float) -> Float[ndarray, "..."]:
    """Metres inside the hairline (negative outside) of points on the average head's skin."""
    azimuth, elevation = chart(canonical)
    along = np.linspace(0.0, 180.0, 361)
    angle = hairline(along, recession)
    a, e = np.radians(along), np.radians(angle)
    line = np.stack([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], axis=1)
    a, e = np.radians(np.abs(azimuth)), np.radians(elevation)
    points = np.stack([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], axis=-1)
    chord, _ = KDTree(line).query(points)
    return RADIUS * chord * np.where(elevation > hairline(azimuth, recession), 1.0, -1.0)


def sideburn_share(
    azimuth: Float[ndarray, "..."], elevation: Float[ndarray, "..."]
) -> Float[ndarray, "..."]:
    """1 in front of the ears, 0 elsewhere, in the chart (degrees)."""
    beside = np.clip((90.0 - np.abs(azimuth)) / 8.0, 0.0, 1.0)
    return beside * np.clip((8.0 - elevation) / 24.0, 0.0, 1.0)


def temple_share(
    azimuth: Float[ndarray, "..."], elevation: Float[ndarray, "..."]
) -> Float[ndarray, "..."]:
    """1 at the temples, where hair is sparse, 0 elsewhere, in the chart (degrees)."""
    beside = np.exp(-(((np.abs(azimuth) - 50.0) / 15.0) ** 2))
    return beside * np.clip((elevation + 5.0) / 15.0, 0.0, 1.0)


def depth_table(recession: float) -> Float32[ndarray, "181 181"]:
    """`scalp_depth` by elevation (rows, -90 to 90 degrees) and |azimuth| (columns, 0 to 180)."""
    elevation, azimuth = np.meshgrid(
        np.radians(np.linspace(-90, 90, 181)), np.radians(np.linspace(0, 180, 181)), indexing="ij"
    )
    ring = np.cos(elevation)
    direction = [ring * np.sin(azimuth), np.sin(elevation), ring * np.cos(azimuth)]
    return scalp_depth(CENTRE + np.stack(direction, axis=-1), recession).astype(np.float32)


@lru_cache(maxsize=2)
def ear_mask(model: HeadModel) -> ndarray:
    """(S,) bool: skin vertices of the outer ears, those that MakeHuman's ear targets move most."""
    row = model.shape_names.index("local+:ear_wing")
    moved = np.linalg.norm(model.arrays["shapes"][row], axis=1)[model.arrays["skin_vertex"]]
    return moved > 0.22 * moved.max()


def grow_roots(
    count: int, recession: float, *, edge: float, seed: int, model: HeadModel | None = None
) -> Roots:
    """Sample at most `count` evenly spaced roots on the scalp.

    edge: distance (metres) inside the hairline over which the density rises from low to full.
    Deterministic in `seed` and the same for every head; a receding hairline only removes roots.
    """
    face, barycentric, points, chance = _even_points(count, seed, model)
    depth = scalp_depth(points, recession)
    soft = max(edge, 1e-6) * (1.0 + 1.5 * temple_share(*chart(points)))
    keep = (depth > 0) & (chance < np.clip(depth / soft, 0.0, 1.0) ** 0.7)
    return Roots(face[keep], barycentric[keep], points[keep], depth[keep])


@lru_cache(maxsize=32)
def _even_points(
    count: int, seed: int, model: HeadModel | None
) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Triangle, barycentrics, position and a random number in [0, 1) of about `count` points
    evenly spaced inside the lowest hairline of the average head."""
    head = canonical_head(model)
    rng = np.random.default_rng(seed)
    corners = head.skin[head.faces].astype(np.float64)
    bald = ear_mask(head.model)[head.faces].any(1) | (corners[:, :, 1].max(1) < 0.80)
    depth = scalp_depth(head.skin.astype(np.float64), 0.0)[head.faces]
    candidates = np.flatnonzero((depth.max(1) > -0.002) & ~bald)
    e1, e2 = (corners[candidates, k] - corners[candidates, 0] for k in (1, 2))
    area = np.linalg.norm(np.cross(e1, e2), axis=1)
    face = candidates[rng.choice(len(candidates), 5 * count, p=area / area.sum())]
    split = np.sort(rng.random((len(face), 2)), axis=1)
    barycentric = np.stack([split[:, 0], split[:, 1] - split[:, 0], 1.0 - split[:, 1]], axis=1)
    points = np.einsum("pk,pkc->pc", barycentric, corners[face])
    inside = np.flatnonzero(scalp_depth(points, 0.0) > 0)
    keep = inside[spread(points[inside], count)]
    return (
        face[keep].astype(np.int32),
        barycentric[keep].astype(np.float32),
        points[keep],
        rng.random(len(keep)),
    )

"""Hair cards: ribbons of triangles along strands.

Dimension letters: P strands, K segments per strand, V = P * 2 * (K + 1) vertices, F = 2 * K * P.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray

from portraiture.engine.hair.texture import column_span
from portraiture.ops.vectors import unit

INNER_TWIST = np.array([3.0, 1.8, 1.0, 1.0, 1.0])
"""By what cards of each tier are twisted more: those inside fill the outline, where the outer ones
are seen from the edge."""


@dataclass(frozen=True)
class Cards:
    """Geometry of many ribbons; see `portraiture.types.Part` for the fields."""

    vertices: Float32[ndarray, "V 3"]
    faces: Int[ndarray, "F 3"]
    normals: Float32[ndarray, "V 3"]
    uv: Float32[ndarray, "V 2"]


def volume_normal(
    points: Float[ndarray, "... 3"], centre: Float[ndarray, "3"]
) -> Float[ndarray, "... 3"]:
    """Outward direction of the hair volume: away from the cranium's centre, or, below it, from the
    vertical axis through it."""
    axis = np.broadcast_to(centre, points.shape).copy()
    axis[..., 1] = np.minimum(points[..., 1] - 0.012, centre[1])
    return unit(points - axis)


def ribbons(
    strands: Float[ndarray, "P K+1 3"],
    width: Float[ndarray, "P"],
    tier: Int[ndarray, "P"],
    centre: Float[ndarray, "3"],
    *,
    seed: int,
    twist: float = 0.35,
    roundness: float = 0.65,
    root_width: float = 0.75,
    tip_width: float = 0.55,
) -> Cards:
    """Build one ribbon per strand, facing out of the hair volume.

    width: maximum width, metres. twist: standard deviation (radians) of an outer card's rotation
    about its strand, see `INNER_TWIST`. roundness: weight of the volume normal in the shading
    normal. root_width, tip_width: fraction of the width at the root and the tip.
    """
    rng = np.random.default_rng(seed)
    count, points = strands.shape[:2]
    tangent = unit(np.gradient(strands, axis=1))
    outward = volume_normal(strands, centre)
    across = unit(np.cross(outward, tangent))
    facing = np.cross(tangent, across)
    turn = rng.normal(0.0, twist, count) * INNER_TWIST[tier]
    turn = np.clip(turn, -1.2, 1.2)[:, None, None]
    side = np.cos(turn) * across + np.sin(turn) * facing
    card_normal = np.cross(tangent, side)
    v = np.linspace(1.0, 0.0, points)
    profile = np.minimum(
        root_width + (1 - root_width) * np.clip((1 - v) / 0.3, 0, 1),
        tip_width + (1 - tip_width) * np.clip(v / 0.5, 0, 1),
    )
    half = 0.5 * width[:, None, None] * profile[None, :, None] * side
    left, right = column_span(tier, rng.random(count))
    flip = rng.random(count) < 0.5
    left, right = np.where(flip, right, left), np.where(flip, left, right)
    vertices = np.stack([strands - half, strands + half], axis=2)
    bow = 0.3 * np.stack([-side, side], axis=2)
    normals = unit(
        roundness * outward[:, :, None] + (1 - roundness) * unit(card_normal[:, :, None] + bow)
    )
    uv = np.empty((count, points, 2, 2))
    uv[..., 0] = np.stack([left, right], axis=1)[:, None, :]
    uv[..., 1] = v[None, :, None]
    return Cards(
        vertices.reshape(-1, 3).astype(np.float32),
        _strip_faces(count, points),
        normals.reshape(-1, 3).astype(np.float32),
        uv.reshape(-1, 2).astype(np.float32),
    )


def _strip_faces(count: int, points: int) -> Int[ndarray, "F 3"]:
    k = np.arange(points - 1)
    a, b, c, d = 2 * k, 2 * k + 1, 2 * k + 2, 2 * k + 3
    strip = np.stack([np.stack([a, c, b], 1), np.stack([b, c, d], 1)], axis=1).reshape(-1, 3)
    faces = strip[None] + (np.arange(count) * 2 * points)[:, None, None]
    return faces.reshape(-1, 3).astype(np.int32)


def join(parts: list[Cards]) -> Cards:
    """Concatenate several sets of ribbons."""
    offsets = np.cumsum([0] + [len(p.vertices) for p in parts[:-1]])
    return Cards(
        np.concatenate([p.vertices for p in parts]),
        np.concatenate([p.faces + o for p, o in zip(parts, offsets, strict=True)]).astype(np.int32),
        np.concatenate([p.normals for p in parts]),
        np.concatenate([p.uv for p in parts]),
    )

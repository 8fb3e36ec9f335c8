"""Plaited hair: cornrows along the scalp, and box braids that hang.

rows over the head, or strands of `grow` ──ropes──▶ cards, with the texture of `plait_texture`
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.hair.cards import Cards, volume_normal
from portraiture.engine.hair.guides import NECK_Y, grow, over_face, scaled
from portraiture.engine.hair.long import hanging
from portraiture.engine.hair.patch import MM, mix, sow
from portraiture.engine.hair.plait_texture import REACH_M, column_edges
from portraiture.engine.hair.scalp import CENTRE, scalp_depth
from portraiture.engine.hair.surface import SkinField
from portraiture.engine.parameters import AvatarParameters, HairStyle
from portraiture.engine.shape import HeadShape
from portraiture.ops.vectors import smooth, unit

PLAITED: tuple[HairStyle, ...] = ("braids", "cornrows")

_POLE = CENTRE - [0.0, 0.035, 0.0]
_NAPE = np.array([0.0, -0.6, -0.8])
"""Rows are arcs around this point of the average head, from the face over the head, and behind
towards this direction."""

_WIDEST = np.radians(112.0)
"""Angle of the outermost row from the middle."""

_STEPS = 64
_SEGMENTS = 46
_PROFILE = np.radians([-90.0, -50.0, 0.0, 50.0, 90.0])
_PLAIN_PROFILE = np.radians([-90.0, -32.0, 32.0, 90.0])
"""Angles from outside of the points around a cornrow and a braid, which are open at the head."""

_FLAT = 0.62
"""Thickness of a plait over its width."""


Lines = tuple[Float[ndarray, "P K+1 3"], Float[ndarray, "P"]]
"""Middles of plaits and their widths, metres."""


def braids(parameters: AvatarParameters, shape: HeadShape, field: SkinField) -> Cards:
    """Thin braids all over, hanging to the shoulders or the chest."""
    lines = braid_lines(parameters, shape, field)
    return ropes(*lines, _centre(field), profile=_PLAIN_PROFILE, seed=5, root=1.3)


def braid_lines(parameters: AvatarParameters, shape: HeadShape, field: SkinField) -> Lines:
    """The middles of `braids`."""
    patch = sow(parameters, shape, 205, seed=163, layers=(0.45, 0.55, 0.0, 0.0))
    hem = mix(0.77, 0.6, parameters.hair_length)
    plan = hanging(patch, parameters, hem=hem, wave=0.0, backward=0.85)
    plan = replace(
        plan,
        hem=plan.hem + patch.rng.normal(0.0, 0.012, patch.size),
        clump=0.0 * plan.clump,
        segments=22,
        crowding=1.0,
        curl_radius=2.0 * MM * patch.vary(0.5, 1.5),
        curl_wave=np.full(patch.size, 0.12),
        side=np.where(plan.comb[:, 0] < 0.0, -1.0, 1.0),
        aside=2.0,
    )
    strands = grow(scaled(plan, field.scale), field, seed=3)
    strands = strands[~over_face(strands, field)]
    width = mix(7.0, 10.0, parameters.hair_volume) * MM * field.scale
    return strands, width * patch.rng.uniform(0.85, 1.15, len(strands))


def cornrows(parameters: AvatarParameters, shape: HeadShape, field: SkinField) -> Cards:
    """Braids plaited to the scalp, in rows from the forehead to the nape, where they hang free."""
    lines = cornrow_lines(parameters, field)
    return ropes(*lines, _centre(field), profile=_PROFILE, seed=5, root=0.55)


def cornrow_lines(parameters: AvatarParameters, field: SkinField) -> Lines:
    """The middles of `cornrows`."""
    count = row_count(parameters)
    height = 0.8 * MM
    lines = []
    for angle in _WIDEST * (2.0 * (np.arange(count) + 0.5) / count - 1.0):
        line = _row(angle, parameters, field, height)
        if len(line) > 6:
            lines.append(_resampled(_hung(line, parameters, field), _SEGMENTS))
    strands = np.stack(lines)
    spread = 2.0 * _WIDEST / count * (0.1 * np.ones(len(lines)))
    return strands, 0.74 * spread * field.scale


def row_count(parameters: AvatarParameters) -> int:
    """Number of cornrows; more volume makes fewer and thicker ones. Odd: one is in the middle."""
    return 2 * round(mix(12.0, 7.0, parameters.hair_volume).item()) + 1


def off_row(points: Float[ndarray, "N 3"], parameters: AvatarParameters) -> Float[ndarray, "N"]:
    """Distance of points of the average scalp from the middle of their cornrow, 0 to 0.5 of the
    distance between rows."""
    offset = points - _POLE
    behind = np.maximum(offset[:, 2] / _NAPE[2], 0.0)
    angle = np.arctan2(offset[:, 0], offset[:, 1] - behind * _NAPE[1])
    place = (angle / _WIDEST + 1.0) * 0.5 * row_count(parameters)
    return np.abs(place - np.floor(place) - 0.5)


def _row(
    angle: float, parameters: AvatarParameters, field: SkinField, height: float
) -> Float[ndarray, "N 3"]:
    """The part of one row inside the hairline, from front to back, `height` metres off the skin."""
    turn = np.linspace(0.0, np.pi, _STEPS)
    up = np.array([np.sin(angle), np.cos(angle), 0.0])
    ahead = np.where(turn[:, None] < 0.5 * np.pi, [0.0, 0.0, 1.0], -_NAPE)
    ray = np.cos(turn)[:, None] * ahead + np.sin(turn)[:, None] * up
    to_head = np.linalg.inv(field.to_canonical[:3])
    origin, ray = (_POLE - field.to_canonical[3]) @ to_head, unit(ray @ to_head)
    reach = np.full(_STEPS, 0.11)
    for _ in range(8):
        distance, normal = field(origin + reach[:, None] * ray)
        reach -= (distance - height) / np.maximum((normal * ray).sum(1), 0.4)
    points = origin + reach[:, None] * ray
    inside = scalp_depth(field.canonical(points), parameters.hair_line) > 0.002
    return points[_longest_run(inside)]


def _longest_run(inside: ndarray) -> slice:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    runs = edges.reshape(-1, 2)
    if not len(runs):
        return slice(0, 0)
    first, last = runs[np.argmax(runs[:, 1] - runs[:, 0])]
    return slice(int(first), int(last))


def _hung(
    line: Float[ndarray, "N 3"], parameters: AvatarParameters, field: SkinField
) -> Float[ndarray, "M 3"]:
    """The row and its free end, which falls along the neck."""
    step = 5.0 * MM
    count = int(np.ceil(mix(0.02, 0.24, parameters.hair_length) / step))
    position, direction = line[-1:], unit(line[-1:] - line[-2:-1])
    track = [line]
    for _ in range(count):
        direction = unit(0.7 * direction + 0.3 * np.array([[0.0, -1.0, 0.0]]))
        position = position + step * direction
        distance, normal = field(position)
        below = smooth((NECK_Y - field.canonical(position)[:, 1]) / 0.04)
        least = 4.0 * MM + 12.0 * MM * below
        position = position + np.maximum(least - distance, 0.0)[:, None] * normal
        track.append(position)
    return np.concatenate(track)


def _resampled(line: Float[ndarray, "N 3"], segments: int) -> Float[ndarray, "K+1 3"]:
    """Points at equal distances along a polyline."""
    step = np.linalg.norm(np.diff(line, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(step)])
    at = np.linspace(0.0, along[-1], segments + 1)
    return np.stack([np.interp(at, along, line[:, c]) for c in range(3)], axis=1)


def _centre(field: SkinField) -> Float[ndarray, "3"]:
    return (CENTRE - field.to_canonical[3]) @ np.linalg.inv(field.to_canonical[:3])


def ropes(
    strands: Float[ndarray, "P K+1 3"],
    width: Float[ndarray, "P"],
    centre: Float[ndarray, "3"],
    *,
    profile: Float[ndarray, "J"],
    seed: int,
    root: float,
) -> Cards:
    """Build one half-round rope along each strand, open towards the head. width: metres. profile:
    angles around it, radians. root: width there, as a fraction."""
    rng = np.random.default_rng(seed)
    count, points = strands.shape[:2]
    tangent = unit(np.gradient(strands, axis=1))
    outward = volume_normal(strands, centre)
    across = unit(np.cross(outward, tangent))
    facing = np.cross(tangent, across)
    along = np.linspace(0.0, 1.0, points)
    ends = mix(root, 1.0, smooth(along / 0.14)) * mix(0.5, 1.0, smooth((1.0 - along) / 0.06))
    half = (0.5 * width[:, None] * ends)[..., None, None]
    sine, cosine = np.sin(profile)[:, None], np.cos(profile)[:, None]
    ring = sine * across[:, :, None] + _FLAT * cosine * facing[:, :, None]
    normals = unit(_FLAT * sine * across[:, :, None] + (cosine + 0.25) * facing[:, :, None])
    length = np.linalg.norm(np.diff(strands, axis=1), axis=2).cumsum(1)
    length = np.concatenate([np.zeros((count, 1)), length], axis=1)
    left, right = column_edges(rng.random(count))
    share = np.linspace(0.0, 1.0, len(profile))
    uv = np.empty((count, points, len(profile), 2))
    uv[..., 0] = (left[:, None] + (right - left)[:, None] * share)[:, None]
    uv[..., 1] = np.clip(1.0 - length / REACH_M, 0.002, 0.998)[..., None]
    return Cards(
        (strands[:, :, None] + half * ring).reshape(-1, 3).astype(np.float32),
        _grid_faces(count, points, len(profile)),
        normals.reshape(-1, 3).astype(np.float32),
        uv.reshape(-1, 2).astype(np.float32),
    )


def _grid_faces(count: int, points: int, around: int) -> ndarray:
    """Triangles of `count` grids of points × around vertices."""
    k, j = np.meshgrid(np.arange(points - 1), np.arange(around - 1), indexing="ij")
    a = (k * around + j).ravel()
    b, c, d = a + 1, a + around, a + around + 1
    grid = np.stack([np.stack([a, c, b], 1), np.stack([b, c, d], 1)], axis=1).reshape(-1, 3)
    faces = grid[None] + (np.arange(count) * points * around)[:, None, None]
    return faces.reshape(-1, 3).astype(np.int32)

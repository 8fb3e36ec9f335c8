"""A tailored jacket: padded shoulders, notched lapels and a turned-down collar.

draped hull ──ease, shoulder pads──▶ jacket hull ──cut at the opening──▶ sheet
                                        └──folded over at the opening──▶ lapels, collar
The opening is one line: up the left lapel's fold, around the neck where the collar folds, and down
the right lapel's fold. Lapel and collar meet along the gorge seam, which ends at the notch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.interpolate import PchipInterpolator
from scipy.sparse import csr_matrix

from portraiture.engine.head import HeadModel
from portraiture.engine.shape import vertex_normals
from portraiture.engine.wear import neckline, pattern
from portraiture.engine.wear.collar import clear_of_cloth
from portraiture.engine.wear.garment import (
    NECK_DESCENT_M,
    Block,
    Draped,
    arc_length,
    beyond_armpits,
    fabric_v,
    ring_faces,
    sheet_block,
    smoothing,
)
from portraiture.engine.wear.panel import coons, laid, lie, panel, polyline
from portraiture.engine.wear.sheet import BOTTOM_M, armhole_seams, caps, cut_sheet
from portraiture.ops.vectors import unit

EASE_M = 0.0075
"""Distance of the jacket from what is worn under it."""

_GORGE_M = 0.550
_NOTCH, _LAPEL_TIP, _COLLAR_TIP = (0.090, 0.516), (0.114, 0.501), (0.106, 0.525)
"""Where the gorge seam starts on the fold (height), the notch and its two tips: (x, y) in the front
view of the base mesh."""
_LAPEL_END_M = 0.040
"""Width of the lapel at the garment's lower end."""
_COLLAR_SIDE = (0.101, 0.567)
_COLLAR_BACK = ((2.3, 0.083), (2.75, 0.079), (np.pi, 0.0765))
"""The collar's outer edge runs straight from its tip to its side on the shoulder, (x, y) in the
front view, and then along these (angle, descent)."""
_THICK_M = 0.0028
_ACROSS = 8
_STEP_M = 0.006
"""Distance of columns along the fold."""
_BEND = 0.12
"""Share of the collar's length over which the bend of its ends fades."""


@dataclass(frozen=True)
class _Pattern:
    """Hull weights of a jacket's lines. fold: (F, H) along the opening from the left side's lower
    end. first, last: range of the fold along the collar. lapel: (M, N, 2) front view of the left
    lapel, from the gorge down and from the fold out. lapels: hull weights of the left and the right
    one. edge: (last - first, H) of the collar's outer edge. gorges: (N, H) of the collar's left and
    right end."""

    fold: csr_matrix
    first: int
    last: int
    lapel: Float[ndarray, "M N 2"]
    lapels: tuple[csr_matrix, csr_matrix]
    edge: csr_matrix
    gorges: tuple[csr_matrix, csr_matrix]


def jacket_hull(draped: Draped, collar_ease: float) -> Draped:
    """The hull of a jacket over what is draped: eased, with padded shoulders and a smooth chest.

    collar_ease: distance in metres from it around the neck, where there may be another collar.
    """
    hull = draped.hull
    x, y = np.abs(hull.points[:, 0]), hull.points[:, 1]
    smooth, pinned = smoothing(hull)
    collar = np.clip((NECK_DESCENT_M + 0.045 - neckline.descent_of(hull.points)) / 0.04, 0.0, 1.0)
    pad = 0.010 * np.exp(-(((x - 0.150) / 0.045) ** 2)) * np.clip((y - 0.47) / 0.06, 0.0, 1.0)
    apart = beyond_armpits(hull)
    ease = EASE_M * (0.1 + 0.9 * apart) + (collar_ease - EASE_M) * collar
    points = draped.points + ease[:, None] * draped.normals + pad[:, None] * [0.0, 1.0, 0.0]
    share = 0.5 * ~pinned * (1.0 - collar) * apart
    for _ in range(8):
        points = points + share[:, None] * (smooth @ points - points)
    short = ease - ((points - draped.points) * draped.normals).sum(1)
    points = points + np.clip(short, 0.0, 0.02)[:, None] * draped.normals
    return Draped(hull, points, vertex_normals(points, hull.faces).astype(np.float64))


def jacket_blocks(under: Draped, model: HeadModel, *, collar_ease: float) -> list[Block]:
    """Build a jacket over `under`; collar_ease: see `jacket_hull`."""
    draped = jacket_hull(under, collar_ease)
    line = neckline.opening(model)
    plan = _pattern(model)
    inside = line.level(under.hull.points) < 0.0
    hem = replace(draped, points=np.where(inside[:, None], under.points, draped.points))
    sheet = sheet_block(draped, cut_sheet(under.hull, line))
    blocks = [sheet, *caps(hem, neckline.neckline(model, "crew"))]
    blocks += [*armhole_seams(draped), _roll(draped, plan), _collar(draped, plan)]
    return [*blocks, *(_lapel(draped, plan, rows) for rows in plan.lapels)]


def _roll(draped: Draped, plan: _Pattern) -> Block:
    """The rolled edge along the whole opening, from the lining up to the fold."""
    points, normals = lie(draped, plan.fold, np.zeros(len(plan.fold.indptr) - 1))
    along = unit(np.gradient(points, axis=0))
    inward = unit(np.cross(normals, along))
    if (inward[0] * (points[-1] - points[0])).sum() < 0.0:
        inward = -inward
    rings = [
        points + step * inward + height * normals
        for step, height in (
            (-0.012, -0.0050), (0.0, -0.0055), (0.0020, -0.0030), (0.0026, 0.0), (0.0020, 0.0026),
            (0.0, 0.0040), (-0.004, 0.0034),
        )
    ]  # fmt: skip
    vertices = np.concatenate(rings)
    faces = ring_faces(len(rings), len(points), closed=False)
    normals = vertex_normals(vertices, faces)
    if (normals[-len(points) :] * lie(draped, plan.fold, np.zeros(len(points)))[1]).sum() < 0.0:
        faces, normals = faces[:, ::-1], -normals
    around = np.tile(arc_length(points), len(rings))
    v = np.repeat(fabric_v(0.36 + 0.003 * np.arange(len(rings))), len(points))
    rows = pattern.stack([plan.fold] * len(rings))
    return Block(vertices, normals, np.stack([around, v], axis=1), faces, rows)


def _lapel(draped: Draped, plan: _Pattern, rows: csr_matrix) -> Block:
    shape = plan.lapel.shape[:2]
    raised = np.broadcast_to(_raise(np.linspace(0.0, 1.0, shape[1])), shape)
    points, normals = lie(draped, rows, raised.ravel())
    uv = np.stack([plan.lapel[..., 0], fabric_v(plan.lapel[..., 1])], axis=-1)
    grid = (*shape, 3)
    return panel(points.reshape(grid), rows, normals.reshape(grid), uv, _THICK_M, under=draped)


def _raise(share: Float[ndarray, "N"]) -> Float[ndarray, "N"]:
    """Height of lapel and collar over the jacket from the fold (0) to the edge (1), metres."""
    return 0.0032 + 0.0022 * np.sin(np.pi * np.clip(share, 0.0, 1.0) ** 0.7)


def _collar(draped: Draped, plan: _Pattern) -> Block:
    """The collar: from the fold around the neck out to its edge on the shoulders and the back."""
    fold_rows = csr_matrix(plan.fold[plan.first : plan.last])
    count = len(fold_rows.indptr) - 1
    share = np.linspace(0.0, 1.0, _ACROSS)
    fold, fold_out = lie(draped, fold_rows, np.full(count, _raise(np.zeros(1))[0] + 0.0006))
    edge, edge_out = lie(draped, plan.edge, np.full(count, _raise(np.ones(1))[0]))
    ends = [lie(draped, rows, _raise(share))[0] for rows in plan.gorges]
    blend = share[:, None]
    grid = fold[:, None] * (1.0 - blend) + edge[:, None] * blend
    for end, column, ahead in zip(ends, (0, -1), (1, -1), strict=True):
        bend = end - grid[column]
        bend[[0, -1]] = 0.0
        near = np.clip(1.0 - np.arange(count)[::ahead] / (_BEND * count), 0.0, 1.0) ** 2
        grid = grid + near[:, None, None] * bend
    out = unit(fold_out[:, None] * (1.0 - share[:, None]) + edge_out[:, None] * share[:, None])
    middle = np.sin(np.pi * np.linspace(0.0, 1.0, count)) ** 0.5
    grid = grid + 0.004 * (middle[:, None] * np.sin(np.pi * share**0.6))[..., None] * out
    inner = grid[:, 1:].reshape(-1, 3)
    grid[:, 1:] = clear_of_cloth(inner, draped, 0.0036).reshape(count, _ACROSS - 1, 3)
    rows = pattern.stack([csr_matrix((1.0 - t) * fold_rows + t * plan.edge) for t in share])
    order = np.arange(_ACROSS * count).reshape(_ACROSS, count).T.ravel()
    along = arc_length(fold)
    across = arc_length(grid[count // 2])
    uv = np.stack(np.broadcast_arrays(along[:, None], fabric_v(0.40 + across)[None]), axis=-1)
    return panel(grid, csr_matrix(rows[order]), out, uv, _THICK_M, under=draped)


@lru_cache(maxsize=2)
def _pattern(model: HeadModel) -> _Pattern:
    """Lay the jacket's lines out on the base mesh."""
    hull = pattern.body_hull(model)
    line = neckline.opening(model)
    half = np.unique(
        np.concatenate([line.samples[line.samples > 0.0], np.linspace(1.5, np.pi, 34)])
    )
    half[-1] = np.pi
    level, angle = line.level(hull.points), neckline.angle_of(hull.points)
    half = half[_spaced(pattern.ring(hull, level, angle, half) @ hull.points, _STEP_M)]
    samples = np.concatenate([half, -half[-2::-1]])
    fold = pattern.ring(hull, level, angle, samples)
    points = fold @ hull.points
    kept = points[:, 1] >= BOTTOM_M
    fold, points, samples = csr_matrix(fold[kept]), points[kept], samples[kept]
    first = int(np.argmax(points[: len(points) // 2, 1] > _GORGE_M))
    last = len(points) - first
    lapel = _lapel_plan(points[: first + 1])
    flat = neckline.front_points(hull, lapel).reshape(-1, 3)
    lapels = [laid(hull, flat * [side, 1.0, 1.0]) for side in (1.0, -1.0)]
    gorge = polyline(np.array([points[first, :2], _NOTCH, _COLLAR_TIP]), _ACROSS)
    gorges = [
        laid(hull, neckline.front_points(hull, gorge) * [side, 1.0, 1.0]) for side in (1.0, -1.0)
    ]
    edge = _collar_edge(hull, gorges[0], samples[first : len(points) // 2 + 1])
    return _Pattern(fold, first, last, lapel, (lapels[0], lapels[1]), edge, (gorges[0], gorges[1]))


def _spaced(points: Float[ndarray, "N 3"], step: float) -> list[int]:
    """Indices of points at least `step` metres apart along a curve, with its last."""
    along = arc_length(points)
    kept = [len(points) - 1]
    for k in range(len(points) - 2, -1, -1):
        if along[kept[-1]] - along[k] >= step:
            kept.append(k)
    return kept[::-1]


def _lapel_plan(fold: Float[ndarray, "F 3"]) -> Float[ndarray, "M N 2"]:
    """The left lapel in the front view; fold: points of its fold from the lower end up."""
    side = fold[::-1, :2]
    side = polyline(side, 26)
    top = polyline(np.array([side[0], _NOTCH, _LAPEL_TIP]), _ACROSS)
    end = side[-1] + [_LAPEL_END_M, 0.0]
    share = np.linspace(0.0, 1.0, len(side))[:, None]
    edge = top[-1] + share * (end - top[-1]) + 0.006 * np.sin(np.pi * share) * [1.0, 0.0]
    bottom = polyline(np.array([side[-1], end]), _ACROSS)
    return coons(top, bottom, side, edge)


def _collar_edge(hull: pattern.Hull, gorge: csr_matrix, half: ndarray) -> csr_matrix:
    """Hull weights of the collar's outer edge at as many points as its fold has; half: the fold's
    angles from the gorge to the nape."""
    tip = np.asarray(gorge[-1] @ hull.points)
    straight = polyline(np.array([tip[0, :2], _COLLAR_SIDE]), 6)
    side = neckline.front_points(hull, straight)
    knots = zip(neckline.angle_of(side), neckline.descent_of(side), strict=True)
    edge = neckline.symmetric((*knots, *_COLLAR_BACK))
    start = float(neckline.angle_of(side)[0])
    turned = PchipInterpolator([half[0], 0.5 * (half[0] + np.pi), np.pi], [start, 2.2, np.pi])
    angles = turned(half)
    around = np.concatenate([angles, -angles[-2::-1]])
    level, angle = edge.level(hull.points), neckline.angle_of(hull.points)
    return pattern.ring(hull, level, angle, around)

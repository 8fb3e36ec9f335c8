"""Fit glasses to a face: lenses, bridge on the nose, temples over the ears.

The front is built flat (x to the person's left, y up, w forward, origin between the eyes), then
bent around the face, tilted and moved forward until only the nose pads touch the skin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.face.follicles import carry, closest_on_skin
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, follow_head
from portraiture.engine.wear import sweep
from portraiture.engine.wear.glasses_forms import FORMS, Form
from portraiture.engine.wear.glasses_material import frame_material, lens_material
from portraiture.engine.wear.sweep import Solid
from portraiture.types import Material, Part, Segment

VERTEX_DISTANCE_M = 0.012
"""Distance from the front of the eye to the lens, if nose and brows allow it."""
DROP_M = 0.004
"""How far the lenses' middle is below the eyes'."""
CLEARANCE_M = 0.0015
"""Minimum distance between frame and skin."""
TEXTURE_M = 0.06
"""Length of frame after which the material's texture repeats."""

_SAMPLES = 56
_BEND_RADIUS_M = 0.20
_TILT_RAD = 0.10


@dataclass(frozen=True)
class _Fit:
    """Measurements of one person. origin: (3,) between the eyes, in the plane of the lenses.
    centre_x: distance of a lens's centre from the midline, metres. scale: of the outline."""

    origin: Float[ndarray, "3"]
    centre_x: float
    scale: float


def make_glasses(parameters: AvatarParameters, shape: HeadShape) -> list[Part]:
    """Build the parts "glasses_frame" and "glasses_lenses"; an empty list for "none"."""
    style = parameters.glasses_style
    if style == "none":
        return []
    form = FORMS[style].worn(parameters.glasses_rim)
    fit = _fit(form, parameters, shape)
    front = _front(form, fit)
    solid = [*front, _lens(form, fit, 1.0), _lens(form, fit, -1.0)]
    fit = _pushed_forward(solid, fit, shape)
    solids = [_warp(solid, fit) for solid in front]
    solids += _pads(form, fit, shape)
    for side in (1.0, -1.0):
        solids.append(_temple(form, fit, shape, side))
    lenses = [_warp(_lens(form, fit, side), fit) for side in (1.0, -1.0)]
    frame = frame_material(parameters.glasses_tone, metal=form.metal)
    return [
        _part("glasses_frame", solids, shape, frame),
        _part("glasses_lenses", lenses, shape, lens_material(parameters.glasses_tint)),
    ]


def _fit(form: Form, parameters: AvatarParameters, shape: HeadShape) -> _Fit:
    left, right = shape.group("helper-l-eye"), shape.group("helper-r-eye")
    eyes = np.stack([left.mean(0), right.mean(0)]).astype(np.float64)
    apart = eyes[0, 0] - eyes[1, 0]
    scale = (0.86 + 0.28 * parameters.glasses_size) * np.clip(apart / 0.0626, 0.85, 1.15)
    inner = -1e-3 * scale * min(x for x, _ in form.outline)
    centre_x = max(0.5 * apart + 0.0012, inner + 0.5 * _nose_width(shape))
    front_z = 0.5 * (left[:, 2].max() + right[:, 2].max())
    middle = eyes.mean(0)
    origin = np.array([middle[0], middle[1] - DROP_M, front_z + VERTEX_DISTANCE_M])
    return _Fit(origin, float(centre_x), float(scale))


def _nose_width(shape: HeadShape) -> float:
    """Distance between the lenses, metres: the nose's width at the inner eye corners."""
    sides = carry(np.array([[0.0095, 0.722, 0.146], [-0.0095, 0.722, 0.146]]), shape)
    return float(np.clip(sides[0, 0] - sides[1, 0], 0.015, 0.024))


def _outline(form: Form, fit: _Fit, side: float) -> Float[ndarray, "N 2"]:
    """The lens's edge in the flat front, counter-clockwise seen from in front."""
    knots = 1e-3 * fit.scale * np.array(form.outline)
    curve = sweep.catmull_rom(knots, _SAMPLES, closed=True)
    curve = curve * [side, 1.0] + [side * fit.centre_x, 0.0]
    return curve if side > 0 else curve[::-1]


def _front(form: Form, fit: _Fit) -> list[Solid]:
    """Build rims, bridge and end pieces, flat."""
    solids = []
    for side in (1.0, -1.0):
        if form.rim[0] > 0:
            solids.append(_rim(form, _outline(form, fit, side)))
        solids.append(_end_piece(form, fit, side))
    return solids + _bridge(form, fit)


def _rim(form: Form, outline: ndarray) -> Solid:
    width, depth = 1e-3 * form.rim[0], 1e-3 * form.rim[1]
    profile = sweep.rounded_rectangle(width, depth, 0.45 * min(width, depth))
    outward = _outward(outline)
    radial = profile[None, :, :1] * outward[:, None] + outline[:, None]
    radial = radial + 0.35 * width * outward[:, None]
    w = np.broadcast_to(profile[None, :, 1:], (*radial.shape[:2], 1))
    solid = sweep.tube(np.concatenate([radial, w], axis=2)[:, ::-1], closed=True)
    turns = max(1.0, np.round(solid.uv[:, 0].max() / TEXTURE_M))
    return replace(solid, uv=solid.uv * [turns * TEXTURE_M / solid.uv[:, 0].max(), 1.0])


def _outward(outline: ndarray) -> ndarray:
    tangent = np.roll(outline, -1, axis=0) - np.roll(outline, 1, axis=0)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def _edge_point(outline: ndarray, side: float, y: float, *, inner: bool) -> ndarray:
    """Point on the lens's edge at height `y`, on its nasal or temporal side."""
    middle = outline[:, 0].mean()
    nasal = (outline[:, 0] - middle) * side < 0
    chosen = np.flatnonzero(nasal if inner else ~nasal)
    return outline[chosen[np.argmin(np.abs(outline[chosen, 1] - y))]]


def _bridge(form: Form, fit: _Fit) -> list[Solid]:
    size = fit.scale
    up = np.array([0.0, 1.0, 0.0])
    if form.bridge == "keyhole":
        heights, thick = ((5.0, 3.4),), sweep.rounded_rectangle(2.6e-3, 3.4e-3, 1.1e-3)
    elif form.bridge == "arch":
        heights, thick = ((5.0, 3.2),), sweep.ellipse(1.5e-3, 1.5e-3)
    else:
        heights, thick = ((15.5, 0.8), (4.5, 3.0)), sweep.ellipse(1.5e-3, 1.6e-3)
    solids = []
    for y, rise in heights:
        left = _edge_point(_outline(form, fit, 1.0), 1.0, 1e-3 * y * size, inner=True)
        ends = left[0] - 0.35e-3 * form.rim[0] + (1.8e-3 if form.rim[0] == 0 else 0.0)
        seat = 0.9 if form.rim[0] == 0 else -0.2
        t = np.linspace(-1.0, 1.0, 15)
        arch = 1.0 - t**2
        path = np.stack(
            [t * ends, left[1] + 1e-3 * rise * arch, 1e-3 * (seat + 1.6 * arch)], axis=1
        )
        solids.append(sweep.sweep(path, up, thick, scale=1.0 - 0.12 * np.abs(t) ** 3))
    return solids


def _end_piece(form: Form, fit: _Fit, side: float) -> Solid:
    """Build the end piece, from the rim's outer side back to the hinge."""
    y = 1e-3 * form.hinge_y * fit.scale
    start = _edge_point(_outline(form, fit, side), side, y, inner=False)
    out = 0.0 if form.rim[0] == 0 else 1e-3 * form.rim[0] * 0.5
    x = abs(start[0]) + out
    reach = _hinge_x(form, fit)
    path = np.array(
        [
            [side * (x - 0.001), start[1], 0.0],
            [side * (0.6 * x + 0.4 * reach), start[1], -0.0002],
            [side * (reach - 0.0012), start[1], -0.0010],
            [side * reach, start[1], -0.0030],
            [side * (reach + 0.0001), start[1], -0.0065],
        ]
    )
    path = sweep.catmull_rom(path, 12, closed=False)
    return sweep.sweep(path, np.array([0.0, 1.0, 0.0]), _temple_profile(form))


def _hinge_x(form: Form, fit: _Fit) -> float:
    outer = 1e-3 * fit.scale * max(x for x, _ in form.outline) + fit.centre_x
    return outer + (0.0042 if form.metal else 0.0048)


def _temple_profile(form: Form) -> ndarray:
    if form.metal:
        return sweep.rounded_rectangle(1.4e-3, 2.2e-3, 0.6e-3, corner=2)
    return sweep.rounded_rectangle(2.6e-3, 4.6e-3, 0.9e-3)


def _warp(solid: Solid, fit: _Fit) -> Solid:
    """Bend around the face, tilt the lower edge inwards and place in front of the eyes."""

    def place(points: ndarray) -> ndarray:
        x, y, w = points.T
        bend = x / _BEND_RADIUS_M
        radius = _BEND_RADIUS_M + w
        bent = np.stack([radius * np.sin(bend), y, radius * np.cos(bend) - _BEND_RADIUS_M], 1)
        c, s = np.cos(_TILT_RAD), np.sin(_TILT_RAD)
        tilted = np.stack([bent[:, 0], c * bent[:, 1], bent[:, 2] + s * bent[:, 1]], axis=1)
        return tilted + fit.origin

    moved = place(solid.vertices)
    step = 1e-5
    normals = place(solid.vertices + step * solid.normals) - moved
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return Solid(moved, solid.faces, solid.uv, normals)


def _pushed_forward(front: list[Solid], fit: _Fit, shape: HeadShape) -> _Fit:
    """Move the fit forward until the front is clear of brows, nose and cheeks."""
    points, forwards = sweep.merge(front), np.array([0.0, 0.0, 1.0])
    for _ in range(6):
        placed = _warp(points, fit).vertices
        feet = closest_on_skin(placed, shape)
        away = ((placed - feet.position) * feet.normal).sum(1)
        forward = np.clip(feet.normal[:, 2], 0.35, 1.0)
        lack = np.where(feet.normal[:, 2] > 0.0, (CLEARANCE_M - away) / forward, 0.0).max()
        if lack <= 0.0:
            break
        fit = _Fit(fit.origin + forwards * (min(lack, 0.012) + 1e-4), fit.centre_x, fit.scale)
    return fit


def _pads(form: Form, fit: _Fit, shape: HeadShape) -> list[Solid]:
    """Build nose pads on the sides of the nose, on wires if the rim is thin."""
    solids = []
    for side in (1.0, -1.0):
        outline = _outline(form, fit, side)
        rim = _edge_point(outline, side, -0.004 * fit.scale, inner=True)
        at = _warp(Solid(np.array([[*rim, -0.003]]), np.zeros((0, 3), int), np.zeros((1, 2)),
                         np.array([[0.0, 0.0, 1.0]])), fit).vertices  # fmt: skip
        target = at + np.array([[-side * 0.002, -0.001, -0.004]])
        foot = closest_on_skin(target, shape)
        normal = foot.normal[0]
        centre = foot.position[0] + 0.0011 * normal
        long = np.array([side * 0.25, -1.0, 0.15])
        long = long - normal * (long @ normal)
        long /= np.linalg.norm(long)
        axes = np.stack([0.0028 * np.cross(long, normal), 0.0060 * long, 0.0012 * normal])
        solids.append(sweep.ellipsoid(centre, axes))
        knots = np.stack([at[0], 0.5 * (at[0] + centre) + [0.0, 0.001, -0.0015], centre])
        path = sweep.catmull_rom(knots, 8, closed=False)
        wire = 0.0011 if form.metal else 0.0024
        solids.append(sweep.sweep(path, np.array([0.0, 1.0, 0.0]), sweep.ellipse(wire, wire, 6)))
    return solids


def _temple(form: Form, fit: _Fit, shape: HeadShape, side: float) -> Solid:
    """Build a temple: from the hinge straight to the root of the ear, over it and down behind."""
    reach, y = _hinge_x(form, fit), 1e-3 * form.hinge_y * fit.scale
    flat = Solid(
        np.array([[side * reach, y, -0.0062]]),
        np.zeros((0, 3), int),
        np.zeros((1, 2)),
        np.array([[side, 0.0, 0.0]]),
    )
    hinge = _warp(flat, fit).vertices[0]
    ear = carry(_EAR * [side, 1.0, 1.0], shape)
    straight = hinge + np.linspace(0.0, 1.0, 9)[:, None] * (ear[0] - hinge)
    ahead = np.linspace(0.0, 1.0, 9)[:, None]
    straight = straight + [side * 0.0018, 0.0, 0.0] * np.sin(np.pi * ahead)
    path = np.concatenate([straight, sweep.catmull_rom(ear, 14, closed=False)[1:]])
    path = _outside(path, shape, 0.0022 if form.metal else 0.0030)
    scale = np.interp(np.arange(len(path)), [0, 9, 13, len(path) - 1], [1.0, 0.85, 0.8, 0.95])
    profile = _temple_profile(form)
    return sweep.sweep(
        path, np.array([0.0, 1.0, 0.0]) + 0.6 * np.array([0, 0, 1.0]), profile, scale=scale
    )


_EAR = np.array(
    [
        [0.0762, 0.7415, 0.0640],
        [0.0760, 0.7412, 0.0580],
        [0.0738, 0.7370, 0.0510],
        [0.0710, 0.7280, 0.0455],
        [0.0682, 0.7165, 0.0420],
        [0.0660, 0.7075, 0.0400],
    ]
)
"""Path of the temple over and behind the left ear, on the base mesh."""


def _outside(path: ndarray, shape: HeadShape, clearance: float) -> ndarray:
    """Push the path's points smoothly off the skin, to `clearance` metres."""
    for _ in range(4):
        feet = closest_on_skin(path, shape)
        away = ((path - feet.position) * feet.normal).sum(1)
        push = np.clip(clearance - away, 0.0, 0.02)
        spread = np.maximum(push, 0.5 * np.maximum(np.roll(push, 1), np.roll(push, -1)))
        path = path + spread[:, None] * feet.normal * [1.0, 0.3, 0.3]
    return path


def _lens(form: Form, fit: _Fit, side: float) -> Solid:
    """Build a lens: a thin curved disc inside the rim, with front, back and edge."""
    outline = _outline(form, fit, side)
    if form.rim[0] > 0:
        outline = outline - 0.1e-3 * _outward(outline)
    centre = outline.mean(0)
    depth = 0.9e-3 if form.rim[0] == 0 else 0.3e-3
    rings = []
    for share, w in ((5e-4, depth), (0.35, depth), (0.7, depth), (0.96, depth), (1.0, 0.6 * depth),
                     (1.0, -0.6 * depth)):  # fmt: skip
        at = centre + share * (outline - centre)
        rings.append(np.concatenate([at, np.full((len(at), 1), w)], axis=1))
    solid = sweep.tube(np.stack(rings)[:, ::-1], capped=False)
    share = np.repeat([5e-4, 0.35, 0.7, 0.96, 1.0, 1.0], _SAMPLES + 1)
    flat = np.clip(1.0 - (share - 0.96) / 0.04, 0.0, 1.0)[:, None] * [[0.0, 0.0, 1.0]]
    normals = solid.normals * (flat[:, 2:] < 0.5) + flat
    half = 0.030 * fit.scale
    uv = 0.5 + 0.5 * (solid.vertices[:, :2] - centre) / half
    return Solid(solid.vertices, solid.faces, np.clip(uv, 0.01, 0.99), normals)


def _part(name: str, solids: list[Solid], shape: HeadShape, material: Material) -> Part:
    solid = sweep.merge(solids)
    joints, weights = follow_head(len(solid.vertices), shape)
    lens = material.kind == "glass"
    uv = solid.uv if lens else solid.uv * [1.0 / TEXTURE_M, 1.0]
    return Part(
        name=name,
        vertices=solid.vertices.astype(np.float32),
        faces=solid.faces.astype(np.int32),
        normals=solid.normals.astype(np.float32),
        uv=uv.astype(np.float32),
        material=material,
        segment=np.full(len(solid.faces), Segment.GLASSES, np.uint8),
        joints=joints,
        weights=weights,
    )

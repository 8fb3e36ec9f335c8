"""Teeth with gums, and the tongue.

Every tooth is a separate rounded solid on an arch. Both arches are laid out on the template and
mapped to a person by the affine transform of the base mesh's helper teeth, so that the lower arch
also follows the jaw's actions. The tongue is that of the base mesh.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.actions import ACTIONS
from portraiture.engine.face.mouth_texture import KINDS_OF_TOOTH, paint_teeth, paint_tongue
from portraiture.engine.head import HeadModel
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, follow_head, sparse_morph, vertex_normals
from portraiture.types import Material, Morph, Part, Segment


@dataclass(frozen=True)
class Jaw:
    """One row of teeth, from the midline outwards; lengths in mm on a head of the template's size.

    widths, heights, depths: of the crowns. up: -1 where the crowns point down (the upper jaw).
    inset: distance of the arch inside the helper's outline; forward: how much further its front is
    moved, to where the lips rest on the teeth. edge: distance of the biting edges beyond the
    helper's (negative: shorter).
    """

    helper: str
    up: float
    widths: tuple[float, ...]
    heights: tuple[float, ...]
    depths: tuple[float, ...]
    inset: float
    forward: float
    edge: float


UPPER = Jaw(
    "helper-upper-teeth",
    -1.0,
    (8.6, 6.7, 7.7, 7.0, 6.8, 9.5, 9.0),
    (10.6, 9.2, 10.2, 8.4, 7.9, 7.4, 7.0),
    (5.6, 5.0, 6.4, 8.0, 8.2, 9.5, 9.5),
    0.8,
    3.6,
    5.9,
)
LOWER = Jaw(
    "helper-lower-teeth",
    1.0,
    (5.5, 6.1, 7.0, 7.0, 7.2, 10.0, 9.6),
    (8.8, 9.0, 10.0, 8.8, 8.2, 7.4, 7.0),
    (5.0, 5.2, 6.4, 7.0, 7.6, 9.5, 9.5),
    3.2,
    3.6,
    -1.6,
)

TONGUE_WIDTH, TONGUE_HEIGHT, TONGUE_DROP_M = 0.92, 0.72, 0.003
"""Scale and lowering of the tongue: the base mesh's helper tongue fills the mouth."""

SIDE_DROP_MM = 1.5
"""Amount by which canines and premolars are shortened, so that closed lips occlude them."""

RING = 10
TOOTH_OUTLINE = ((-0.25, 0.05, 0.65, 0.9, 1.0), (0.66, 0.76, 0.985, 0.94, 0.78))
"""Levels, and the crown's width at each relative to its maximum width."""

LEVELS = np.array([-0.25, 0.05, 0.3, 0.6, 0.82, 0.95, 1.0])
"""Heights along a tooth: below 0 is inside the gum, 1 is the biting edge."""


def make_mouth(parameters: AvatarParameters, shape: HeadShape) -> list[Part]:
    """Parts ``"teeth"`` (both rows with gums) and ``"tongue"``."""
    return [_make_teeth(parameters, shape), _make_tongue(shape)]


def _make_teeth(parameters: AvatarParameters, shape: HeadShape) -> Part:
    points, faces, uv, first = [], [], [], 0
    moved: dict[str, list[ndarray]] = {name: [] for name in ACTIONS}
    for jaw in (UPPER, LOWER):
        rest, cells, coordinates = jaw_mesh(shape.model, jaw)
        group = shape.model.arrays[f"group:{jaw.helper}"]
        fit = _affine(shape.model.arrays["template"][group], shape.vertices[group])
        design = np.concatenate([rest, np.ones((len(rest), 1))], axis=1)
        points.append(design @ fit)
        for name in ACTIONS:
            deltas = shape.action_deltas(name)[group]
            if np.abs(deltas).max() < 1e-6:
                moved[name].append(np.zeros_like(rest))
            else:
                moved[name].append(design @ _affine(shape.model.arrays["template"][group], deltas))
        faces.append(cells + first)
        uv.append(coordinates)
        first += len(rest)
    morphs = {name: sparse_morph(np.concatenate(parts)) for name, parts in moved.items()}
    return _mouth_part(
        "teeth",
        np.concatenate(points),
        np.concatenate(faces),
        np.concatenate(uv),
        Material(kind="mouth", base_color=paint_teeth(parameters), roughness_factor=0.22),
        {name: morph for name, morph in morphs.items() if morph is not None},
        shape,
    )


def _make_tongue(shape: HeadShape) -> Part:
    model = shape.model
    quads = model.arrays["quads:helper-tongue"]
    group, local = np.unique(quads, return_inverse=True)
    local = local.reshape(quads.shape)
    faces = np.concatenate([local[:, [0, 1, 2]], local[:, [0, 2, 3]]])
    template = model.arrays["template"][group]
    low, high = template.min(0), template.max(0)
    unit = (template - low) / (high - low)
    uv = np.stack([unit[:, 0], 1.0 - unit[:, 2]], axis=1)
    flat = np.array([TONGUE_WIDTH, TONGUE_HEIGHT, 1.0])
    rest = shape.vertices[group]
    floor = np.array([0.0, rest[:, 1].min(), 0.0])
    points = (rest - floor) * flat + floor - [0.0, TONGUE_DROP_M, 0.0]
    moved = {name: shape.action_deltas(name)[group] for name in ACTIONS}
    moved["tongueOut"] = moved["tongueOut"] + rest - points
    morphs = {name: sparse_morph(delta) for name, delta in moved.items()}
    return _mouth_part(
        "tongue",
        points,
        faces,
        uv,
        Material(
            kind="mouth",
            base_color=paint_tongue(),
            roughness_factor=0.38,
            double_sided=True,
        ),
        {name: morph for name, morph in morphs.items() if morph is not None},
        shape,
    )


def _mouth_part(
    name: str,
    points: ndarray,
    faces: ndarray,
    uv: ndarray,
    material: Material,
    morphs: dict[str, Morph],
    shape: HeadShape,
) -> Part:
    joints, weights = follow_head(len(points), shape)
    points = points.astype(np.float32)
    faces = faces.astype(np.int32)
    return Part(
        name=name,
        vertices=points,
        faces=faces,
        normals=vertex_normals(points, faces),
        uv=uv.astype(np.float32),
        material=material,
        segment=np.full(len(faces), Segment.MOUTH, np.uint8),
        joints=joints,
        weights=weights,
        morphs=morphs,
    )


def _affine(source: ndarray, target: ndarray) -> Float[ndarray, "4 3"]:
    """Least-squares map ``[source, 1] @ A`` onto target."""
    design = np.concatenate([source, np.ones((len(source), 1))], axis=1).astype(np.float64)
    return np.linalg.lstsq(design, np.asarray(target, np.float64), rcond=None)[0]


@lru_cache(maxsize=4)
def jaw_mesh(model: HeadModel, jaw: Jaw) -> tuple[ndarray, ndarray, ndarray]:
    """Vertices in metres on the template, outward triangles and UV of teeth and gum."""
    arch = _arch(model, jaw)
    points, faces, uv, first = [], [], [], 0
    for sign in (1.0, -1.0):
        along = 0.12
        for kind in range(len(jaw.widths)):
            middle = along + jaw.widths[kind] / 2
            along += jaw.widths[kind]
            p, f, t = _tooth(jaw, arch, sign, middle, kind)
            points.append(p)
            faces.append((f if sign > 0 else f[:, ::-1]) + first)
            uv.append(t)
            first += len(p)
    p, f, t = _gum(jaw, arch)
    points.append(p)
    faces.append(f + first)
    uv.append(t)
    return np.concatenate(points) * 1e-3, np.concatenate(faces), np.concatenate(uv)


@dataclass(frozen=True)
class _Arch:
    """Half an arch in mm: x, z and height of the biting edge as functions of the arc length."""

    along: ndarray
    x: ndarray
    z: ndarray
    edge: ndarray

    def at(self, along: ndarray | float, sign: float) -> tuple[ndarray, ndarray, ndarray]:
        """Points (…, 3) of the biting edge, outward normals and tangents away from the midline."""
        along = np.asarray(along, np.float64)
        x = np.interp(along, self.along, self.x)
        z = np.interp(along, self.along, self.z)
        dx = np.interp(along + 0.6, self.along, self.x) - np.interp(along - 0.6, self.along, self.x)
        dz = np.interp(along + 0.6, self.along, self.z) - np.interp(along - 0.6, self.along, self.z)
        length = np.maximum(np.hypot(dx, dz), 1e-9)
        zero = np.zeros_like(x)
        point = np.stack([sign * x, np.interp(along, self.along, self.edge), z], axis=-1)
        tangent = np.stack([sign * dx / length, zero, dz / length], axis=-1)
        normal = np.stack([-sign * dz / length, zero, dx / length], axis=-1)
        return point, normal, tangent


def _arch(model: HeadModel, jaw: Jaw) -> _Arch:
    """Fit a half ellipse, blunted in front, to the helper's outline."""
    helper = model.arrays["template"][model.arrays[f"group:{jaw.helper}"]] * 1e3
    half = np.abs(helper[:, 0]).max() - jaw.inset - 1.0
    front, back = helper[:, 2].max() - jaw.inset + jaw.forward, helper[:, 2].min()
    t = np.linspace(0.0, 1.62, 400)
    x = half * np.sin(t) ** 0.92
    z = back + (front - back) * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** 0.92
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
    outer = np.hypot(helper[:, 0] / half, (helper[:, 2] - back) / (front - back)) > 0.9
    design = np.stack([np.ones(outer.sum()), (helper[outer, 2] - back) / (front - back)], axis=1)
    height = jaw.up * helper[outer, 1]
    top = height - design @ np.linalg.lstsq(design, height, rcond=None)[0]
    base = np.linalg.lstsq(design, height, rcond=None)[0]
    line = base[0] + base[1] * (z - back) / (front - back) + np.quantile(top, 0.95)
    spee = SIDE_DROP_MM * np.sin(np.clip(x / half, 0.0, 1.0) * np.pi) ** 2
    return _Arch(along, x, z, jaw.up * (line + jaw.edge - spee))


def _tooth(
    jaw: Jaw, arch: _Arch, sign: float, middle: float, kind: int
) -> tuple[ndarray, ndarray, ndarray]:
    """One crown: rings from inside the gum to the biting edge, capped at the edge."""
    width, height, depth = jaw.widths[kind], jaw.heights[kind], jaw.depths[kind]
    point, normal, tangent = arch.at(middle, sign)
    turn = np.arange(RING) * (2 * np.pi / RING)
    c, s = np.cos(turn), np.sin(turn)
    across = np.sign(s) * np.abs(s) ** 0.62
    through = np.sign(c) * np.abs(c) ** 0.8
    incisor = kind < 3
    pointed = 0.22 if kind == 2 else (0.10 if kind in (3, 4) else 0.0)
    rings, uv = [], []
    for level in LEVELS:
        t = max(level, 0.0)
        wide = width * np.interp(level, *TOOTH_OUTLINE)
        if kind == 2:
            wide *= 1.0 - 0.28 * max(t - 0.65, 0.0) / 0.35
        thick = depth * (
            np.interp(level, [-0.25, 0.1, 0.5, 1.0], [0.8, 0.95, 0.75, 0.22])
            if incisor
            else np.interp(level, [-0.25, 0.4, 0.85, 1.0], [0.8, 1.0, 0.95, 0.7])
        )
        belly = 0.5 * np.sin(np.pi * np.clip(t, 0, 1)) - 0.9 * t * t * (0.4 if incisor else 0.2)
        rounding = 0.5 * pointed * t * np.abs(across) ** 1.5 if t > 0.7 else 0.0 * across
        drop = height * (1.0 - level + rounding)
        front = through * thick / 2 - thick / 2 + belly
        ring = (
            point
            + tangent * (across * wide / 2)[:, None]
            + normal * front[:, None]
            - np.array([0.0, jaw.up, 0.0]) * drop[:, None]
        )
        rings.append(ring)
        u = (kind + 0.5 + 0.42 * across) / KINDS_OF_TOOTH * 0.75
        uv.append(np.stack([u, np.full(RING, 0.98 - 0.96 * t)], axis=1))
    rings.append(rings[-1].mean(0, keepdims=True))
    uv.append(uv[-1].mean(0, keepdims=True))
    faces = _ring_faces(len(LEVELS), RING)
    return np.concatenate(rings), faces if jaw.up < 0 else faces[:, ::-1], np.concatenate(uv)


def _ring_faces(levels: int, ring: int) -> ndarray:
    k = np.arange(ring)
    following = (k + 1) % ring
    faces = []
    for level in range(levels - 1):
        a, b = level * ring, (level + 1) * ring
        faces += [np.stack([a + k, b + k, b + following], 1)]
        faces += [np.stack([a + k, b + following, a + following], 1)]
    last = (levels - 1) * ring
    faces.append(np.stack([last + k, np.full(ring, levels * ring), last + following], 1))
    return np.concatenate(faces)


def _gum(jaw: Jaw, arch: _Arch) -> tuple[ndarray, ndarray, ndarray]:
    """The gum: a scalloped band in front of and behind the roots, along the whole arch."""
    ends = np.concatenate([[0.0], np.cumsum(jaw.widths)]) + 0.12
    samples = np.concatenate(
        [np.linspace(ends[k], ends[k + 1], 5)[:-1] for k in range(len(jaw.widths))]
    )
    phase = np.tile(np.arange(4) / 4.0, len(jaw.widths))
    kind = np.repeat(np.arange(len(jaw.widths)), 4)
    crown = np.interp(samples, ends[:-1] + np.diff(ends) / 2, jaw.heights)
    depth = np.interp(samples, ends[:-1] + np.diff(ends) / 2, jaw.depths)
    papilla = np.abs(np.cos(np.pi * phase)) ** 3 * np.interp(kind, [0, 3, 4], [1.0, 0.7, 0.2])
    margin = crown * (0.93 - 0.34 * papilla)
    profile = (
        (0.4, 13.0, 0.02),
        (1.3, 6.5, 0.45),
        (1.0, 1.6, 0.8),
        (0.15, 0.0, 0.98),
        (None, 0.0, 0.98),
        (None, 5.0, 0.5),
        (None, 12.0, 0.02),
    )
    columns = []
    for sign in (-1.0, 1.0):
        point, normal, _ = arch.at(samples, sign)
        rows = []
        for out, above, _v in profile:
            offset = out if out is not None else -depth * 1.02 - (0.25 if above == 0 else 1.6)
            height = margin + above
            rows.append(
                point
                + normal * np.broadcast_to(offset, samples.shape)[:, None]
                - np.array([0.0, jaw.up, 0.0]) * height[:, None]
            )
        columns.append(np.stack(rows, axis=1))
    left = columns[0][::-1]
    grid = np.concatenate([left, columns[1]], axis=0)
    shade = np.concatenate([kind[::-1], kind]) + 0.5
    v = np.array([row[2] for row in profile])
    u = 0.76 + 0.23 * shade / len(jaw.widths)
    uv = np.stack(np.broadcast_arrays(u[:, None], v[None, :]), axis=-1).reshape(-1, 2)
    n, m = grid.shape[:2]
    corner = np.arange(n * m).reshape(n, m)
    a, b = corner[:-1, :-1].ravel(), corner[1:, :-1].ravel()
    c, d = corner[1:, 1:].ravel(), corner[:-1, 1:].ravel()
    faces = np.concatenate([np.stack([a, d, c], 1), np.stack([a, c, b], 1)])
    return grid.reshape(-1, 3), faces if jaw.up < 0 else faces[:, ::-1], uv

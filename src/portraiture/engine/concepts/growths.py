"""Horns, fangs, antennae and the like: meshes of their own that move with the skull or the jaw.

place on the head ─path, radii─▶ tube ─▶ Part, rigid: it follows the bone, and of expressions the
motion of the one skin point that it stands on
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial import KDTree

from portraiture.engine.actions import ACTIONS
from portraiture.engine.concepts.concept import Growth, Rgb
from portraiture.engine.concepts.reshape import Frame, frame_of
from portraiture.engine.head import HeadModel
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, follow_head, shape_head, sparse_morph
from portraiture.engine.wear.sweep import Solid, merge, tube
from portraiture.ops.vectors import smooth, unit
from portraiture.types import Finish, Material, Morph, Part, Segment

AROUND = 20
"""Vertices round a tube."""
RAMP = 64


def make_growth(growth: Growth, shape: HeadShape, *, finish: Finish = "lit") -> Part:
    """The mesh of a growth, on both sides where there are two."""
    frame = frame_of(shape)
    match growth.kind:
        case "horns":
            solid = _both(_horn(growth.size), frame, shape)
        case "ram_horns":
            solid = _both(_ram_horn(growth.size), frame, shape)
        case "antennae":
            solid = _both(_antenna(growth.size), frame, shape)
        case "fangs":
            solid = _both(_fang(growth.size), frame, shape, on_face=True)
        case "tusks":
            solid = _both(_tusk(growth.size), frame, shape, on_face=True)
        case "cat_ears":
            solid = _both(_pinna(growth.size, hanging=False), frame, shape)
        case "dog_ears":
            solid = _both(_pinna(growth.size, hanging=True), frame, shape)
        case "bolts":
            solid = _both(_bolt(growth.size), frame, shape)
        case "halo":
            solid = _halo(growth.size, frame)
        case "whiskers":
            solid = _both(_whiskers(growth.size), frame, shape, on_face=True)
    joints, weights = follow_head(len(solid.vertices), shape)
    if growth.kind == "bolts":
        joints[:, 0] = shape.model.joint_names.index("neck")
    return Part(
        name=growth.kind,
        vertices=solid.vertices.astype(np.float32),
        faces=solid.faces.astype(np.int32),
        normals=solid.normals.astype(np.float32),
        uv=solid.uv.astype(np.float32),
        material=_material(growth, finish),
        segment=np.full(len(solid.faces), Segment.HAT, np.uint8),
        joints=joints,
        weights=weights,
        morphs=_rigid(growth, solid, shape, frame),
    )


class _Piece:
    """One tube on the person's left. path: (N, 3) canonical mm, the root first. radius: (N,) mm.
    flat: factor on the radius along `across`. root: where it stands, or None as it is."""

    def __init__(
        self,
        path: ndarray,
        radius: ndarray,
        *,
        flat: float = 1.0,
        across: tuple[float, float, float] = (0.0, 0.0, 1.0),
        closed: bool = False,
    ) -> None:
        self.path, self.radius = np.asarray(path, np.float64), np.asarray(radius, np.float64)
        self.flat, self.across, self.closed = flat, np.asarray(across, np.float64), closed


def _both(pieces: list[_Piece], frame: Frame, shape: HeadShape, *, on_face: bool = False) -> Solid:
    """The pieces on both sides, on this head. on_face: they go with the face's features, else with
    the skin under them."""
    solids = []
    for piece in pieces:
        path = piece.path
        path = path + (_carried if on_face else _landed)(path[0], frame, shape)
        for side in (1.0, -1.0):
            solids.append(_tube(piece, path, side, frame))
    return merge(solids)


def _landed(root: ndarray, frame: Frame, shape: HeadShape) -> ndarray:
    """The motion, mm, that brings a root to the skin under it, seen from the middle of the head."""
    skin = frame.to_canonical(shape.skin)
    middle = np.array([0.0, 25.0, -70.0])
    toward = unit(skin - middle)
    near = np.argsort(-(toward @ unit(root - middle)))[:6]
    radius = np.linalg.norm(skin[near] - middle, axis=1).mean()
    return middle + unit(root - middle) * radius - root


def _carried(root: ndarray, frame: Frame, shape: HeadShape) -> ndarray:
    """The difference, mm, between this head and the average one at the skin next to a root."""
    average = average_skin(shape.model)
    row = int(np.argmin(np.linalg.norm(average - root, axis=1)))
    away = frame.to_canonical(shape.skin[row]) - average[row]
    return away * np.array([0.5, 1.0, 1.0])


@lru_cache(maxsize=2)
def average_skin(model: HeadModel) -> Float[ndarray, "S 3"]:
    """Skin vertices of the average head, canonical mm."""
    average = shape_head(AvatarParameters(), model)
    return frame_of(average).to_canonical(average.skin)


def _tube(piece: _Piece, path: ndarray, side: float, frame: Frame) -> Solid:
    direction = unit(np.gradient(path, axis=0))
    first = unit(np.cross(direction, piece.across))
    second = np.cross(direction, first)
    turn = np.arange(AROUND) * (2.0 * np.pi / AROUND)
    ring = (
        first[:, None] * np.cos(turn)[:, None]
        + piece.flat * second[:, None] * np.sin(turn)[:, None]
    )
    rings = path[:, None] + piece.radius[:, None, None] * ring
    rings = rings * np.array([side, 1.0, 1.0])
    solid = tube(frame.to_head(rings if side > 0 else rings[:, ::-1]))
    along = np.clip(solid.uv[:, 0] / max(float(solid.uv[:, 0].max()), 1e-9), 0.0, 1.0)
    uv = np.stack(
        [np.where(solid.uv[:, 1] <= 0.5, 2 * solid.uv[:, 1], 2 - 2 * solid.uv[:, 1]), 1.0 - along],
        axis=1,
    )
    return Solid(solid.vertices, solid.faces, uv, solid.normals)


def _curve(knots: list[tuple[float, float, float]], count: int = 28) -> Float[ndarray, "N 3"]:
    """A smooth curve through knots (Catmull-Rom)."""
    points = np.array(knots, np.float64)
    ends = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0.0, len(points) - 1.0, count)
    k = np.minimum(t.astype(int), len(points) - 2)
    u = (t - k)[:, None]
    a, b, c, d = (ends[k + j] for j in range(4))
    return 0.5 * (
        2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3
    )


def _scaled(
    knots: list[tuple[float, float, float]], size: float
) -> list[tuple[float, float, float]]:
    """Knots farther from the first one by a factor."""
    first = np.array(knots[0])
    return [tuple(first + size * (np.array(knot) - first)) for knot in knots]  # type: ignore[misc]


def _horn(size: float) -> list[_Piece]:
    path = _curve(_scaled([(34, 72, 2), (42, 96, 8), (54, 124, 2), (55, 152, -18)], size))
    t = np.linspace(0.0, 1.0, len(path))
    radius = size * (11.0 * (1.0 - t) ** 0.8 + 0.4) * (1.0 + 0.05 * np.sin(40.0 * t) * (1 - t))
    return [_Piece(path, radius)]


def _ram_horn(size: float) -> list[_Piece]:
    turn = np.linspace(0.6 * np.pi, -1.15 * np.pi, 44)
    t = np.linspace(0.0, 1.0, len(turn))
    reach = size * (48.0 - 12.0 * t)
    path = np.stack(
        [44.0 + 62.0 * t, 62.0 + reach * np.sin(turn), -38.0 + reach * np.cos(turn)], axis=1
    )
    radius = size * (17.0 * (1.0 - t) ** 0.7 + 0.5) * (1.0 + 0.06 * np.sin(70.0 * t))
    return [_Piece(path, radius, across=(1.0, 0.0, 0.0))]


def _antenna(size: float) -> list[_Piece]:
    stalk = _curve(_scaled([(20, 90, -6), (26, 122, 4), (36, 150, 8), (44, 166, 20)], size))
    radius = np.full(len(stalk), 1.9)
    tip = stalk[-1]
    t = np.linspace(-1.0, 1.0, 14)
    ball = tip + 7.0 * t[:, None] * unit(stalk[-1] - stalk[-2])
    joined = np.concatenate([stalk[:-1], ball])
    round_ = 7.0 * np.sqrt(np.clip(1.0 - t**2, 0.02, 1.0))
    return [_Piece(joined, np.concatenate([radius[:-1], np.maximum(round_, 1.2)]))]


def _fang(size: float) -> list[_Piece]:
    path = _curve(
        _scaled([(13.6, -69.0, 27.5), (13.4, -76.5, 31.0), (12.6, -84.5, 31.6)], size), 14
    )
    t = np.linspace(0.0, 1.0, len(path))
    return [_Piece(path, size * (2.3 * (1.0 - t**1.6) + 0.12))]


def _tusk(size: float) -> list[_Piece]:
    path = _curve(
        _scaled(
            [(17.5, -80.0, 22.0), (20.0, -72.0, 27.0), (22.0, -61.0, 28.5), (21.0, -52.0, 27.0)],
            size,
        ),
        18,
    )
    t = np.linspace(0.0, 1.0, len(path))
    return [_Piece(path, size * (4.0 * (1.0 - t**1.7) + 0.2))]


def _pinna(size: float, *, hanging: bool) -> list[_Piece]:
    knots = [(40.0, 80.0, -30.0), (52.0, 106.0, -28.0), (60.0, 128.0, -26.0), (64.0, 142.0, -26.0)]
    if hanging:
        knots = [(48.0, 74.0, -30.0), (72.0, 86.0, -26.0), (92.0, 66.0, -22.0), (98.0, 36.0, -18.0)]
    path = _curve(_scaled(knots, size), 20)
    t = np.linspace(0.0, 1.0, len(path))
    wide = size * 24.0 * ((1.0 - t) ** 0.75 if not hanging else np.sqrt(1.0 - 0.85 * t**3)) + 0.4
    shell = _Piece(path, wide, flat=0.30)
    inner = path[1:-3] + np.array([0.0, -1.0, 4.6 * size])
    fur = _Piece(inner, 0.66 * wide[1:-3], flat=0.34)
    return [shell, fur]


def _bolt(size: float) -> list[_Piece]:
    root = np.array([50.0, -118.0, -62.0])
    out = unit(np.array([1.0, 0.0, 0.15]))
    reach = np.array([-8.0, 0.0, 10.0, 10.01, 20.0, 20.01])
    radius = np.array([5.0, 5.0, 5.0, 10.0, 10.0, 0.4])
    return [_Piece(root + size * reach[:, None] * out, size * radius, across=(0.0, 1.0, 0.0))]


def _whiskers(size: float) -> list[_Piece]:
    made = []
    for row, (y, rise) in enumerate(((-54.0, 8.0), (-59.0, 0.0), (-64.0, -8.0))):
        knots = [
            (15.0, y, 27.0), (38.0, y + 0.5 * rise + 2, 34.0 - row),
            (70.0, y + rise + 1, 30.0), (98.0, y + 1.4 * rise - 6, 16.0),
        ]  # fmt: skip
        path = _curve(_scaled(knots, size), 16)
        made.append(_Piece(path, np.linspace(0.65, 0.18, len(path))))
    return made


def _halo(size: float, frame: Frame) -> Solid:
    turn = np.linspace(0.0, 2.0 * np.pi, 64, endpoint=False)
    centre = np.array([0.0, 152.0, -62.0])
    out = np.stack([np.cos(turn), np.zeros_like(turn), np.sin(turn)], axis=1)
    around = np.arange(AROUND) * (2.0 * np.pi / AROUND)
    local = np.cos(around)[None, :, None] * out[:, None] + np.sin(around)[None, :, None] * [
        0.0,
        1.0,
        0.0,
    ]
    rings = centre + size * 78.0 * out[:, None] + 4.6 * local
    tilt = np.array([[1, 0, 0], [0, np.cos(0.16), np.sin(0.16)], [0, -np.sin(0.16), np.cos(0.16)]])
    rings = centre + (rings - centre) @ tilt
    solid = tube(frame.to_head(rings), closed=True)
    return Solid(solid.vertices, solid.faces, np.full((len(solid.vertices), 2), 0.5), solid.normals)


def _material(growth: Growth, finish: Finish) -> Material:
    """Root at the top of the texture, tip at the bottom."""
    t = ((np.arange(RAMP) + 0.5) / RAMP)[:, None, None]
    tip: Rgb = growth.rgb if growth.other is None else growth.other
    color = np.asarray(growth.rgb) + smooth((t - 0.1) / 0.8) * (np.asarray(tip) - growth.rgb)
    ringed = growth.kind in ("horns", "ram_horns")
    shade = 1.0 - (0.22 * (0.5 + 0.5 * np.sin(75.0 * t)) * (1.0 - t) if ringed else 0.0)
    out = np.full((RAMP, 4, 4), 255, np.uint8)
    out[..., :3] = (np.clip(color * shade, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    rough = {"bolts": 0.35, "halo": 0.6, "fangs": 0.25, "tusks": 0.35, "antennae": 0.3}
    metal = {"bolts": 0.9}
    return Material(
        kind="plain", base_color=out, roughness_factor=rough.get(growth.kind, 0.55),
        metallic=metal.get(growth.kind, 0.0), finish=finish,
    )  # fmt: skip


_STANDS = {"tusks": (17.0, -84.0, 24.0), "whiskers": (18.0, -58.0, 26.0)}
"""Skin points whose motion in expressions tusks and whiskers follow; all else is the skull's."""


def _rigid(growth: Growth, solid: Solid, shape: HeadShape, frame: Frame) -> Mapping[str, Morph]:
    stand = _STANDS.get(growth.kind)
    if stand is None:
        return {}
    place = frame.to_head(np.array([stand, (-stand[0], *stand[1:])]))
    _, nearest = KDTree(shape.skin).query(place)
    rows = shape.model.arrays["skin_vertex"][nearest]
    left = solid.vertices[:, 0] > 0.0
    morphs: dict[str, Morph] = {}
    for name in ACTIONS:
        two = shape.action_deltas(name)[rows]
        morph = sparse_morph(np.where(left[:, None], two[0], two[1]))
        if morph is not None:
            morphs[name] = morph
    return morphs

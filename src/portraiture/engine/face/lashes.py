"""Eyelashes: alpha-tested strips along the lid margins that follow blinks.

The base mesh's lash helpers define the margins and the curl. Their vertices move with the lids in
every action, and each lash vertex is a fixed blend of theirs.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from portraiture.engine.actions import ACTIONS
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, follow_head, sparse_morph, vertex_normals
from portraiture.types import Material, Part, Segment

LOWER_GRID = (
    (12, 13, 10, 14, 15, 16, 17, 18, 19, 20, 11, 21),
    (26, 27, 24, 28, 29, 30, 31, 32, 33, 34, 25, 35),
    (54, 53, 48, 49, 51, 50, 52, 59, 58, 55, 56, 57),
    (38, 39, 36, 40, 41, 42, 43, 44, 45, 46, 37, 47),
)
UPPER_GRID = (
    (17, 15, 18, 19, 20, 28, 29, 27, 26, 25, 24, 23, 22),
    (8, 21, 16, 13, 30, 37, 38, 36, 35, 34, 33, 32, 31),
    (63, 62, 52, 53, 64, 56, 58, 59, 54, 55, 60, 61, 57),
    (39, 42, 41, 40, 43, 50, 51, 49, 48, 47, 46, 45, 44),
)
"""Helper vertices: rows from the lid margin to the tips, columns from the nose outwards."""

BLINK_REACH_M = 6.9e-3
"""Lid opening that the base mesh's blink closes completely."""

COLUMNS = 36
TEXTURE = (256, 1024)
ROOT_ROWS = 28
"""Rows at the roots of upper lashes in which they stand too close to be told apart."""


def make_lashes(parameters: AvatarParameters, shape: HeadShape) -> Part:
    """Upper and lower lashes of both eyes as one part, 850 triangles."""
    upper_length = 0.55 + 0.55 * parameters.lash_length
    lower_length = 0.62 + 0.35 * parameters.lash_length
    pieces = []
    for side in ("l", "r"):
        for lid, grid, length in ((1, LOWER_GRID, lower_length), (2, UPPER_GRID, upper_length)):
            pieces.append(_strip(shape, f"helper-{side}-eyelashes-{lid}", grid, length))
    first, vertices, faces, uv, segment = 0, [], [], [], []
    moved: dict[str, list[ndarray]] = {name: [] for name in ACTIONS}
    for (blend, group, cells, coordinates), lid, side in zip(
        pieces, (1, 2, 1, 2), "llrr", strict=True
    ):
        vertices.append(blend @ shape.vertices[group])
        for name in ACTIONS:
            moved[name].append(blend @ lid_deltas(shape, name)[group])
        faces.append(cells + first)
        half = 0.5 if lid == 2 else 0.0
        uv.append(coordinates * [1.0, 0.5] + [0.0, half])
        eye = Segment.RIGHT_EYE if side == "l" else Segment.LEFT_EYE
        segment.append(np.full(len(cells), eye, np.uint8))
        first += len(blend)
    points = np.concatenate(vertices).astype(np.float32)
    triangles = np.concatenate(faces).astype(np.int32)
    joints, weights = follow_head(len(points), shape)
    morphs = {name: sparse_morph(np.concatenate(parts)) for name, parts in moved.items()}
    return Part(
        name="lashes",
        vertices=points,
        faces=triangles,
        normals=_outward(points, triangles, shape),
        uv=np.concatenate(uv).astype(np.float32),
        material=Material(
            kind="hair",
            base_color=paint_lashes(parameters),
            roughness_factor=0.7,
            alpha_mode="mask",
            alpha_cutoff=0.4,
            double_sided=True,
        ),
        segment=np.concatenate(segment),
        joints=joints,
        weights=weights,
        morphs={name: morph for name, morph in morphs.items() if morph is not None},
    )


def blink_gain(shape: HeadShape, side: str) -> float:
    """Gain (1 to 2) on the blink action needed to close these eyes completely, before the style's
    warp, which enlarges opening and blink alike."""
    arrays = shape.model.arrays
    upper_row, lower_row = (arrays[f"group:helper-{side[0]}-eyelashes-{k}"] for k in (2, 1))
    upper = shape.unwarped[upper_row][list(UPPER_GRID[0][3:10])]
    lower = shape.unwarped[lower_row][list(LOWER_GRID[0][3:9])]
    opening = float(upper[:, 1].mean() - lower[:, 1].mean())
    return float(np.clip(opening / BLINK_REACH_M, 1.0, 2.0))


def lid_deltas(shape: HeadShape, action: str) -> Float[ndarray, "V 3"]:
    """The action's displacement of all baked vertices; blinks are scaled to close the eyes."""
    match action:
        case "eyeBlinkLeft":
            return shape.action_deltas(action, gain=blink_gain(shape, "left"))
        case "eyeBlinkRight":
            return shape.action_deltas(action, gain=blink_gain(shape, "right"))
    return shape.action_deltas(action)


def _outward(points: ndarray, faces: ndarray, shape: HeadShape) -> ndarray:
    """Normals facing away from the head's centre, so that both sides of a card shade alike."""
    normals = vertex_normals(points, faces)
    middle = shape.joints[shape.model.joint_names.index("head")]
    inwards = ((points - middle) * normals).sum(1) < 0
    return np.where(inwards[:, None], -normals, normals).astype(np.float32)


def _strip(
    shape: HeadShape, name: str, grid: tuple[tuple[int, ...], ...], length: float
) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Blend weights (P, G) over the helper group, its vertices, triangles and UV of one strip."""
    group = shape.model.arrays[f"group:{name}"]
    rows = np.array(grid)
    along = _spline_weights(rows.shape[1], COLUMNS)
    blend = np.zeros((len(rows), COLUMNS, len(group)))
    for r, row in enumerate(rows):
        blend[r][:, row] = along
    blend[1:] = blend[:1] + length * (blend[1:] - blend[:1])
    blend[0] = blend[0] - 0.12 * (blend[1] - blend[0])
    u, v = np.meshgrid(np.linspace(0, 1, COLUMNS), np.array([1.0, 0.62, 0.32, 0.0]))
    corner = np.arange(len(rows) * COLUMNS).reshape(len(rows), COLUMNS)
    a, b = corner[:-1, :-1].ravel(), corner[:-1, 1:].ravel()
    c, d = corner[1:, 1:].ravel(), corner[1:, :-1].ravel()
    cells = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return blend.reshape(-1, len(group)), group, cells, np.stack([u.ravel(), v.ravel()], 1)


def _spline_weights(knots: int, samples: int) -> Float[ndarray, "N K"]:
    """Catmull-Rom interpolation of `knots` evenly spaced values at `samples` evenly spaced
    positions."""
    weights = np.zeros((samples, knots))
    for n, at in enumerate(np.linspace(0, knots - 1, samples)):
        k = min(int(at), knots - 2)
        t = at - k
        cubic = (
            -0.5 * t + t**2 - 0.5 * t**3,
            1 - 2.5 * t**2 + 1.5 * t**3,
            0.5 * t + 2 * t**2 - 1.5 * t**3,
            -0.5 * t**2 + 0.5 * t**3,
        )
        for offset, weight in zip((-1, 0, 1, 2), cubic, strict=True):
            weights[n, min(max(k + offset, 0), knots - 1)] += weight
    return weights


def paint_lashes(parameters: AvatarParameters) -> UInt8[ndarray, "h w 4"]:
    """Colour and coverage: upper lashes in the top half, roots at the top of each half."""
    density = 0.55 + 0.45 * parameters.lash_length
    cover = _lash_coverage(round(density, 2))
    dark = np.array([22.0, 17.0, 15.0])
    fair = np.array([92.0, 68.0, 50.0])
    blond = np.clip(1.0 - 1.8 * parameters.hair_melanin, 0.0, 0.8)
    out = np.empty((*TEXTURE, 4), np.uint8)
    out[..., :3] = (dark + blond * (fair - dark) + 0.5).astype(np.uint8)
    out[..., 3] = cover
    return out


@lru_cache(maxsize=8)
def _lash_coverage(density: float) -> UInt8[ndarray, "h w"]:
    rng = np.random.default_rng(5)
    height, width = TEXTURE
    cover = np.zeros(TEXTURE, np.float32)
    cover[:ROOT_ROWS] = 1.0
    for top, count, thickness in ((0, 140, 4.6), (height // 2, 64, 3.2)):
        for k in range(int(count * density)):
            at = (k + rng.uniform(0.1, 0.9)) / int(count * density)
            reach = np.sin(np.pi * (0.10 + 0.84 * at)) ** 0.5 * rng.uniform(0.62, 0.98)
            lean = (at - 0.42) * 26.0 + rng.normal(0.0, 9.0)
            _draw_lash(cover, top, at * width, lean, reach * (height // 2 - 3), thickness)
    return (np.clip(cover, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _draw_lash(
    cover: ndarray, top: int, root: float, lean: float, length: float, thickness: float
) -> None:
    """One tapering curved hair; coverage is antialiased across its width."""
    along = [row / length for row in range(int(length))]
    centre = np.array([root + lean * t**1.6 for t in along])[:, None]
    half = np.array([0.5 * thickness * (1.0 - t) ** 0.6 + 0.35 for t in along])[:, None]
    first = max(int((centre - half).min()) - 1, 0)
    part = cover[top : top + len(along), first : int((centre + half).max()) + 2]
    column = first + np.arange(part.shape[1]) + 0.5
    gain = np.clip(half + 0.5 - np.abs(column - centre), 0.0, 1.0)
    np.maximum(part, gain, out=part, casting="same_kind")

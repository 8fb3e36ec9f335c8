"""Solid hair: one closed sculpted surface instead of strands.

strands of `hair.build` ─┬─ columns over the scalp, splat ──▶ mass ┐ smooth union,
                         └─ `clumps`, tapered locks ────────▶ locks ┴─ marching cubes ──▶ Solid

The surface is closed: under the hair it runs inside the head. u of its texture is 0 on the ridge of
a lock and 1 in the groove between two, v is 1 at the roots and 0 at the tips, so that a small image
of one lock paints all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray
from scipy.ndimage import binary_dilation, binary_fill_holes, gaussian_filter, label
from scipy.spatial import KDTree
from skimage.measure import marching_cubes

from portraiture.engine.hair.build import hair_skinning, hair_strands
from portraiture.engine.hair.clumps import Clumps, Samples, gather, resampled, sample
from portraiture.engine.hair.plaits import PLAITED, braid_lines, cornrow_lines
from portraiture.engine.hair.scalp import grow_roots, scalp_depth
from portraiture.engine.hair.surface import SkinField, skin_field
from portraiture.engine.mesh_smoothing import smoothed
from portraiture.engine.parameters import AvatarParameters, HairStyle
from portraiture.engine.shape import HeadShape, vertex_normals
from portraiture.ops.vectors import smooth
from portraiture.types import Material, Part, Segment

VOXEL_M = 0.0041
"""Side of a voxel on a head of average size."""

SUNK_M = 0.006
"""Depth under the skin to which the scalp's columns reach."""

_COLUMNS = 6000
"""Columns of the mass over a whole scalp: less than a voxel apart."""

_NEAR_M = 0.009
"""Distance of the fourth strand beyond which skin counts as bare."""

_BLUR = 1.25
_SOFT = 1.1
"""Standard deviation of the mass' blur, and width of the locks' edge, voxels."""

_GROOVE_M = 0.0028
"""Difference of distance to two locks at which a groove ends."""

_EVEN_RIDGES, _EVEN_COURSE = 2, 14
"""Rounds of smoothing of the texture's coordinates over the surface."""

_SMALLEST_M3 = 3e-6
"""Volume of the smallest piece that is kept."""


@dataclass(frozen=True)
class Cut:
    """How a style is sculpted. locks: number of clumps. taper: radius of their tips. girth: of
    clumps relative to the spread of their strands. waves: bulges along a lock, per metre, and
    depth, fraction of the radius. voxel: side relative to `VOXEL_M`."""

    locks: int = 100
    taper: float = 0.2
    girth: float = 1.15
    waves: tuple[float, float] = (0.0, 0.0)
    voxel: float = 1.0


_CUTS: dict[HairStyle, Cut] = {
    "buzz": Cut(0),
    "afro": Cut(170, taper=0.9, voxel=1.25),
    "curly": Cut(130, taper=0.5, waves=(55.0, 0.22)),
    "curly_medium": Cut(110, taper=0.4, waves=(42.0, 0.25)),
    "curly_long": Cut(100, taper=0.35, waves=(36.0, 0.25)),
    "long_straight": Cut(90),
    "long_wavy": Cut(90, waves=(14.0, 0.12)),
    "bob": Cut(90, taper=0.45),
    "ponytail": Cut(80),
    "bun": Cut(80, taper=0.5),
}


@dataclass(frozen=True)
class Solid:
    """A closed triangle mesh. ridge: (V,) 0 on a lock's ridge to 1 in a groove. along: (V,) 0 at
    the root to 1 at the tip of the lock. lock: (V,) index of the nearest lock, -1 without any."""

    vertices: Float32[ndarray, "V 3"]
    faces: Int[ndarray, "F 3"]
    ridge: Float[ndarray, "V"]
    along: Float[ndarray, "V"]
    lock: Int[ndarray, "V"]


def make_solid_hair(
    parameters: AvatarParameters, shape: HeadShape, material: Material
) -> Part | None:
    """Build one person's hair as a solid, or None if bald. Deterministic, bit for bit."""
    if parameters.hair_style == "bald":
        return None
    field = skin_field(shape)
    solid = solid_hair(parameters, shape, field)
    if solid is None:
        return None
    joints, weights = hair_skinning(field.canonical(solid.vertices)[:, 1], shape)
    return Part(
        name="hair",
        vertices=solid.vertices,
        faces=solid.faces,
        normals=vertex_normals(solid.vertices, solid.faces),
        uv=np.stack([solid.ridge, 1.0 - solid.along], axis=1).astype(np.float32),
        material=material,
        segment=np.full(len(solid.faces), Segment.HAIR, np.uint8),
        joints=joints,
        weights=weights,
    )


def solid_hair(parameters: AvatarParameters, shape: HeadShape, field: SkinField) -> Solid | None:
    """The closed surface of one person's hair, or None where too little grows."""
    strands, width = _strands(parameters, shape, field)
    cut = _CUTS.get(parameters.hair_style, Cut())
    distance = field(strands[:, ::3].reshape(-1, 3))[0].reshape(len(strands), -1)
    clumps = _clumps(parameters, strands, width, distance.mean(1), cut, field.scale)
    voxel = VOXEL_M * field.scale * cut.voxel
    samples = None if clumps is None else sample(clumps, 0.6 * voxel)
    columns = _columns(parameters, shape, field, strands, distance)
    plaited = parameters.hair_style in PLAITED
    loose = np.zeros((0, 3)) if plaited else _between(strands, 0.75 * voxel)
    return carve(columns, samples, voxel, waves=cut.waves, sheets=loose)


def carve(
    points: Float[ndarray, "N 3"],
    samples: Samples | None,
    voxel: float,
    *,
    waves: tuple[float, float] = (0.0, 0.0),
    sheets: Float[ndarray, "M 3"] | None = None,
    smallest: float = _SMALLEST_M3,
) -> Solid | None:
    """Closed surface round a mass of points and tapered locks.

    voxel: metres. waves: see `Cut`. sheets: points that are a voxel thick each, so that thin layers
    hold together. smallest: volume of the smallest piece, cubic metres.
    """
    sheets = np.zeros((0, 3)) if sheets is None else sheets
    every = np.concatenate([points, sheets, np.zeros((0, 3)) if samples is None else samples.point])
    low = every.min(0) - 0.02
    size = np.ceil((every.max(0) + 0.02 - low) / voxel).astype(int)
    full = np.zeros(size, bool)
    full[tuple(np.rint((sheets - low) / voxel).astype(int).T)] = True
    full = np.array(binary_dilation(full))
    full[tuple(np.rint((points - low) / voxel).astype(int).T)] = True
    mass = gaussian_filter(np.asarray(binary_fill_holes(full), np.float32), _BLUR)
    mass = np.minimum(1.35 * mass, 1.0)
    if samples is not None:
        mass = 1.0 - (1.0 - mass) * (1.0 - _locks(size, low, voxel, samples, waves))
    mass = _without_crumbs(mass, max(int(smallest / voxel**3), 8))
    if not (mass > 0.5).any():
        return None
    mass[[0, -1]] = mass[:, [0, -1]] = mass[:, :, [0, -1]] = 0.0
    vertices, faces, _, _ = marching_cubes(mass, 0.5)
    vertices = (low + voxel * vertices).astype(np.float32)
    faces = _outside_out(vertices, faces.astype(np.int32))
    ridge, along, lock = _course(vertices, samples)
    ridge = np.clip(smoothed(ridge[:, None], faces, _EVEN_RIDGES)[:, 0], 0.0, 1.0)
    along = np.clip(smoothed(along[:, None], faces, _EVEN_COURSE)[:, 0], 0.0, 1.0)
    return Solid(vertices, faces, ridge, along, lock)


def _strands(
    parameters: AvatarParameters, shape: HeadShape, field: SkinField
) -> tuple[Float[ndarray, "P T 3"], Float[ndarray, "P"]]:
    """All strands, resampled, and their widths in metres."""
    match parameters.hair_style:
        case "braids":
            lines, width = braid_lines(parameters, shape, field)
            return resampled(lines, 40), width
        case "cornrows":
            lines, width = cornrow_lines(parameters, field)
            return resampled(lines, 40), width
    locks = hair_strands(parameters, shape, field)
    strands = [resampled(lock.strands) for lock in locks if len(lock.strands)]
    return np.concatenate(strands), np.concatenate([lock.width for lock in locks])


def _clumps(
    parameters: AvatarParameters,
    strands: ndarray,
    width: ndarray,
    height: ndarray,
    cut: Cut,
    scale: float,
) -> Clumps | None:
    if parameters.hair_style in PLAITED:
        thick = 0.62 * np.maximum(width, 0.0075)[:, None]
        arc = np.linalg.norm(np.diff(strands, axis=1), axis=2).cumsum(1)
        arc = np.concatenate([np.zeros((len(strands), 1)), arc], axis=1)
        return Clumps(strands, thick * (1.0 + 0.18 * np.sin(2.0 * np.pi * arc / 0.012)))
    if cut.locks == 0:
        return None
    length = np.linalg.norm(np.diff(strands, axis=1), axis=2).sum(1)
    grown = length > 0.25 * np.quantile(length, 0.9)
    afro = parameters.hair_style == "afro"
    limits = (0.0045 * scale, 0.0125 * scale)
    if afro:
        limits = (0.011 * scale, 0.015 * scale)
        grown = height > np.quantile(height, 0.25)
    return gather(
        strands[grown],
        height[grown],
        cut.locks,
        taper=cut.taper,
        girth=cut.girth,
        limits=limits,
        slender=not afro,
    )


def _columns(
    parameters: AvatarParameters,
    shape: HeadShape,
    field: SkinField,
    strands: ndarray,
    distance: ndarray,
) -> Float[ndarray, "N 3"]:
    """Points of columns from under the skin to the hair's height, all over the scalp."""
    roots = grow_roots(_COLUMNS, parameters.hair_line, edge=1e-6, seed=11, model=shape.model)
    start, normal = roots.on(shape)
    grown, _ = KDTree(strands[:, 0]).query(start, k=4)
    hairy = grown[:, 3] < _NEAR_M * field.scale
    if parameters.hair_style in PLAITED:
        hairy = np.ones(len(start), bool)
    start, normal, depth = start[hairy], normal[hairy], roots.depth[hairy]
    if not len(start):
        return np.zeros((0, 3))
    flat, over = strands[:, ::3].reshape(-1, 3), distance.ravel()
    on_scalp = scalp_depth(field.canonical(flat), parameters.hair_line) > -0.004
    flat, over = flat[on_scalp], np.clip(over[on_scalp], 0.0, 0.09)
    lean = start + 0.5 * float(np.median(over)) * normal
    _, near = KDTree(flat).query(lean, k=24)
    share = 0.85 if parameters.hair_style == "afro" else 0.6
    height = 0.9 * np.quantile(over[near], share, axis=1)
    if parameters.hair_style == "cornrows":
        height = np.full(len(start), -0.003)
    height = height * smooth(depth / 0.012) + 0.001
    steps = int(np.ceil((height.max() + SUNK_M) / (0.8 * VOXEL_M))) + 1
    t = np.linspace(0.0, 1.0, steps)[None, :, None]
    reach = (height + SUNK_M)[:, None, None]
    points = (start - SUNK_M * normal)[:, None] + t * reach * normal[:, None]
    return points.reshape(-1, 3)


def _between(strands: Float[ndarray, "P T 3"], step: float) -> Float[ndarray, "N 3"]:
    """Points along strands at most about `step` metres apart, without the tips."""
    reach = np.linalg.norm(np.diff(strands, axis=1), axis=2).max()
    parts = max(int(np.ceil(reach / step)), 1)
    return resampled(strands[:, :-1], parts * (strands.shape[1] - 2) + 1).reshape(-1, 3)


def _locks(
    size: ndarray, low: ndarray, voxel: float, samples: Samples, waves: tuple[float, float]
) -> Float32[ndarray, "x y z"]:
    """Density of the locks: 1 inside, 0.5 on their surface."""
    index = np.rint((samples.point - low) / voxel).astype(int)
    marked = np.zeros(size, np.float32)
    marked[tuple(index.T)] = 1.0
    reach = float(samples.radius.max()) / voxel + 1.5
    near = np.argwhere(gaussian_filter(marked, 0.45 * reach) > 0.02 / reach**3)
    distance, found = samples.tree.query(low + voxel * near, k=8)
    radius = samples.radius[found]
    per_metre, deep = waves
    if deep > 0.0:
        height = samples.point[found][..., 1]
        phase = 2.4 * samples.clump[found]
        radius = radius * (1.0 + deep * np.sin(2.0 * np.pi * per_metre * height + phase))
    surface = (distance - radius).min(1)
    out = np.zeros(size, np.float32)
    out[tuple(near.T)] = np.clip(0.5 - surface / (2.0 * _SOFT * voxel), 0.0, 1.0)
    return out


def _without_crumbs(mass: ndarray, least: int) -> ndarray:
    """Zero where a connected piece has fewer than `least` voxels."""
    pieces = np.zeros(mass.shape, np.int32)
    label(mass > 0.5, output=pieces)
    if pieces.max() > 1:
        small = np.bincount(pieces.ravel()) < least
        small[0] = False
        crumbs = small[pieces]
        mass = np.where(gaussian_filter(crumbs.astype(np.float32), 1.0) > 0.01, 0.0, mass)
    return mass


def _outside_out(vertices: ndarray, faces: ndarray) -> ndarray:
    """The faces, turned over if the volume that they enclose is negative."""
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    return faces if (a * np.cross(b, c)).sum() > 0.0 else np.ascontiguousarray(faces[:, ::-1])


def _course(
    vertices: ndarray, samples: Samples | None
) -> tuple[Float[ndarray, "V"], Float[ndarray, "V"], Int[ndarray, "V"]]:
    """ridge, along and lock of `Solid`: from the two nearest locks (F1 and F2 of Worley 1996)."""
    if samples is None:
        return np.zeros(len(vertices)), np.full(len(vertices), 0.3), np.full(len(vertices), -1)
    distance, found = samples.tree.query(vertices, k=20)
    over = distance - samples.radius[found]
    rows = np.arange(len(vertices))
    first = over.argmin(1)
    own = samples.clump[found[rows, first]]
    others: Bool[ndarray, "V k"] = samples.clump[found] != own[:, None]
    second = np.where(others, over, np.inf).min(1)
    gap = np.clip((second - over[rows, first]) / _GROOVE_M, 0.0, 2.0)
    return 1.0 - smooth(0.5 * gap), samples.along[found[rows, first]], own

"""Short hair on skin: scattered roots, combed directions, and cards grown from them.

Regions and directions are defined on the canonical face (the base mesh), so that they lie on the
same feature of every head. Roots are barycentric points of skin triangles, so that they follow
every shape and expression.

canonical density ──scatter──▶ Roots ──comb──▶ directions ──grow──▶ Cards ──hair_part──▶ Part
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8
from numpy import ndarray
from scipy.spatial import KDTree

from portraiture.engine.face.closest import closest_on_mesh
from portraiture.engine.head import HeadModel
from portraiture.engine.shape import Binding, HeadShape
from portraiture.ops.vectors import unit
from portraiture.types import Material, Part, Segment

Density = Callable[[Float[ndarray, "P 3"]], Float[ndarray, "P"]]
"""Relative density of hairs per area at canonical positions, in [0, 1]."""

_GREY = 0.60
"""sRGB of a hair without pigment, before random variation."""
SALT = 0.45
"""How far a drawn hair, which stands for several, differs from the mean share of grey ones."""
_PROBES = np.array([[i, j, 6 - i - j] for i in range(7) for j in range(7 - i)]) / 6.0
"""Barycentric lattice on which the maximum of a density within a triangle is searched."""


@dataclass(frozen=True)
class Roots:
    """P points on the skin.

    face: (P,) triangle. barycentric: (P, 3) coordinates in it. position, normal: (P, 3) on this
    person's skin, unit normals. canonical: (P, 3) the same points on the base mesh.
    """

    face: Int[ndarray, "P"]
    barycentric: Float[ndarray, "P 3"]
    position: Float[ndarray, "P 3"]
    normal: Float[ndarray, "P 3"]
    canonical: Float[ndarray, "P 3"]

    def take(self, rows: ndarray) -> Roots:
        """The roots at `rows` (indices or mask)."""
        return Roots(
            self.face[rows],
            self.barycentric[rows],
            self.position[rows],
            self.normal[rows],
            self.canonical[rows],
        )


@dataclass(frozen=True)
class Cards:
    """Ribbons of K cross-sections with two vertices each, root first.

    centre: (P, K, 3). side: (P, K, 3) half-width vector. normal: (P, K, 3) for shading.
    column: (P,) column of the texture. face, barycentric: (P, K) the skin point to which each
    cross-section is bound.
    """

    centre: Float[ndarray, "P K 3"]
    side: Float[ndarray, "P K 3"]
    normal: Float[ndarray, "P K 3"]
    column: Int[ndarray, "P"]
    face: Int[ndarray, "P K"]
    barycentric: Float[ndarray, "P K 3"]


def canonical_skin(model: HeadModel) -> Float32[ndarray, "S 3"]:
    """Positions of the skin vertices on the base mesh, metres."""
    return model.arrays["template"][model.arrays["skin_vertex"]]


def scatter(
    shape: HeadShape,
    density: Density,
    count: int,
    rng: np.random.Generator,
    *,
    bare: tuple[Segment, ...] = (),
) -> Roots:
    """Sample `count` roots with `density` per canonical area, none on the segments `bare`.

    Sampling depends only on the base mesh, so the same generator state gives every head the same
    roots. Fewer are returned only if the density is zero everywhere.
    """
    canonical = canonical_skin(shape.model)
    corners = canonical[shape.faces]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    probes = np.einsum("nk,fkc->fnc", _PROBES, corners)
    bound = density(probes.reshape(-1, 3)).reshape(len(corners), -1).max(1)
    weight = area * bound * ~np.isin(shape.model.arrays["skin_segment"], bare)
    if weight.sum() <= 0.0:
        return roots_at(shape, np.zeros(0, np.int64), np.zeros((0, 3)))
    share = 0.5
    for _ in range(4):
        face, barycentric = _spread(weight, int(np.ceil(1.05 * count / share)), rng)
        point = np.einsum("pk,pkc->pc", barycentric, corners[face])
        accept = np.flatnonzero(rng.random(len(face)) * bound[face] < density(point))
        if len(accept) >= count:
            break
        share = max(0.9 * len(accept) / len(face), 1e-3)
    kept = accept[np.linspace(0, len(accept) - 1, min(count, len(accept))).round().astype(int)]
    return roots_at(shape, face[kept], barycentric[kept])


def _spread(weight: ndarray, count: int, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Sample points on triangles in proportion to `weight`, with low discrepancy.

    Triangles come from systematic resampling, the points within them from Roberts' R2 sequence
    (2018), folded into the triangle.
    """
    total = np.cumsum(weight / weight.sum())
    face = np.searchsorted(total, (np.arange(count) + rng.random()) / count)
    face = np.minimum(face, len(weight) - 1)
    k = np.arange(count)[:, None]
    u, v = ((rng.random(2) + k * [0.7548776662466927, 0.5698402909980532]) % 1.0).T
    u, v = np.where(u + v > 1.0, 1.0 - u, u), np.where(u + v > 1.0, 1.0 - v, v)
    return face, np.stack([1.0 - u - v, u, v], axis=1)


def roots_at(shape: HeadShape, face: ndarray, barycentric: ndarray) -> Roots:
    """The skin points with these barycentric coordinates."""
    rows = shape.faces[face]

    def at(values: ndarray) -> ndarray:
        return np.einsum("pk,pkc->pc", barycentric, values[rows]).astype(np.float64)

    normal = at(shape.normals)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    return Roots(face, barycentric, at(shape.skin), normal, at(canonical_skin(shape.model)))


def comb(roots: Roots, shape: HeadShape, direction: Float[ndarray, "P 3"]) -> Float[ndarray, "P 3"]:
    """Map canonical directions through each root's triangle to unit tangents on this person's skin.

    The direction is expressed in two edges of the canonical triangle (least squares, which drops
    the normal component) and evaluated with the person's edges.
    """
    canonical = canonical_skin(shape.model)[shape.faces[roots.face]].astype(np.float64)
    actual = shape.skin[shape.faces[roots.face]].astype(np.float64)
    e1, e2 = canonical[:, 1] - canonical[:, 0], canonical[:, 2] - canonical[:, 0]
    d11, d12, d22 = (e1 * e1).sum(1), (e1 * e2).sum(1), (e2 * e2).sum(1)
    b1, b2 = (e1 * direction).sum(1), (e2 * direction).sum(1)
    det = np.maximum(d11 * d22 - d12 * d12, 1e-24)
    u, v = (d22 * b1 - d12 * b2) / det, (d11 * b2 - d12 * b1) / det
    moved = u[:, None] * (actual[:, 1] - actual[:, 0]) + v[:, None] * (actual[:, 2] - actual[:, 0])
    moved -= roots.normal * (moved * roots.normal).sum(1, keepdims=True)
    return unit(moved)


def closest_on_skin(
    points: Float[ndarray, "P 3"], shape: HeadShape, faces: Int[ndarray, "M"] | None = None
) -> Roots:
    """The nearest point of the skin (of the triangles `faces`, if given) to each point."""
    chosen = np.arange(len(shape.faces)) if faces is None else np.asarray(faces)
    face, barycentric = closest_on_mesh(points, shape.skin, shape.faces[chosen])
    return roots_at(shape, chosen[face], barycentric)


def carry(points: Float[ndarray, "P 3"], shape: HeadShape) -> Float[ndarray, "P 3"]:
    """Map points near the base mesh to the corresponding positions near this person's skin.

    Each moves with the frame of its nearest skin triangle: edges map to edges, unit normal to unit
    normal.
    """
    canonical = canonical_skin(shape.model)
    face, barycentric = closest_on_mesh(points, canonical, shape.faces)

    def frame(vertices: ndarray) -> tuple[ndarray, ndarray]:
        a, b, c = (vertices[shape.faces[face, k]].astype(np.float64) for k in range(3))
        normal = unit(np.cross(b - a, c - a))
        foot = np.einsum("pk,pkc->pc", barycentric, np.stack([a, b, c], axis=1))
        return foot, np.stack([b - a, c - a, normal], axis=2)

    foot, axes = frame(canonical)
    there, moved = frame(shape.skin)
    local = np.linalg.solve(axes, (np.asarray(points) - foot)[:, :, None])
    return there + (moved @ local)[:, :, 0]


def hug(
    roots: Roots,
    shape: HeadShape,
    centre: Float[ndarray, "P K 3"],
    height: Float[ndarray, "P K"],
    width: Float[ndarray, "P K"],
    column: Int[ndarray, "P"],
) -> Cards:
    """Lay cards on the skin: every cross-section is placed `height` metres above its closest skin
    point (among triangles near the roots) and bound to that point."""
    count, sections = centre.shape[:2]
    near = _faces_near(roots, shape, radius=0.02)
    feet = closest_on_skin(centre.reshape(-1, 3), shape, near)
    normal = feet.normal.reshape(count, sections, 3)
    placed = feet.position.reshape(count, sections, 3) + height[:, :, None] * normal
    side = unit(np.cross(normal, np.gradient(placed, axis=1))) * (0.5 * width[:, :, None])
    return Cards(
        placed,
        side,
        normal,
        column,
        feet.face.reshape(count, sections),
        feet.barycentric.reshape(count, sections, 3),
    )


def _faces_near(roots: Roots, shape: HeadShape, radius: float) -> ndarray:
    centres = shape.skin[shape.faces].mean(1)
    distance, _ = KDTree(roots.position).query(centres, workers=1)
    return np.flatnonzero(distance < radius)


def hair_part(
    name: str,
    cards: Cards,
    shape: HeadShape,
    material: Material,
    segment: UInt8[ndarray, "P"],
    *,
    columns: int,
) -> Part:
    """Convert cards to a mesh that moves with the skin to which it is bound.

    segment: class of each card. columns: number of card images side by side in the texture.
    """
    count, sections = cards.centre.shape[:2]
    both = np.stack([cards.centre - cards.side, cards.centre + cards.side], axis=2)
    v = np.broadcast_to(np.linspace(1.0, 0.0, sections)[None, :, None], (count, sections, 2))
    u = (cards.column[:, None, None] + np.array([0.0, 1.0])) / columns
    uv = np.stack([np.broadcast_to(u, v.shape), v], axis=-1).reshape(-1, 2)

    def per_vertex(values: ndarray) -> ndarray:
        return np.repeat(values.reshape(count * sections, -1), 2, axis=0)

    face = per_vertex(cards.face)[:, 0]
    barycentric = per_vertex(cards.barycentric).astype(np.float32)
    vertices = both.reshape(-1, 3).astype(np.float32)
    binding = Binding(shape, face.astype(np.int32), barycentric, vertices)
    joints, weights = binding.skinning()
    return Part(
        name=name,
        vertices=vertices,
        faces=_strip_faces(count, sections),
        normals=unit(per_vertex(cards.normal)).astype(np.float32),
        uv=uv.astype(np.float32),
        material=material,
        segment=np.repeat(segment, 2 * (sections - 1)).astype(np.uint8),
        joints=joints,
        weights=weights,
        morphs=binding.morphs(),
    )


def _strip_faces(count: int, sections: int) -> Int[ndarray, "F 3"]:
    """Two triangles between neighbouring cross-sections, counter-clockwise seen from outside."""
    k = np.arange(sections - 1) * 2
    quad = np.stack(
        [np.stack([k, k + 2, k + 1], 1), np.stack([k + 1, k + 2, k + 3], 1)], axis=1
    ).reshape(-1, 3)
    start = np.arange(count)[:, None, None] * (2 * sections)
    return (start + quad).reshape(-1, 3).astype(np.int32)


def strand_texture(
    color: Float[ndarray, "3"],
    rng: np.random.Generator,
    *,
    columns: int,
    hairs: int,
    thickness: float,
    size: tuple[int, int] = (128, 256),
    grey: float = 0.0,
    spread: float = 0.25,
    stagger: float = 0.0,
) -> UInt8[ndarray, "h w 4"]:
    """Paint card images of a few tapering hairs each, the root at the top row.

    color: sRGB in [0, 1]. hairs: per column. thickness: of a hair at its root, relative to the
    column's width. grey: fraction of grey hairs. spread: lateral variation of hairs. stagger:
    fraction of the card's length over which the hairs' roots are distributed. size: (H, W).
    """
    height, width = size
    cell = width // columns
    alpha = np.zeros((height, width))
    shade = np.ones((height, width))
    greyed = np.zeros((height, width))
    t = np.linspace(0.0, 1.0, height)[:, None]
    x = (np.arange(cell) + 0.5)[None, :] / cell
    for column in range(columns):
        cut = slice(column * cell, (column + 1) * cell)
        for _ in range(hairs):
            start, bend = rng.uniform(0.06, 0.94), spread * rng.normal(0.0, 0.5)
            wave = 0.03 * np.sin(rng.uniform(2, 5) * t + rng.uniform(0, 6.28))
            path = np.clip(start + bend * t**2 + wave * t, 0.04, 0.96)
            root = rng.uniform(0.0, stagger)
            length = rng.uniform(0.62, 1.0) * (1.0 - root)
            taper = np.clip(1.0 - (t - root) / length, 0.0, 1.0) ** 0.55 * (t >= root)
            half = 0.5 * thickness * rng.uniform(0.7, 1.25) * taper
            cover = np.clip((half - np.abs(x - path)) * cell + 0.5, 0.0, 1.0) * (half > 0)
            over = cover > alpha[:, cut] * 0.5
            alpha[:, cut] = np.maximum(alpha[:, cut], cover)
            tone = rng.uniform(0.75, 1.3) * (0.85 + 0.3 * t)
            shade[:, cut] = np.where(over, np.broadcast_to(tone, over.shape), shade[:, cut])
            white = grey + SALT * (float(rng.random() < grey) - grey)
            greyed[:, cut] = np.where(over, white, greyed[:, cut])
    mixed = color[None, None] * (1.0 - greyed[..., None]) + _GREY * greyed[..., None]
    rgb = np.clip(mixed * shade[..., None], 0.0, 1.0)
    out = np.concatenate([rgb, alpha[..., None]], axis=2)
    return (out * 255.0 + 0.5).astype(np.uint8)


def with_anchor(cards: Cards, roots: Roots) -> Cards:
    """Rebind every cross-section of the cards to its root instead of the skin below it."""
    sections = cards.centre.shape[1]
    return replace(
        cards,
        face=np.repeat(roots.face[:, None], sections, axis=1),
        barycentric=np.repeat(roots.barycentric[:, None], sections, axis=1),
    )

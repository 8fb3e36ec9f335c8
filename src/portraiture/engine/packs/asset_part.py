"""Fit a MakeHuman asset to a head: place its mesh, crop it to the bust, split it at UV seams.

Each vertex of an asset is a weighted sum of three vertices of the base mesh plus an offset in units
of three measured distances; its displacement by an expression is the same weighted sum of theirs.
Dimension letters: G vertices of the asset's mesh, F its triangles, V baked vertices of the head.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, UInt8
from numpy import ndarray

from portraiture.engine.actions import ACTIONS
from portraiture.engine.bake.clip import clip_triangles
from portraiture.engine.extent import DECIMETRE, inside_bust
from portraiture.engine.head import HeadModel
from portraiture.engine.packs.mhclo import HM08_VERTICES, Garment, MaterialFile, Mesh, read_texture
from portraiture.engine.shape import HeadShape, sparse_morph, vertex_normals
from portraiture.errors import AssetError
from portraiture.types import Material, MaterialKind, Morph, Part

log = logging.getLogger(__name__)

HEM = 0.08
"""Distance by which garments extend beyond the bust's edge, decimetres, to cover it."""

FALLBACK_RGB: dict[MaterialKind, tuple[float, float, float]] = {
    "hair": (0.17, 0.11, 0.08),
    "cloth": (0.30, 0.33, 0.38),
}
"""Fallback colours if a pack lacks the texture that its material names."""


@dataclass(frozen=True)
class Worn:
    """A garment's mesh on a head, cropped. W vertices before the split at UV seams, T texture
    coordinates.

    vertices: (W, 3) metres. rows, weights: (W, 3) the baked vertices to which each is bound, and
    their weights.
    """

    vertices: Float64[ndarray, "W 3"]
    rows: Int[ndarray, "W 3"]
    weights: Float64[ndarray, "W 3"]
    faces: Int[ndarray, "F 3"]
    faces_uv: Int[ndarray, "F 3"]
    uv: Float64[ndarray, "T 2"]


def rows_of_hm08(model: HeadModel) -> Int[ndarray, " H"]:
    """Baked index of every hm08 vertex, -1 if it was not kept."""
    rows = np.full(HM08_VERTICES, -1)
    kept = model.arrays["hm08_index"]
    rows[kept] = np.arange(len(kept))
    return rows


def place(
    garment: Garment, shape: HeadShape
) -> tuple[Float64[ndarray, "G 3"], Bool[ndarray, " G"]]:
    """Vertices of the garment on this head, metres, and whether each is bound to kept vertices
    only."""
    rows = rows_of_hm08(shape.model)
    references = rows[garment.references]
    known = (references >= 0).all(1)
    corners = shape.vertices[references].astype(np.float64)
    points = np.einsum("gk,gkc->gc", garment.weights, corners)
    for axis, scale in enumerate(garment.scales):
        size = DECIMETRE
        if scale is not None and (ends := rows[list(scale[:2])]).min() >= 0:
            first, second = shape.vertices[ends, axis].astype(np.float64)
            size = abs(first - second) / scale[2]
        points[:, axis] += size * garment.offsets[:, axis]
    return points, known


def wear(garment: Garment, mesh: Mesh, shape: HeadShape) -> Worn:
    """Place the garment, drop parts bound to missing vertices and cut it at the bust's edge.

    Raises AssetError when the files are inconsistent or no part of the garment is on the bust.
    """
    if len(mesh.vertices) != len(garment.references):
        raise AssetError(
            f"The asset {garment.name} has {len(garment.references)} vertices but its mesh has "
            f"{len(mesh.vertices)}."
        )
    points, known = place(garment, shape)
    rows = rows_of_hm08(shape.model)[garment.references]
    whole = known[mesh.faces].all(1)
    base = np.einsum("gk,gkc->gc", garment.weights, shape.model.arrays["template"][rows])
    inside = inside_bust(base / DECIMETRE) + HEM
    faces, faces_uv, cut, cut_uv = clip_triangles(
        mesh.faces[whole], mesh.faces_uv[whole], inside, len(mesh.uv)
    )
    if len(faces) == 0:
        raise AssetError(f"The asset {garment.name} has nothing to show on a bust.")
    # A new point on a cut edge is bound to the vertices of the nearer end.
    ends = np.where(np.array(cut.t) < 0.5, cut.first, cut.second).astype(np.int64)
    return Worn(
        vertices=cut.extend(points),
        rows=np.concatenate([rows, rows[ends]]),
        weights=np.concatenate([garment.weights, garment.weights[ends]]),
        faces=faces,
        faces_uv=faces_uv,
        uv=cut_uv.extend(mesh.uv),
    )


def part_of(worn: Worn, shape: HeadShape, material: Material, name: str, *, moves: bool) -> Part:
    """Build the part, split at UV seams. moves: whether expressions move it. Segments are zero."""
    pairs, inverse = np.unique(
        np.stack([worn.faces.ravel(), worn.faces_uv.ravel()], 1), axis=0, return_inverse=True
    )
    chosen = pairs[:, 0]
    joints, weights = _skinning(worn, shape, chosen)
    return Part(
        name=name,
        vertices=worn.vertices[chosen].astype(np.float32),
        faces=inverse.reshape(-1, 3).astype(np.int32),
        normals=vertex_normals(worn.vertices, worn.faces)[chosen],
        uv=worn.uv[pairs[:, 1]].astype(np.float32),
        material=material,
        segment=np.zeros(len(worn.faces), np.uint8),
        joints=joints,
        weights=weights,
        morphs=_morphs(worn, shape, chosen) if moves else {},
    )


def _morphs(worn: Worn, shape: HeadShape, chosen: Int[ndarray, " P"]) -> Mapping[str, Morph]:
    rows, weights = worn.rows[chosen], worn.weights[chosen]
    morphs: dict[str, Morph] = {}
    for action in ACTIONS:
        deltas = shape.action_deltas(action)[rows]
        morph = sparse_morph(np.einsum("pk,pkc->pc", weights, deltas))
        if morph is not None:
            morphs[action] = morph
    return morphs


def _skinning(
    worn: Worn, shape: HeadShape, chosen: Int[ndarray, " P"]
) -> tuple[Int[ndarray, "P 4"], Float[ndarray, "P 4"]]:
    """The four largest joint weights of the weighted mean of the three referenced vertices."""
    arrays = shape.model.arrays
    rows, share = worn.rows[chosen], np.clip(worn.weights[chosen], 0.0, None)
    dense = np.zeros((len(chosen), len(shape.model.joint_names)))
    for corner in range(3):
        index, weight = arrays["vertex_joints"][rows[:, corner]], arrays["vertex_weights"]
        for k in range(4):
            np.add.at(
                dense,
                (np.arange(len(chosen)), index[:, k]),
                share[:, corner] * weight[rows[:, corner], k],
            )
    joints = np.argsort(-dense, axis=1, kind="stable")[:, :4]
    weights = np.take_along_axis(dense, joints, axis=1)
    weights /= weights.sum(1, keepdims=True)
    return np.where(weights > 0, joints, 0).astype(np.uint8), weights.astype(np.float32)


def material_of(
    file: MaterialFile,
    kind: MaterialKind,
    *,
    cutoff: float,
    side: int,
    rgb: Float[ndarray, "3"] | None,
    label: str,
) -> Material:
    """Build a material of `kind`; rgb: sRGB colour in [0, 1] with which the texture is recoloured,
    keeping its shading. label: the asset's name, for the log."""
    if file.diffuse is not None:
        texture = read_texture(file.diffuse, side=side)
        if rgb is not None:
            texture = recolor(texture, rgb)
    else:
        log.info("%s: the pack has no texture for it; using one colour", label)
        color = FALLBACK_RGB.get(kind, file.color) if min(file.color) > 0.95 else file.color
        texture = plain_texture(np.asarray(rgb if rgb is not None else color), kind)
    clear = bool((texture[:, :, 3] < 250).any())
    normal = read_texture(file.normal, side=side)[:, :, :3] if file.normal else None
    return Material(
        kind=kind,
        base_color=np.ascontiguousarray(texture),
        normal=None if normal is None else np.ascontiguousarray(normal),
        roughness_factor=float(np.clip(1.0 - 0.6 * file.shininess, 0.3, 0.9)),
        alpha_mode="mask" if clear else "opaque",
        alpha_cutoff=cutoff,
        double_sided=clear or not file.cull or kind in ("cloth", "hair"),
    )


def plain_texture(rgb: Float[ndarray, "3"], kind: MaterialKind) -> UInt8[ndarray, "h w 4"]:
    """Texture of one colour; hair gets streaks along v, the usual direction of its strands."""
    shade = np.ones((4, 4))
    if kind == "hair":
        rng = np.random.default_rng(0)
        noise = [np.repeat(rng.normal(0.0, 0.16, 512 // width), width) for width in (1, 4, 16)]
        shade = np.broadcast_to(np.clip(1.0 + sum(noise), 0.4, 1.7), (4, 512))
    texture = np.full((*shade.shape, 4), 255, np.uint8)
    texture[:, :, :3] = np.round(255.0 * np.clip(shade[:, :, None] * rgb, 0.0, 1.0))
    return texture


def recolor(texture: UInt8[ndarray, "h w 4"], rgb: Float[ndarray, "3"]) -> UInt8[ndarray, "h w 4"]:
    """Recolour a texture so that its mean over the visible texels is `rgb`, keeping its shading."""
    color = texture[:, :, :3].astype(np.float32) / 255.0
    shade = color @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    alpha = texture[:, :, 3].astype(np.float32)
    mean = float((shade * alpha).sum() / max(float(alpha.sum()), 1.0))
    ratio = np.clip(shade / max(mean, 1e-3), 0.0, 2.5)[:, :, None]
    out = texture.copy()
    out[:, :, :3] = np.round(255.0 * np.clip(ratio * np.asarray(rgb, np.float32), 0.0, 1.0))
    return out

"""Bake a mesh's texture from rendered views.

images ─project─▶ colour of each texel ─seen? facing?─▶ weighted mean ─▶ colours where seen
unseen vertices ◀─diffusion over the surface─ seen ones ─▶ colours elsewhere ─▶ gutters
Letters: V vertices, F triangles, P points, T texels of the texture's side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8
from numpy import ndarray
from scipy import ndimage
from scipy.sparse import diags_array
from scipy.sparse.linalg import splu

from portraiture.camera import project
from portraiture.meshing.surface import Surface, neighbour_mean, vertex_normals
from portraiture.meshing.unwrap import Unwrapped
from portraiture.ops.vectors import unit
from portraiture.render.visible import visible
from portraiture.types import Camera, as_uint8

FACING_POWER = 8.0
"""An image counts with the cosine of its angle to the surface to this power. Images from a
superresolution do not agree to the pixel, and a mean of many would be a blur."""

GRAZING = 0.15
"""Cosine below which an image does not count."""

DEPTH_SIDE = 512
DEPTH_BIAS_M = 1e-3
"""Depth maps for visibility: their side and what they forgive, besides the slope of a pixel."""

CLIFF_M = 8e-3
"""A step of this depth between neighbouring pixels is an outline."""

OUTLINE_SHARE = 0.012
"""Share of the image's side within which of an outline an image counts less: there it may show
what lies behind."""

FRAME_SHARE = 0.05
"""Share of the image's side within which of its frame an image counts less, so that it ends
without a seam."""

SEEN = 1e-3
"""Weight from which a point is seen well enough; the diffused colour is mixed in with it."""


@dataclass(frozen=True)
class PosedImage:
    """An image of the surface.

    image: (H, H, 3) in [0, 1]. opacity: (h, h) in [0, 1], how solid what it shows is; None: all.
    depth: (h, h) along the rays of EG3D's camera, in its units, if known.
    camera: metres, the frame of the surface.
    """

    image: Float32[ndarray, "H H 3"]
    camera: Camera
    opacity: Float32[ndarray, "h h"] | None = None
    depth: Float32[ndarray, "h h"] | None = None


@dataclass(frozen=True)
class TexturedMesh:
    """vertices: (V, 3) metres from EG3D's anchor, y up, the face along +z; split at seams. faces:
    (F, 3), counter-clockwise from outside. normals: (V, 3) unit, smooth across seams. uv: (V, 2),
    v up. texture: (T, T, 3) sRGB. seen: share of the surface's texels that an image shows."""

    vertices: Float32[ndarray, "V 3"]
    faces: Int[ndarray, "F 3"]
    normals: Float32[ndarray, "V 3"]
    uv: Float32[ndarray, "V 2"]
    texture: UInt8[ndarray, "T T 3"]
    seen: float


def bake_texture(
    surface: Surface,
    unwrapped: Unwrapped,
    views: Sequence[PosedImage],
    *,
    texture_size: int = 1024,
) -> TexturedMesh:
    """Colour every texel from the images in which its point is visible, the most frontal first.

    What no image sees takes colours that spread over the surface from its seen edge, and the
    gutters between charts those of the nearest texel. Raises ValueError without images.
    """
    if not views:
        raise ValueError("a texture needs at least one picture")
    normals = vertex_normals(surface.vertices, surface.faces)
    shown = [_Shown.of(surface, view) for view in views]
    color, weight = _blend(shown, surface.vertices, normals)
    spread = _diffuse(surface, color, weight)
    inside, corner, bary = _texels(unwrapped, texture_size)
    at = unwrapped.source[corner]

    def mixed(values: ndarray) -> ndarray:
        return np.einsum("pk,pkc->pc", bary, values[at])

    texel, seen = _blend(shown, mixed(surface.vertices), unit(mixed(normals)))
    share = (seen / (seen + SEEN))[:, None]
    texture = np.zeros((texture_size, texture_size, 3), np.float32)
    texture[inside] = share * texel + (1.0 - share) * mixed(spread)
    nearest = np.asarray(
        ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    )
    return TexturedMesh(
        vertices=surface.vertices[unwrapped.source],
        faces=unwrapped.faces,
        normals=normals[unwrapped.source],
        uv=unwrapped.uv,
        texture=as_uint8(texture[tuple(nearest)]),
        seen=float((seen > SEEN).mean()),
    )


@dataclass(frozen=True)
class _Shown:
    """An image prepared for projecting points into it. depth: (S, S) of the surface, metres
    along the camera's axis. trust: (S, S) in [0, 1], zero at outlines."""

    view: PosedImage
    depth: Float32[ndarray, "S S"]
    trust: Float32[ndarray, "S S"]

    @staticmethod
    def of(surface: Surface, view: PosedImage) -> _Shown:
        size = (DEPTH_SIDE, DEPTH_SIDE)
        points = project(surface.vertices, view.camera, size)
        points[:, :2] *= points[:, 2:]
        _, _, depth = visible(points, surface.faces, size)
        near = np.where(np.isfinite(depth), depth, 1e3)
        step = ndimage.maximum_filter(near, 3) - ndimage.minimum_filter(near, 3)
        away = np.asarray(ndimage.distance_transform_edt(step < CLIFF_M))
        i = np.arange(DEPTH_SIDE) + 0.5
        inwards = np.minimum(np.minimum(i, DEPTH_SIDE - i) / (FRAME_SHARE * DEPTH_SIDE), 1.0)
        trust = np.minimum(away / (OUTLINE_SHARE * DEPTH_SIDE), 1.0) ** 2
        trust *= np.minimum.outer(inwards, inwards) ** 2
        if view.opacity is not None:
            scale = DEPTH_SIDE / view.opacity.shape[0]
            opacity = np.asarray(
                ndimage.zoom(view.opacity, scale, order=1, grid_mode=True, mode="nearest")
            )
            trust *= np.clip(2.0 * opacity - 1.0, 0.0, 1.0) ** 2
        return _Shown(view, depth, trust.astype(np.float32))

    def look_up(
        self, points: Float[ndarray, "P 3"], normals: Float[ndarray, "P 3"]
    ) -> tuple[Bool[ndarray, "P"], Float[ndarray, "Q 3"], Float[ndarray, "Q"]]:
        """Visible points, with their colours and weights."""
        camera = self.view.camera
        towards = unit(camera.T_world_cam[:3, 3] - points)
        facing = np.einsum("pc,pc->p", towards, normals)
        where = project(points, camera, (1, 1))
        seen = (facing > GRAZING) & (where[:, 2] > 0.0)
        seen &= ((where[:, :2] > 0.0) & (where[:, :2] < 1.0)).all(1)
        facing, where = facing[seen], where[seen]
        column, row = (
            np.minimum(where[:, k] * DEPTH_SIDE, DEPTH_SIDE - 1).astype(int) for k in (0, 1)
        )
        pixel = where[:, 2] / (camera.intrinsics[0, 0] * DEPTH_SIDE)
        slope = np.sqrt(1.0 - np.minimum(facing, 1.0) ** 2) / facing
        front = where[:, 2] <= self.depth[row, column] + DEPTH_BIAS_M + pixel * slope
        seen[seen] = front
        facing, where = facing[front], where[front]
        weight = facing**FACING_POWER * _sample(self.trust[..., None], where)[:, 0]
        return seen, _sample(self.view.image, where), weight


def _sample(image: ndarray, where: ndarray) -> ndarray:
    """Bilinear values (P, C) of an image at x, y in [0, 1]."""
    height, width = image.shape[:2]
    rows = np.stack([where[:, 1] * height - 0.5, where[:, 0] * width - 0.5])
    return np.stack(
        [
            ndimage.map_coordinates(image[..., k], rows, order=1, mode="nearest")
            for k in range(image.shape[2])
        ],
        axis=1,
    )


def _blend(
    shown: Sequence[_Shown], points: Float[ndarray, "P 3"], normals: Float[ndarray, "P 3"]
) -> tuple[Float32[ndarray, "P 3"], Float32[ndarray, "P"]]:
    """Weighted mean colour over the images in which each point is visible, and the total weight."""
    color = np.zeros((len(points), 3), np.float32)
    total = np.zeros(len(points), np.float32)
    for one in shown:
        seen, value, weight = one.look_up(points, normals)
        color[seen] += value * weight[:, None]
        total[seen] += weight
    return color / np.maximum(total, 1e-12)[:, None], total


def _diffuse(
    surface: Surface, color: Float32[ndarray, "V 3"], weight: Float32[ndarray, "V"]
) -> Float32[ndarray, "V 3"]:
    """Colours of all vertices: each unseen one is the mean of its neighbours (a harmonic fill)."""
    known = weight > SEEN
    if not known.any():
        raise ValueError("no picture shows any of the surface")
    out = color.copy()
    if known.all():
        return out
    mean = neighbour_mean(surface.faces, len(color))[~known]
    system = diags_array(np.full((~known).sum(), 1.0 + 1e-6)) - mean[:, ~known]
    out[~known] = splu(system.tocsc()).solve((mean[:, known] @ color[known]).astype(np.float64))
    return out


def _texels(
    unwrapped: Unwrapped, size: int
) -> tuple[Bool[ndarray, "T T"], Int[ndarray, "P 3"], Float[ndarray, "P 3"]]:
    """Texels whose centre lies on the surface, and the corners and barycentrics there."""
    x, y = unwrapped.uv[:, 0] * size, (1.0 - unwrapped.uv[:, 1]) * size
    flat = np.stack([x, y, np.ones_like(x)], axis=1)
    triangle, bary, _ = visible(flat, unwrapped.faces, (size, size))
    inside = triangle >= 0
    return inside, unwrapped.faces[triangle[inside]], bary[inside]

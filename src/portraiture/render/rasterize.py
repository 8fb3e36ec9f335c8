"""Triangle rasterisation, differentiable in vertices and attributes.

vertices ──homogeneous_points──▶ points ──rasterize──▶ Fragments ──interpolate──▶ image
                                   └─────────────────────────────────antialias──▶ smooth image

Points are homogeneous pixel coordinates (x z, y z, z): x to the right and y down in pixels, with
pixel centres at +0.5, and z the camera-space depth, which may be negative. A backend finds the
nearest triangle without gradients; barycentrics and depth are then recomputed from its corners, so
that gradients flow to the points. Gradients due to moving silhouettes are provided by `antialias`.

Letters: B images, V vertices, F triangles, H height, W width, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from portraiture.render.silhouette import blend_silhouettes
from portraiture.render.visible import NEAR, Backend, visible


@dataclass(frozen=True)
class Fragments:
    """The nearest surface at every pixel centre.

    triangle: (B, H, W) int64, -1 for none. barycentric: (B, H, W, 3), perspective-correct, zero
    for none. depth: (B, H, W) along the camera's z, inf for none. faces: (F, 3).
    """

    triangle: Int[Tensor, "B H W"]
    barycentric: Float[Tensor, "B H W 3"]
    depth: Float[Tensor, "B H W"]
    faces: Int[Tensor, "F 3"]


def homogeneous_points(
    vertices: Float[Tensor, "B V 3"],
    T_cam_world: Float[Tensor, "B 4 4"],
    intrinsics: Float[Tensor, "B 3 3"],
    size: tuple[int, int],
) -> Float[Tensor, "B V 3"]:
    """Project world vertices to homogeneous pixels; intrinsics normalised as in `types.Camera`."""
    scale = vertices.new_tensor([[size[1]], [size[0]], [1.0]])
    camera = vertices @ T_cam_world[:, :3, :3].mT + T_cam_world[:, None, :3, 3]
    return camera @ (intrinsics * scale).mT


def rasterize(
    points: Float[Tensor, "B V 3"],
    faces: Int[Tensor, "F 3"],
    size: tuple[int, int],
    *,
    near: float = NEAR,
    cull: bool = False,
    backend: Backend = "auto",
) -> Fragments:
    """The nearest triangle at every pixel centre, with differentiable barycentrics and depth.

    Triangles that cross the near plane or extend behind the camera are visible in front of it. A
    sample on a shared edge belongs to exactly one of its two triangles. cull: back-face culling
    (counter-clockwise is the front).
    Raises ValueError on wrong shapes, indices or sizes, and RuntimeError when `backend` is missing.
    """
    if points.ndim != 3 or points.shape[2] != 3:
        raise ValueError(f"points must be (B, V, 3), not {tuple(points.shape)}")
    arrays = points.detach().to("cpu", torch.float64).numpy()
    faces_array = faces.detach().cpu().numpy().astype(np.int32)
    drop = np.full(len(faces_array), cull, np.uint8)
    found = [
        visible(p, faces_array, size, near=near, cull=drop, backend=backend)[0] for p in arrays
    ]
    triangle = torch.from_numpy(np.stack(found)).to(points.device, torch.int64)
    faces = faces.to(points.device, torch.int64)
    barycentric, depth = _barycentric(points, faces, triangle)
    return Fragments(triangle, barycentric, depth, faces)


def interpolate(
    fragments: Fragments, attributes: Float[Tensor, "B V C"] | Float[Tensor, "V C"]
) -> Float[Tensor, "B H W C"]:
    """Interpolate vertex attributes at every pixel, zero for background. Without a batch dimension,
    `attributes` are shared by all images."""
    hit = fragments.triangle >= 0
    image = torch.nonzero(hit)[:, 0]
    corner = fragments.faces[fragments.triangle[hit]]
    values = attributes[corner] if attributes.ndim == 2 else attributes[image[:, None], corner]
    weighted = (fragments.barycentric[hit][:, :, None] * values).sum(1)
    out = weighted.new_zeros((*hit.shape, attributes.shape[-1]))
    out[hit] = weighted
    return out


def antialias(
    image: Float[Tensor, "B H W C"], fragments: Fragments, points: Float[Tensor, "B V 3"]
) -> Float[Tensor, "B H W C"]:
    """Blend neighbouring pixels across silhouettes by analytic coverage (after Laine et al. 2020,
    "Modular primitives for high-performance differentiable rendering", section 3.6).

    Where a silhouette edge crosses the line between two pixel centres, the pixel that it enters is
    blended with the other's colour by the covered fraction, so that the image changes smoothly, and
    with gradients, as silhouettes move. Mostly vertical edges act between horizontal neighbours and
    all others between vertical ones, so that each edge is counted once.
    """
    return blend_silhouettes(image, fragments.triangle, fragments.depth, points, fragments.faces)


def _barycentric(points: Tensor, faces: Tensor, triangle: Tensor) -> tuple[Tensor, Tensor]:
    """Differentiable barycentrics (B, H, W, 3) and depth (B, H, W) of known triangles.

    With corners translated so that the pixel's centre is the origin, the edge functions are twice
    the signed areas X_j Y_k - Y_j X_k, and depth is det divided by their sum.
    """
    hit = triangle >= 0
    image, row, column = torch.nonzero(hit).unbind(1)
    corner = points[image[:, None], faces[triangle[hit]]]
    centre = torch.stack([column, row], dim=1).to(points.dtype) + 0.5
    z = corner[:, :, 2]
    xy = corner[:, :, :2] - centre[:, None] * z[:, :, None]
    nxt, last = xy.roll(-1, 1), xy.roll(-2, 1)
    edge = nxt[..., 0] * last[..., 1] - nxt[..., 1] * last[..., 0]
    total = edge.sum(1)
    barycentric = points.new_zeros((*triangle.shape, 3))
    barycentric[hit] = edge / total[:, None]
    depth = points.new_full(triangle.shape, torch.inf)
    depth[hit] = (edge * z).sum(1) / total
    return barycentric, depth

"""Turn a generated head into a textured mesh.

ws ─planes─┬─density grid─▶ surface ─unwrap─▶ charts ─┐
           └─render, superresolution─▶ images ────────┴─bake─▶ TexturedMesh
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import radians
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from portraiture.camera import eg3d_orbit, project, to_eg3d
from portraiture.meshing.bake_texture import PosedImage, TexturedMesh, bake_texture
from portraiture.meshing.surface import ABSORPTION, Surface, extract_surface, metric_camera
from portraiture.meshing.unwrap import unwrap
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.triplane.density_grid import density_grid
from portraiture.types import Camera

BAKE_VIEWS: tuple[tuple[float, float], ...] = tuple(
    (radians(yaw), radians(pitch))
    for yaw, pitch in (
        (0, 0), (22, 0), (-22, 0), (42, 0), (-42, 0), (62, 0), (-62, 0),
        (0, 17), (0, -17), (36, 14), (-36, 14),
    )
)  # fmt: skip
"""Yaw and pitch of the images that textures are baked from: what generators were trained on.
Beyond, a tri-plane generator shows things that it never had to answer for."""

EMPTY = -20.0
"""A raw density that absorbs nothing."""


@dataclass(frozen=True)
class MeshConfig:
    """resolution: points a side of the density grid. absorption: what counts as solid, see
    `meshing.surface.ABSORPTION`. triangles: about how many. texture_size: texels a side. images:
    "image" bakes superresolved images, "raw" volume renderings of the texture's fineness, which
    agree between views exactly but are softer. views: yaw and pitch, radians."""

    resolution: int = 256
    absorption: float = ABSORPTION
    triangles: int = 20_000
    texture_size: int = 1024
    images: Literal["image", "raw"] = "image"
    views: Sequence[tuple[float, float]] = BAKE_VIEWS


@torch.no_grad()
def mesh_head(
    generator: TriPlaneGenerator,
    ws: Float[Tensor, "1 N D"],
    *,
    planes: Float[Tensor, "1 3 C P P"] | None = None,
    config: MeshConfig | None = None,
) -> TexturedMesh:
    """Mesh the head of ws, or of given planes; ws then modulate superresolution.

    Raises SurfaceError when the densities hold no head.
    """
    config = config or MeshConfig()
    like = next(generator.parameters())
    ws = ws.to(like)
    planes = generator.planes(ws) if planes is None else planes.to(like)
    surface = head_surface(generator, planes, config=config)
    unwrapped = unwrap(surface, texture_size=config.texture_size)
    images = [
        render_head(generator, ws, planes, eg3d_orbit(yaw, pitch), kind=config.images)
        for yaw, pitch in config.views
    ]
    return bake_texture(surface, unwrapped, images, texture_size=config.texture_size)


@torch.no_grad()
def head_surface(
    generator: TriPlaneGenerator,
    planes: Float[Tensor, "1 3 C P P"],
    *,
    config: MeshConfig | None = None,
) -> Surface:
    """The closed surface of planes, within what the config's views see: beyond, a generator was
    never told that space is empty. The grid ends at the planes' outermost texels: between those and
    the border of the box the planes fade to zero."""
    config = config or MeshConfig()
    rendering = generator.config.rendering
    side = rendering.box_warp * (1.0 - 1.0 / planes.shape[-1])
    density = density_grid(
        planes[0], generator.decoder, resolution=config.resolution, side=side,
        box_warp=rendering.box_warp, axes=rendering.plane_axes,
    )  # fmt: skip
    seen = seen_space(config.views, side=side, resolution=-(-config.resolution // 2))
    near = np.arange(config.resolution) // 2
    grid = np.where(seen[np.ix_(near, near, near)], density.cpu().numpy(), np.float32(EMPTY))
    return extract_surface(
        grid, side=side, absorption=config.absorption, triangles=config.triangles
    )


def seen_space(
    views: Sequence[tuple[float, float]], *, side: float, resolution: int
) -> Bool[ndarray, "n n n"]:
    """Which points of a grid over the cube of `side` (EG3D units, [x, y, z]) lie within the image
    of at least one of the views."""
    steps = np.linspace(-side / 2, side / 2, resolution)
    points = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    seen = np.zeros(len(points), bool)
    for yaw, pitch in views:
        hidden = np.flatnonzero(~seen)
        x, y, _ = project(points[hidden], eg3d_orbit(yaw, pitch), (1, 1)).T
        seen[hidden] = (x > 0.0) & (x < 1.0) & (y > 0.0) & (y < 1.0)
    return seen.reshape(resolution, resolution, resolution)


@torch.no_grad()
def render_head(
    generator: TriPlaneGenerator,
    ws: Float[Tensor, "1 N D"],
    planes: Float[Tensor, "1 3 C P P"],
    camera: Camera,
    *,
    kind: Literal["image", "raw"] = "image",
) -> PosedImage:
    """Render a head from an EG3D camera, with the metric camera."""
    like = next(generator.parameters())
    ws, planes = ws.to(like), planes.to(like)
    vector = torch.from_numpy(to_eg3d(camera)).to(like)[None]
    raw = kind == "raw"
    resolution = generator.config.image_size if raw else generator.config.neural_resolution
    volume = generator.render(planes, vector, resolution=resolution, deterministic=True)
    image = volume.features[:, :3] if raw else generator.upsample(volume.features, ws)
    opacity, depth = (x[0, 0].float().cpu().numpy() for x in (volume.opacity, volume.depth))
    return PosedImage(pixels_of(image), metric_camera(camera), opacity, depth)


def pixels_of(image: Float[Tensor, "1 3 R R"]) -> Float[ndarray, "R R 3"]:
    """Convert a generator's image, about [-1, 1], to an array in [0, 1]."""
    pixels = image[0].detach().float().clamp(-1.0, 1.0) * 0.5 + 0.5
    return np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())

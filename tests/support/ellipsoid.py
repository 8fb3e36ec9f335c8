"""A head whose closed form is known, an ellipsoid with a smooth pattern, for surface tests."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from portraiture.camera import EG3D_FOCAL, look_at, pinhole
from portraiture.meshing.bake_texture import PosedImage
from portraiture.meshing.surface import EG3D_UNIT_M, raw_density, to_metres
from portraiture.types import Camera

AXES = np.array([0.2, 0.27, 0.23])
"""Half axes, EG3D units; the centre is the origin."""

SIDE = 0.8


def implicit(points: ndarray) -> ndarray:
    """Signed distance to first order, EG3D units, negative inside."""
    r = np.sqrt(((points / AXES) ** 2).sum(-1))
    gradient = np.sqrt(((points / AXES**2) ** 2).sum(-1)) / np.maximum(r, 1e-9)
    return (r - 1.0) / np.maximum(gradient, 1e-9)


def grid_points(resolution: int, side: float = SIDE) -> ndarray:
    steps = np.linspace(-side / 2, side / 2, resolution)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)


def density(resolution: int, absorption: float = 30.0, steepness: float = 3000.0) -> ndarray:
    """Raw densities that absorb `absorption` on the ellipsoid."""
    distance = implicit(grid_points(resolution))
    return (raw_density(absorption) - steepness * distance).astype(np.float32)


def color(points: ndarray) -> ndarray:
    """Colour in [0, 1] at points in metres of the anchor's frame."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack(
        [0.5 + 0.4 * np.sin(40 * x), 0.5 + 0.4 * np.sin(35 * y + 1.0), 0.5 + 0.3 * np.cos(30 * z)],
        -1,
    )


def centre() -> ndarray:
    return to_metres(np.zeros(3))


def camera(yaw: float, pitch: float = 0.0) -> Camera:
    """Metric camera around the ellipsoid's centre."""
    towards = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    return Camera(look_at(centre() + towards, centre()), pinhole(EG3D_FOCAL * 0.8))


def trace(camera: Camera, size: int) -> tuple[ndarray, ndarray]:
    """An image over white and which pixels show the ellipsoid, by the quadratic formula."""
    i = (np.arange(size) + 0.5) / size
    y, x = np.meshgrid(i, i, indexing="ij")
    K, T = camera.intrinsics, camera.T_world_cam
    local = np.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones_like(x)], -1)
    direction = local @ T[:3, :3].T
    half = AXES * EG3D_UNIT_M
    o, d = (T[:3, 3] - centre()) / half, direction / half
    a, b, c = (d * d).sum(-1), (d * o).sum(-1), (o * o).sum(-1) - 1.0
    inside = b * b - a * c
    hit = inside > 0.0
    t = (-b - np.sqrt(np.maximum(inside, 0.0))) / a
    points = T[:3, 3] + t[..., None] * direction
    image = np.where(hit[..., None], color(points), 1.0)
    return image.astype(np.float32), hit


def posed_image(yaw: float, pitch: float = 0.0, size: int = 256) -> PosedImage:
    view = camera(yaw, pitch)
    image, hit = trace(view, size)
    return PosedImage(image, view, hit.astype(np.float32))

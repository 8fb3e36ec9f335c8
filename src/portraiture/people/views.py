"""Render a built person with EG3D's cameras, in the crop and world of `photo.align`.

landmarks ─similarity to the mean face─▶ HeadFrame ─▶ engine camera of an EG3D camera ─▶ View
Letters: n side of an image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray

from portraiture.camera import (
    EG3D_ANCHOR,
    EG3D_UNIT_M,
    eg3d_orbit,
    to_eg3d,
)
from portraiture.photo.align import mean_face
from portraiture.render.mesh import render_bust
from portraiture.types import Bust, Camera, Light, Shading, as_uint8


@dataclass(frozen=True)
class HeadFrame:
    """Similarity between EG3D's world and one person's.

    ``world = scale * (eg3d - EG3D_ANCHOR) @ rotation.T + centre``; scale: metres of this person
    per EG3D unit, so that every head has about the same size in EG3D's world.
    """

    scale: float
    rotation: Float[ndarray, "3 3"]
    centre: Float[ndarray, "3"]

    def to_world(self, points: Float[ndarray, "N 3"]) -> Float[ndarray, "N 3"]:
        """EG3D units → metres."""
        return self.scale * (points - EG3D_ANCHOR) @ self.rotation.T + self.centre

    def to_eg3d(self, points: Float[ndarray, "N 3"]) -> Float[ndarray, "N 3"]:
        """Metres → EG3D units."""
        return (points - self.centre) @ self.rotation / self.scale + EG3D_ANCHOR

    def camera(self, camera: Camera) -> Camera:
        """Convert an EG3D camera to the engine camera with the same view."""
        T = np.eye(4)
        T[:3, :3] = self.rotation @ camera.T_world_cam[:3, :3]
        T[:3, 3] = self.to_world(camera.T_world_cam[None, :3, 3])[0]
        return Camera(T, camera.intrinsics)


@dataclass(frozen=True)
class View:
    """One image with ground truth.

    rgba: (n, n, 4) uint8, straight alpha. depth: (n, n) float32, distance along the pixel's ray in
    EG3D units, 0 for background. segmentation: (n, n) uint8. landmarks: (478, 2) pixels.
    camera: (25,) EG3D's camera numbers.
    """

    rgba: UInt8[ndarray, "n n 4"]
    depth: Float32[ndarray, "n n"]
    segmentation: UInt8[ndarray, "n n"]
    landmarks: Float32[ndarray, "478 2"]
    camera: Float[ndarray, "25"]


def head_frame(landmarks: Float[ndarray, "478 3"]) -> HeadFrame:
    """Fit the similarity that maps the mean face to a person's landmarks (metres) by weighted least
    squares (Umeyama 1991); `photo.align` fits the same face to photos."""
    points, weights = mean_face()
    share = weights / weights.sum()
    target = np.asarray(landmarks, np.float64)
    a, b = share @ points, share @ target
    covariance = (target - b).T @ ((points - a) * share[:, None])
    u, s, vt = np.linalg.svd(covariance)
    sign = np.array([1.0, 1.0, np.linalg.det(u @ vt)])
    rotation = (u * sign) @ vt
    scale = float((s * sign).sum() / (share @ ((points - a) ** 2).sum(1)))
    return HeadFrame(scale * EG3D_UNIT_M, rotation, b - scale * rotation @ a)


def frontal_camera() -> Float[ndarray, "25"]:
    """The camera that conditions the mapping in the canonical latent space."""
    return to_eg3d(eg3d_orbit(0.0, 0.0))


def render_view(
    bust: Bust,
    frame: HeadFrame,
    camera: Camera,
    *,
    size: int,
    light: Light | None = None,
    supersample: int = 2,
    shading: Shading = "natural",
) -> View:
    """Render a bust with an EG3D camera. light: `studio_light` by default."""
    rendered = render_bust(
        bust, frame.camera(camera), size=size, light=light, supersample=supersample,
        shading=shading,
    )  # fmt: skip
    along = ray_lengths(camera, size) / frame.scale
    depth = np.where(np.isfinite(rendered.depth), rendered.depth * along, 0.0)
    return View(
        rgba=as_uint8(rendered.rgba),
        depth=depth.astype(np.float32),
        segmentation=rendered.segmentation,
        landmarks=rendered.landmarks,
        camera=to_eg3d(camera),
    )


def over(
    rgba: UInt8[ndarray, "n n 4"], background: Float[ndarray, "n n 3"] | float
) -> UInt8[ndarray, "n n 3"]:
    """Composite an RGBA image over a background in [0, 1]; 1.0 is white."""
    alpha = rgba[..., 3:].astype(np.float32) / 255.0
    return (rgba[..., :3] * alpha + 255.0 * (1.0 - alpha) * background + 0.5).astype(np.uint8)


def ray_lengths(camera: Camera, size: int) -> Float[ndarray, "n n"]:
    """Length of the ray to each pixel's centre per unit of depth along the camera's axis."""
    K = camera.intrinsics
    i = (np.arange(size) + 0.5) / size
    y, x = np.meshgrid((i - K[1, 2]) / K[1, 1], (i - K[0, 2]) / K[0, 0], indexing="ij")
    return np.sqrt(x**2 + y**2 + 1.0)

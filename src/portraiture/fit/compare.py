"""Compare renders of the fit with the photo, and correct light and albedo.

albedo, light ──render with the photo's camera──▶ image ──÷ photo, smooth──▶ light × mean,
                                                                              albedo × remainder

This removes from the albedo the effects that the renderer models and a Lambertian fit does not
(ambient occlusion, gloss, scattering), and what it renders flatter than the photo: folds, nostrils
and creases that the mesh does not have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from scipy.ndimage import gaussian_filter, uniform_filter

from portraiture.fit.light import radiance
from portraiture.fit.projection import Projection, core_mask, image_size, sample_cubic
from portraiture.render.mesh import render_bust
from portraiture.types import Bust, Camera, Light, Photo, as_uint8

RENDER_PX = 320
MARGIN = 0.1
FINE_TEXELS, WIDE_TEXELS = 3.0, 26.0
"""Standard deviations of the smoothing, texels of 0.3 mm: only differences wider than the first are
corrected, and only in luminance, to avoid colour fringes. Those wider than the second are mostly of
the light."""
MOST_DARKER, MOST_BRIGHTER, MOST_WIDE = 0.6, 0.2, 0.25
"""Maximum corrections in log units, of fine differences and of wide ones. Bright ones are rather
gloss, and patches on another expression's folds."""
SURE = (0.2, 0.6)
"""Mean trust in the texels around one between which its fine differences begin to count."""
RELAXATION = 1.4
"""Factor on the correction: scattering and gloss make renders follow the albedo less than in
proportion."""


def face_window(landmarks: Float[ndarray, "478 2"]) -> Float[ndarray, "4"]:
    """Square bounding box (x0, y0, x1, y1) around the landmarks, photo pixels."""
    low, high = landmarks.min(0), landmarks.max(0)
    centre, half = 0.5 * (low + high), (0.5 + MARGIN) * float((high - low).max())
    return np.array([*(centre - half), *(centre + half)])


def window_camera(camera: Camera, size: tuple[int, int], box: Float[ndarray, "4"]) -> Camera:
    """Crop the camera of a photo of `size` (height, width) to `box` (x0, y0, x1, y1)."""
    x0, y0, x1, y1 = box
    K = camera.intrinsics.copy()
    K[0] = (K[0] * size[1] - [0.0, 0.0, x0]) / (x1 - x0)
    K[1] = (K[1] * size[0] - [0.0, 0.0, y0]) / (y1 - y0)
    return Camera(camera.T_world_cam, K)


def camera_of_crop(camera: Camera, photo: Photo) -> Camera:
    """The camera of the photo's crop, from that of the photo: a similarity of the pixels is a turn
    about the optical axis and other intrinsics."""
    height, width = photo.image.shape[:2]
    K = np.diag([width, height, 1.0]) @ camera.intrinsics
    similar = photo.crop_from_image / np.array([[photo.crop.shape[0]]] * 2 + [[1.0]])
    scale = float(np.hypot(*similar[:2, 0]))
    turn = np.eye(3)
    turn[:2, :2] = similar[:2, :2] / scale
    centre = similar @ K[:, 2]
    T = camera.T_world_cam.copy()
    T[:3, :3] = T[:3, :3] @ turn.T
    return Camera(T, np.array([[scale * K[0, 0], 0, centre[0]], [0, scale * K[1, 1], centre[1]],
                               [0, 0, 1]]))  # fmt: skip


def correct(
    bust: Bust,
    camera: Camera,
    light: Light,
    projection: Projection,
    weight: Float[ndarray, "h w"],
    photo: Photo,
) -> tuple[Light, Float32[ndarray, "h w 1"]]:
    """Refine the light, and compute a log correction of the albedo, centred on the median of the
    core.

    bust: the skin with the current albedo, in the photo's expression.
    """
    box = face_window(photo.landmarks)
    view = window_camera(camera, image_size(photo.image), box)
    frame = render_bust(bust, view, size=RENDER_PX, light=light, supersample=1)
    at = (projection.model_pixels - box[:2]) * (RENDER_PX / (box[2] - box[0]))
    shown = sample_cubic(radiance(_opaque(frame.rgba)), at.astype(np.float32))
    ratio = np.log((projection.colour + 0.01) / (shown + 0.01))
    trust = weight * ((at > 2.0) & (at < RENDER_PX - 2.0)).all(-1)
    wide, known = _smoothed(ratio, trust, WIDE_TEXELS)
    core = core_mask(projection.position) & (trust > 0.7)
    mean = np.median(wide[core], axis=0) if core.any() else np.zeros(3)
    mean = np.clip(mean, -1.0, 1.0)
    better = replace(light, ambient=light.ambient * np.exp(mean))
    fine, near = _smoothed(ratio.mean(-1, keepdims=True), trust, FINE_TEXELS)
    wide = np.where(known > 1e-2, (wide - mean).mean(-1, keepdims=True), 0.0)
    fine = RELAXATION * _sure(near) * (fine - mean.mean() - wide)
    most = np.where(fine > 0.0, MOST_BRIGHTER, MOST_DARKER)
    left = MOST_WIDE * np.tanh(wide / MOST_WIDE) + most * np.tanh(fine / most)
    return better, left.astype(np.float32)


def _sure(trust: Float[ndarray, "h w 1"]) -> Float[ndarray, "h w 1"]:
    """0 up to the first of `SURE`, 1 from the second: what stands beside an occluder is its own."""
    return np.clip((trust - SURE[0]) / (SURE[1] - SURE[0]), 0.0, 1.0)


def _smoothed(
    values: Float[ndarray, "h w c"], trust: Float[ndarray, "h w"], sigma: float
) -> tuple[Float[ndarray, "h w c"], Float[ndarray, "h w 1"]]:
    """Mean of the trusted values around each texel, and how much trust there is."""
    near = _blurred(trust.astype(np.float32)[..., None], sigma)
    total = _blurred((values * trust[..., None]).astype(np.float32), sigma)
    return total / np.maximum(near, 1e-3), near


def _blurred(image: Float32[ndarray, "h w c"], sigma: float) -> Float32[ndarray, "h w c"]:
    """A Gaussian blur; wide ones are three box filters of the same variance, whose cost does not
    grow with them."""
    if sigma < 8.0:
        return gaussian_filter(image, (sigma, sigma, 0))
    width = 2 * round(sigma) + 1
    sides: Any = (width, width, 1)
    for _ in range(3):
        image = uniform_filter(image, sides)
    return image


def _opaque(rgba: Float32[ndarray, "h w 4"]) -> UInt8[ndarray, "h w 3"]:
    return as_uint8(rgba[..., :3])

"""Cameras that frame a bust like a portrait photograph."""

from __future__ import annotations

import numpy as np

from portraiture.camera import orbit
from portraiture.types import Bust, Camera

FOCAL = 85.0 / 24.0
"""Normalised focal length of an 85 mm lens on the short side of a 36 mm by 24 mm sensor."""

EYE_LINE = 0.42
"""Vertical position of the eyes in the image, as a fraction from the top."""

FRAME_HEIGHT_M = 0.38
"""Height of the frame at the eyes' depth; enlarged if hair, a hat or a style requires it."""

HEADROOM_M = 0.015


def portrait_camera(bust: Bust, *, yaw: float = 0.0, pitch: float = 0.0) -> Camera:
    """Frame head and shoulders with a long lens, the eyes at `EYE_LINE` of a square image.

    yaw, pitch: radians; positive moves the camera to the person's left (+x) and up. The camera
    orbits a point inside the head, so the head's position in the image is constant.
    """
    centre = _head_centre(bust)
    top = max(float(part.vertices[part.faces.ravel(), 1].max()) for part in bust.parts)
    height = max(FRAME_HEIGHT_M, (top - centre[1] + HEADROOM_M) / EYE_LINE)
    distance = FOCAL * height
    camera = orbit(yaw, pitch, target=centre, distance=distance, focal=FOCAL)
    K = camera.intrinsics.copy()
    K[1, 2] = EYE_LINE
    return Camera(camera.T_world_cam, K)


def _head_centre(bust: Bust) -> np.ndarray:
    """The centre of the head at eye height."""
    skin = next((p for p in bust.parts if p.name == "skin"), bust.parts[0])
    heads = dict(zip(bust.skeleton.names, bust.skeleton.heads, strict=True))
    if "leftEye" in heads and "rightEye" in heads:
        eyes = 0.5 * (heads["leftEye"] + heads["rightEye"])
    else:
        eyes = np.array([0.0, np.quantile(skin.vertices[:, 1], 0.7), 0.1])
    return np.array([eyes[0], eyes[1], eyes[2] - 0.05], np.float64)

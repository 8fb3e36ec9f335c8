"""Cameras: orbits, projection and EG3D's 25 numbers. The only file that knows that vector.

World for avatars: metres, y up, face along +z. EG3D's world: the head's centre at the origin,
units such that a camera stands 2.7 away; one unit is `EG3D_UNIT_M` metres of a real head.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.types import Camera

EG3D_FOCAL = 4.2647
"""Normalised focal length of EG3D's FFHQ cameras (Chan et al. 2022, released dataset)."""

EG3D_RADIUS = 2.7
EG3D_ANCHOR = np.array([0.0, 0.006, 0.161])
"""The point inside the face that EG3D's crops have in their centre; its data preparation moves the
origin of the fitted face there."""

EG3D_UNIT_M = 1.0 / (EG3D_RADIUS - EG3D_ANCHOR[2])
"""Metres of one EG3D unit, 0.394: the data preparation fits faces at 1 m from the anchor. A crop
shows 1 m / 4.2647 = 23.4 cm at the anchor's depth."""


def look_at(
    position: Float[ndarray, "3"], target: Float[ndarray, "3"], *, roll: float = 0.0
) -> Float[ndarray, "4 4"]:
    """OpenCV camera-to-world matrix at `position` that sees `target` in its centre.

    roll: radians, positive turns the camera clockwise seen from behind it.
    """
    position, target = np.asarray(position, np.float64), np.asarray(target, np.float64)
    forward = target - position
    forward = forward / np.linalg.norm(forward)
    up = np.array([0.0, 1.0, 0.0])
    if abs(forward @ up) > 0.999:
        up = np.array([0.0, 0.0, -1.0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    T = np.eye(4)
    T[:3, 0], T[:3, 1] = c * right + s * down, -s * right + c * down
    T[:3, 2], T[:3, 3] = forward, position
    return T


def pinhole(focal: float) -> Float[ndarray, "3 3"]:
    """Normalised intrinsics with the principal point in the middle."""
    return np.array([[focal, 0.0, 0.5], [0.0, focal, 0.5], [0.0, 0.0, 1.0]])


def orbit(
    yaw: float,
    pitch: float,
    *,
    target: Float[ndarray, "3"],
    distance: float,
    focal: float,
) -> Camera:
    """Camera on a sphere around `target`.

    yaw: radians, positive moves the camera to the person's left (+x). pitch: radians, positive
    moves it up. distance: metres. focal: normalised.
    """
    direction = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    position = np.asarray(target, np.float64) + distance * direction
    return Camera(look_at(position, np.asarray(target)), pinhole(focal))


def eg3d_orbit(yaw: float, pitch: float) -> Camera:
    """EG3D camera `EG3D_RADIUS` from the origin that looks at the anchor. Radians; yaw > 0 stands
    on the person's left (+x), pitch > 0 above."""
    direction = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    along = float(direction @ EG3D_ANCHOR)
    distance = float(np.sqrt(along**2 + EG3D_RADIUS**2 - EG3D_ANCHOR @ EG3D_ANCHOR)) - along
    return orbit(yaw, pitch, target=EG3D_ANCHOR, distance=distance, focal=EG3D_FOCAL)


def world_to_camera(camera: Camera) -> Float[ndarray, "4 4"]:
    """The inverse of ``camera.T_world_cam``."""
    R, t = camera.T_world_cam[:3, :3], camera.T_world_cam[:3, 3]
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R.T, -R.T @ t
    return T


def project(
    points: Float[ndarray, "N 3"], camera: Camera, size: tuple[int, int]
) -> Float[ndarray, "N 3"]:
    """World points to pixel x, pixel y and depth in metres; size is (height, width)."""
    T = world_to_camera(camera)
    p = np.asarray(points) @ T[:3, :3].T + T[:3, 3]
    K = camera.intrinsics
    z = p[:, 2]
    x = (K[0, 0] * p[:, 0] / z + K[0, 1] * p[:, 1] / z + K[0, 2]) * size[1]
    y = (K[1, 1] * p[:, 1] / z + K[1, 2]) * size[0]
    return np.stack([x, y, z], axis=1)


def to_eg3d(camera: Camera) -> Float[ndarray, "25"]:
    """16 numbers of camera-to-world, row by row, then 9 of the intrinsics."""
    return join_eg3d(camera.T_world_cam, camera.intrinsics)


def from_eg3d(vector: Float[ndarray, "25"]) -> Camera:
    """The inverse of `to_eg3d`. Raises ValueError on another length."""
    vector = np.asarray(vector, np.float64)
    if vector.shape != (25,):
        raise ValueError(f"an EG3D camera has 25 numbers, not {vector.shape}")
    return Camera(vector[:16].reshape(4, 4), vector[16:].reshape(3, 3))


def join_eg3d(
    poses: Float[ndarray, "... 4 4"], intrinsics: Float[ndarray, "... 3 3"]
) -> Float[ndarray, "... 25"]:
    """The inverse of `split_eg3d`."""
    lead = poses.shape[:-2]
    return np.concatenate([poses.reshape(*lead, 16), intrinsics.reshape(*lead, 9)], -1)


def split_eg3d(vectors: Any) -> tuple[Any, Any]:
    """(…, 25) cameras, numpy or torch → camera-to-world (…, 4, 4) and intrinsics (…, 3, 3)."""
    lead = vectors.shape[:-1]
    return vectors[..., :16].reshape(*lead, 4, 4), vectors[..., 16:].reshape(*lead, 3, 3)

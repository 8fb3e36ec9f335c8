"""The fitted avatar in EG3D's world, where the photo's aligned camera shows it as the photo does.

Fitted ─build─▶ bust ─aligned_camera─▶ HeadFrame ─▶ each vertex: pixel in the crop, depth
   ─landmarks' and outline's residual─▶ pixel of the photo ─at the same depth─▶ vertex
`fit` has a camera of its own, at another distance and with the head off its axis; the aligned
camera is EG3D's. Rotation, scale and centre of the frame take up what a similarity can, and every
vertex is moved parallel to the image by what remains, so that both project to the same pixels.
What landmarks and outline still lack is added to that. [ours]
Letters: N points, n side of a grid over the crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.ndimage import binary_erosion, map_coordinates
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from portraiture.camera import EG3D_ANCHOR, EG3D_RADIUS, project
from portraiture.engine.build import build_bust
from portraiture.fit.run import Fitted
from portraiture.people.views import HeadFrame
from portraiture.photo.align import mean_face
from portraiture.render.pose import posed
from portraiture.types import Bust, Camera, Photo

GRID = 64
"""Side of the grid that carries a displacement over the crop."""
NEAR_LANDMARK = 0.025
"""Standard deviation, in sides of the crop, of the Gaussian that carries landmarks' residuals."""
OUTLINE_SIGMAS, OUTLINE_REACH, OUTLINE_LOOSE = (0.06, 0.04, 0.025, 0.025), 0.08, 0.5
"""The same of the outlines' residuals, by round; the longest residual that is followed; the weight
of no displacement."""
LOOSE = 0.3
"""Weight of no displacement, in weights of a landmark at its place."""


def fitted_bust(fitted: Fitted) -> Bust:
    """The avatar in the photo's expression."""
    return build_bust(fitted.parameters, expression=fitted.expression, albedo=fitted.albedo)


def aligned_camera(frame: HeadFrame, fitted: Fitted, photo: Photo) -> Camera:
    """The camera of the crop in EG3D's world, turned to the bust as the fitted one is: EG3D's focal
    length, radius and way to look at the anchor, as of `photo.align`."""
    size = (photo.image.shape[0], photo.image.shape[1])
    rotation = frame.rotation.T @ _towards_crop(fitted.camera, photo, size) @ _turned_upright(photo)
    forward = rotation[:, 2]
    along = float(forward @ EG3D_ANCHOR)
    distance = along + float(np.sqrt(along**2 + EG3D_RADIUS**2 - EG3D_ANCHOR @ EG3D_ANCHOR))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, EG3D_ANCHOR - distance * forward
    return Camera(pose, photo.camera.intrinsics)


def _turned_upright(photo: Photo) -> Float[ndarray, "3 3"]:
    """From the crop's image axes to the photo's: the alignment removes the head's roll."""
    across = photo.crop_from_image[:2, 0]
    roll = np.arctan2(across[1], across[0])
    return Rotation.from_rotvec([0.0, 0.0, -roll]).as_matrix()


def _towards_crop(camera: Camera, photo: Photo, size: tuple[int, int]) -> Float[ndarray, "3 3"]:
    """From the axes of a camera that looks at the crop's centre to the world: the fitted camera's,
    turned about its position."""
    side = photo.crop.shape[0]
    middle = np.linalg.solve(photo.crop_from_image, [side / 2, side / 2, 1.0])
    K = camera.intrinsics * np.array([[size[1]], [size[0]], [1.0]])
    ray = np.linalg.solve(K, middle / middle[2])
    ray = ray / np.linalg.norm(ray)
    axis = np.cross([0.0, 0.0, 1.0], ray)
    angle, length = np.arccos(np.clip(ray[2], -1.0, 1.0)), np.linalg.norm(axis)
    turn = Rotation.from_rotvec(axis * (angle / length if length > 0 else 0.0)).as_matrix()
    return camera.T_world_cam[:3, :3] @ turn


def in_crop(pixels: Float[ndarray, "N 2"], photo: Photo) -> Float[ndarray, "N 2"]:
    """Pixels of the photo in sides of the crop, [0, 1] inside."""
    A = photo.crop_from_image / photo.crop.shape[0]
    return pixels @ A[:2, :2].T + A[:2, 2]


def _seen(points: Float[ndarray, "N 3"], frame: HeadFrame, camera: Camera) -> Float[ndarray, "N 3"]:
    """Pixels in sides of the crop, and depths in EG3D units, by the aligned camera."""
    return project(frame.to_eg3d(points), camera, (1, 1))


def _sideways(
    shift: Float[ndarray, "... 2"], depth: Float[ndarray, "..."], camera: Camera
) -> Float[ndarray, "... 3"]:
    """Motion in EG3D's world, parallel to the image, that shifts points at a depth by sides of the
    crop."""
    K = camera.intrinsics
    local = shift * np.asarray(depth)[..., None] / [K[0, 0], K[1, 1]]
    return local @ camera.T_world_cam[:3, :2].T


def moved_bust(
    bust: Bust, frame: HeadFrame, camera: Camera, fitted: Fitted, photo: Photo,
    field: Float[ndarray, "n n 2"] | None = None,
) -> Bust:  # fmt: skip
    """The bust with every vertex moved parallel to the image to the pixel where the fitted camera
    sees it, plus `field` there, in sides of the crop."""
    size = (photo.image.shape[0], photo.image.shape[1])

    def moved(points: ndarray) -> ndarray:
        seen = _seen(points, frame, camera)
        aim = in_crop(project(points, fitted.camera, size)[:, :2], photo)
        aim = aim if field is None else aim + sampled(field, aim)
        return frame.scale * _sideways(aim - seen[:, :2], seen[:, 2], camera) @ frame.rotation.T

    parts = []
    for part in bust.parts:
        motion = moved(posed(part, bust.expression).astype(np.float64))
        parts.append(replace(part, vertices=(part.vertices + motion).astype(np.float32)))
    points = bust.landmarks + moved(bust.landmarks.astype(np.float64))
    return replace(bust, parts=tuple(parts), landmarks=points.astype(np.float32))


def landmark_field(fitted: Fitted, photo: Photo) -> Float[ndarray, "n n 2"]:
    """Displacement from the fitted landmarks to the photo's, in sides of the crop, smooth and 0 far
    from all of them. The outline's are left out."""
    at = in_crop(fitted.landmarks.astype(np.float64), photo)[mean_face()[1] > 0]
    return carried(at, stable_landmarks(photo) - at, NEAR_LANDMARK, LOOSE)


def stable_landmarks(photo: Photo) -> Float[ndarray, "N 2"]:
    """The photo's landmarks but those of the outline and the irises, in sides of the crop."""
    return in_crop(photo.landmarks[mean_face()[1] > 0].astype(np.float64), photo)


def outline_field(
    pairs: Sequence[tuple[Bool[ndarray, "R R"], Bool[ndarray, "R R"]]],
    anchors: Float[ndarray, "N 2"],
    field: Float[ndarray, "n n 2"],
) -> Float[ndarray, "n n 2"]:
    """A displacement that adds to `field` what brings outlines of the avatar, rendered with
    `field`, to the photo's, where these are near. pairs: masks of avatar and photo. anchors: points
    that are to stay, in sides of the crop."""
    outlines = [(_outline(ours), _outline(theirs)) for ours, theirs in pairs]
    trees = [(ours, theirs, KDTree(theirs)) for ours, theirs in outlines if len(theirs)]
    more = np.zeros_like(field)
    for sigma in OUTLINE_SIGMAS:
        kept = anchors + sampled(more, anchors)
        places, motions = [kept], [anchors - kept]
        for ours, theirs, tree in trees:
            at = ours + sampled(more, ours)
            found: Any = tree.query(at)
            far, nearest = found
            near = far < OUTLINE_REACH
            places.append(at[near])
            motions.append(theirs[nearest[near]] - at[near])
        step = carried(np.concatenate(places), np.concatenate(motions), sigma, OUTLINE_LOOSE)
        more = more + step
    return field + more


def _outline(inside: Bool[ndarray, "R R"]) -> Float[ndarray, "N 2"]:
    """Pixels at the edge of a mask, in sides of the image, but for the image's own border."""
    inner: Any = binary_erosion(inside, border_value=1)
    edge = inside & ~inner
    edge[:2], edge[-2:], edge[:, :2], edge[:, -2:] = False, False, False, False
    rows, columns = np.nonzero(edge)
    return (np.stack([columns, rows], 1) + 0.5) / len(inside)


def carried(
    at: Float[ndarray, "N 2"], values: Float[ndarray, "N 2"], sigma: float, loose: float
) -> Float[ndarray, "n n 2"]:
    """Gaussian-weighted mean of scattered values, on the grid over the crop; 0 has the weight
    `loose`."""
    centres = (np.arange(GRID) + 0.5) / GRID
    wide = np.exp(-0.5 * ((centres[:, None] - at[None, :, 0]) / sigma) ** 2)
    high = np.exp(-0.5 * ((centres[:, None] - at[None, :, 1]) / sigma) ** 2)
    weight = high @ wide.T
    sums = np.stack([high @ (values[:, k, None] * wide.T) for k in (0, 1)], 2)
    return sums / (weight + loose)[..., None]


def sampled(field: Float[ndarray, "n n 2"], at: Float[ndarray, "N 2"]) -> Float[ndarray, "N 2"]:
    """A field over the crop at points in sides of it; its edge is repeated."""
    places = (at * GRID - 0.5).T[::-1]
    return np.stack(
        [map_coordinates(field[..., k], places, order=1, mode="nearest") for k in (0, 1)], 1
    )

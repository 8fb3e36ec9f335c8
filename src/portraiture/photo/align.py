"""Align a photo: landmarks, head pose, EG3D-style crop and camera, quality.

    path or pixels ─read_image─▶ upright RGB ─find_faces─▶ 478 landmarks, refined
                                  │                  └─ no finer than a texture needs
                                  ├─fit_pose─▶ rotation, centre, scale
                                  │                   ├─▶ similarity ─warp─▶ crop (512²)
                                  │                   ├─▶ camera of the crop (EG3D's world)
                                  └──────────────────▶└─▶ quality ─▶ Photo, or PhotoError

**The crop.** EG3D (Chan et al. 2022, supplement, "dataset preprocessing") places faces by a 3D fit
and not by the distance of the eyes, so that a turned head keeps its size: the crop shows 23.4 cm of
a mean head at the depth of its anchor, a point 29 mm below and 13 mm behind the midpoint of the
eyes, which is at the crop's centre. We do the same with the engine's mean face, and also rotate the
image so that the head's roll is zero, as FFHQ does (EG3D keeps the roll in the camera; without it
inversions start closer). Pixels outside the photo are mirrored, blurred and faded to its mean
colour with the distance from the edge, as in FFHQ (Karras et al. 2019).

**The camera.** Focal length, principal point and radius are EG3D's constants; the rotation is the
head's. The anchor is at `EG3D_ANCHOR` and the camera looks straight at it. A radius of exactly 2.7
around the origin determines its distance, and so the size of the crop (which therefore shrinks by
3 % from frontal to 60°). Projecting the posed mean face through ``Photo.camera`` gives the
landmarks of the crop without any further transform.

**Angles.** The head's, as seen by the camera: yaw > 0 is turned to the person's left (right in the
image), pitch > 0 looks up, roll > 0 leans to the person's left (clockwise in the image). A camera
of ``portraiture.camera.orbit`` at yaw a and pitch b sees a head at yaw -a and pitch -b. On renders
of twelve people with known cameras, frontal angles are unbiased, with a standard deviation of 1°
(yaw), 2.5° (pitch) and 0.3° (roll); larger rotations are underestimated by the landmarks: 45° is
estimated as 41°, 58° as 51°, and a pitch of 15° as 11°.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from portraiture.camera import EG3D_ANCHOR, EG3D_FOCAL, EG3D_RADIUS, EG3D_UNIT_M, pinhole
from portraiture.errors import PhotoError
from portraiture.media import read_image
from portraiture.photo import landmarks as face_mesh
from portraiture.photo.quality import assess, crown_share
from portraiture.pixels import reduced, source_pixels
from portraiture.types import Camera, Photo

CROP_SIZE = 512
MIN_FACE_PX = 64
WORKED_PX = 2048
"""Photo pixels across the crop's 23.4 cm above which a photo is downsampled: about three times the
resolution of the skin texture."""
MAX_YAW = np.radians(53.0)
"""Estimated yaw above which a photo is refused; corresponds to a true yaw of 60°, see above."""

MEAN_FACE_PATH = Path(__file__).parent.parent / "assets" / "mean_face.npy"
ANCHOR_FROM_EYES_M = np.array([0.0, -0.029, -0.013])
_ROUNDS = 12
_HUBER = 1.5


@dataclass(frozen=True)
class HeadPose:
    """Pose of a head in an image.

    rotation: (3, 3) from the head's axes (x its left, y up, z forward) to the camera's (OpenCV).
    centre: (2,) pixel coordinates of the anchor.
    scale: pixels per metre at the anchor's depth.
    error: root mean square distance of the used landmarks from the mean face, metres.
    """

    rotation: Float[ndarray, "3 3"]
    centre: Float[ndarray, "2"]
    scale: float
    error: float

    @property
    def yaw(self) -> float:
        """Radians; positive when turned to the person's left."""
        return float(-np.arctan2(-self.rotation[2, 0], -self.rotation[2, 2]))

    @property
    def pitch(self) -> float:
        """Radians; positive when looking up."""
        return float(np.arcsin(np.clip(self.rotation[2, 1], -1, 1)))

    @property
    def roll(self) -> float:
        """Radians; positive when leaning to the person's left, clockwise in the image."""
        return float(np.arctan2(self.rotation[0, 1], -self.rotation[1, 1]))


def align(source: Path | str | ndarray | Image.Image, *, face: int | None = None) -> Photo:
    """Find the face in a photo and warp it into the standard crop with its camera.

    source: a path, upright sRGB pixels as `pixels.array_pixels` takes them, or a Pillow image.
    face: 1 is the largest face, 2 the next, and so on; by default the largest, with a note if there
    are several.

    Raises PhotoError for what `read_image` or `source_pixels` refuses, if there is no face or no
    such face, for a face under `MIN_FACE_PX`, or for a head turned beyond `MAX_YAW`.
    """
    of_file = isinstance(source, Path | str)
    image = read_image(source) if of_file else source_pixels(source)
    landmarks, notes = _choose(face_mesh.find_faces(image), face)
    face_px = face_mesh.face_size(landmarks)
    image, landmarks = _no_finer_than_needed(image, landmarks)
    pose = fit_pose(landmarks)
    if abs(pose.yaw) > MAX_YAW:
        raise PhotoError(
            "The head is turned to the side by 60° or more; use a photo that shows both eyes."
        )
    to_crop = crop_transform(pose)
    crop = crop_image(image, to_crop)
    quality = assess(
        crop,
        face_mesh.transform(landmarks, to_crop),
        mean_face()[0],
        face_px=face_px,
        angles=(pose.yaw, pose.pitch, pose.roll),
        inside=_share_inside(landmarks, image),
        crown=crown_share(landmarks, (image.shape[0], image.shape[1])),
        notes=notes,
    )
    return Photo(
        image=image,
        crop=crop,
        landmarks=np.ascontiguousarray(landmarks[:, :2]),
        landmarks_depth=np.ascontiguousarray(landmarks[:, 2]),
        crop_from_image=to_crop,
        camera=crop_camera(pose),
        quality=quality,
        name=str(source) if of_file else "",
    )


def _no_finer_than_needed(
    image: UInt8[ndarray, "h w 3"], landmarks: Float32[ndarray, "478 3"]
) -> tuple[UInt8[ndarray, "a b 3"], Float32[ndarray, "478 3"]]:
    """The photo downsampled to at most `WORKED_PX` across the crop, and its landmarks."""
    small = reduced(image, crop_side(fit_pose(landmarks)) / WORKED_PX)
    scale = np.array([small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]])
    return small, (landmarks * [*scale, scale.mean()]).astype(np.float32)


def _choose(
    faces: list[Float32[ndarray, "478 3"]], face: int | None
) -> tuple[Float32[ndarray, "478 3"], tuple[str, ...]]:
    """Select a face, with a note for the user. Faces under `MIN_FACE_PX` are ignored if there are
    larger ones."""
    large = [one for one in faces if face_mesh.face_size(one) >= MIN_FACE_PX]
    if not faces:
        raise PhotoError("No face was found; use a photo that shows one from the front.")
    if not large:
        raise PhotoError(
            f"The face is only {face_mesh.face_size(faces[0]):.0f} pixels tall; use a photo in "
            f"which it has at least {MIN_FACE_PX}."
        )
    count = len(large)
    if face is not None and not 1 <= face <= count:
        plenty = "only one usable face" if count == 1 else f"{count} usable faces"
        raise PhotoError(f"There is no face {face}; the photo shows {plenty}.")
    if face is None and count > 1:
        note = f"{count} faces were found and the largest taken; choose another with --face N."
        return large[0], (note,)
    return large[(face or 1) - 1], ()


def _share_inside(landmarks: Float[ndarray, "L _"], image: ndarray) -> float:
    """Share of the landmarks that lie within the image."""
    limit = np.array([image.shape[1], image.shape[0]])
    return float(((landmarks[:, :2] >= 0) & (landmarks[:, :2] <= limit)).all(1).mean())


@lru_cache(maxsize=1)
def mean_face() -> tuple[Float[ndarray, "478 3"], Float[ndarray, "478"]]:
    """The engine's mean landmarks, metres from the anchor, and how rigid each is, in [0, 1].

    Learned by ``tools/learn_mean_face.py``; the weight is zero on the outline and the irises.
    """
    table = np.load(MEAN_FACE_PATH, allow_pickle=False).astype(np.float64)
    points, weights = table[:, :3] - ANCHOR_FROM_EYES_M, table[:, 3]
    points.setflags(write=False)
    weights.setflags(write=False)
    return points, weights


def fit_pose(
    landmarks: Float[ndarray, "478 _"],
    points: Float[ndarray, "478 3"] | None = None,
    weights: Float[ndarray, "478"] | None = None,
) -> HeadPose:
    """Perspective head pose from landmarks in pixels (their depth is not used).

    Gauss-Newton with Huber weights on the reprojection of `points` (the mean face), six unknowns:
    rotation, centre, logarithm of the scale. The camera is at EG3D's distance, about 1 m. points:
    metres from the anchor. weights: of each landmark, at least 4 of them positive.
    """
    points = mean_face()[0] if points is None else np.asarray(points, np.float64)
    weights = mean_face()[1] if weights is None else weights
    used = np.flatnonzero(weights > 0)
    pixels, model, weight = landmarks[used, :2].astype(np.float64), points[used], weights[used]
    pose = _orthographic_pose(pixels, model, weight)
    for _ in range(_ROUNDS):
        moved = model @ pose.rotation.T
        depth = EG3D_UNIT_M * _anchor_distance(pose.rotation)
        shrink = (depth / (depth + moved[:, 2]))[:, None]
        residual = (pixels - pose.centre) / pose.scale - shrink * moved[:, :2]
        length = np.linalg.norm(residual, axis=1)
        typical = max(1.4826 * np.median(length), 1e-12)
        w = weight * np.minimum(1.0, _HUBER * typical / np.maximum(length, 1e-12))
        jacobian = _pose_jacobian(moved, shrink, depth)
        normal = np.einsum("nci,n,ncj->ij", jacobian, w, jacobian)
        step = np.linalg.solve(normal, np.einsum("nci,n,nc->i", jacobian, w, residual))
        turn = Rotation.from_rotvec(step[:3]).as_matrix()
        pose = HeadPose(
            rotation=turn @ pose.rotation,
            centre=pose.centre + pose.scale * step[3:5],
            scale=pose.scale * float(np.exp(np.clip(step[5], -0.5, 0.5))),
            error=float(np.sqrt((w * length**2).sum() / w.sum())),
        )
    return pose


def _pose_jacobian(
    moved: Float[ndarray, "N 3"], shrink: Float[ndarray, "N 1"], depth: float
) -> Float[ndarray, "N 2 6"]:
    """Derivative of the projection, in metres at the anchor's depth, by rotation (a small rotation
    after the current one), centre and logarithm of the scale."""
    x, y, z = moved.T
    k = shrink[:, 0]
    zero, one = np.zeros_like(x), np.ones_like(x)
    turns = np.stack([[zero, -z, y], [z, zero, -x], [-y, x, zero]])  # axis, coordinate, point
    plane = k * turns[:, :2] - (k**2 / depth) * turns[:, 2:3] * np.stack([x, y])
    rest = np.array([[one, zero, k * x], [zero, one, k * y]])
    return np.concatenate([plane.transpose(2, 1, 0), rest.transpose(2, 0, 1)], axis=2)


def _orthographic_pose(
    pixels: Float[ndarray, "N 2"], model: Float[ndarray, "N 3"], weight: Float[ndarray, "N"]
) -> HeadPose:
    """Scaled-orthographic least squares (POS, DeMenthon and Davis 1995) as the starting point."""
    root = np.sqrt(weight)[:, None]
    homogeneous = np.column_stack([model, np.ones(len(model))])
    affine = np.linalg.lstsq(homogeneous * root, pixels * root, rcond=None)[0].T
    u, s, vt = np.linalg.svd(affine[:, :3], full_matrices=False)
    rows = u @ vt
    rotation = np.vstack([rows, np.cross(rows[0], rows[1])])
    return HeadPose(rotation, affine[:, 3], float(s.mean()), 0.0)


def _anchor_distance(rotation: Float[ndarray, "3 3"]) -> float:
    """EG3D units from the camera to the anchor, for a camera at `EG3D_RADIUS` that looks at it."""
    along = float(rotation[2] @ EG3D_ANCHOR)
    return along + float(np.sqrt(along**2 + EG3D_RADIUS**2 - EG3D_ANCHOR @ EG3D_ANCHOR))


def crop_transform(pose: HeadPose, size: int = CROP_SIZE) -> Float[ndarray, "3 3"]:
    """Homogeneous similarity from the photo's pixels to the crop's: anchor at the centre, roll
    removed, scale such that the crop's side matches the camera's field of view."""
    scale = size / crop_side(pose)
    return face_mesh.similarity(scale, -pose.roll, pose.centre, np.full(2, size / 2))


def crop_side(pose: HeadPose) -> float:
    """Side of the crop in pixels of the photo."""
    return pose.scale * EG3D_UNIT_M * _anchor_distance(pose.rotation) / EG3D_FOCAL


def crop_camera(pose: HeadPose) -> Camera:
    """The camera of the crop in EG3D's world; see `portraiture.camera.to_eg3d` for its vector."""
    upright = Rotation.from_rotvec([0.0, 0.0, -pose.roll]).as_matrix() @ pose.rotation
    T_world_cam = np.eye(4)
    T_world_cam[:3, :3] = upright.T
    T_world_cam[:3, 3] = EG3D_ANCHOR - _anchor_distance(upright) * upright[2]
    return Camera(T_world_cam, pinhole(EG3D_FOCAL))


def to_eg3d_world(points: Float[ndarray, "N 3"]) -> Float[ndarray, "N 3"]:
    """Convert metres from the anchor, in head axes, to EG3D's world."""
    return np.asarray(points) / EG3D_UNIT_M + EG3D_ANCHOR


def crop_image(
    image: UInt8[ndarray, "h w 3"], to_crop: Float[ndarray, "3 3"], size: int = CROP_SIZE
) -> UInt8[ndarray, "s s 3"]:
    """The crop; outside the photo it is mirrored, then blurred and faded to its mean colour."""
    crop = face_mesh.warp(image, to_crop, size)
    x, y = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    inverse = np.linalg.inv(to_crop)
    u, v = (inverse[i, 0] * x + inverse[i, 1] * y + inverse[i, 2] for i in (0, 1))
    height, width = image.shape[:2]
    outside = np.maximum.reduce([-u, u - width, -v, v - height, np.zeros_like(u)])
    if not outside.any():
        return crop
    outside *= np.sqrt(abs(np.linalg.det(to_crop[:2, :2]))) / size  # in units of the crop's side
    sigma = 0.02 * size
    smooth = gaussian_filter(crop.astype(np.float32), (sigma, sigma, 0), mode="nearest")
    blend = np.clip(outside / 0.05, 0, 1)[..., None]
    fade = np.clip((outside - 0.05) / 0.3, 0, 1)[..., None]
    mixed = crop + blend * (smooth - crop)
    mean = crop[outside == 0].mean(0) if (outside == 0).any() else crop.mean((0, 1))
    mixed += fade * (mean - mixed)
    return (np.clip(mixed, 0, 255) + 0.5).astype(np.uint8)

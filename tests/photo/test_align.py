"""Faces are found, posed, cropped and judged; what cannot be used is refused in a sentence."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import skimage.data
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation
from shared_data import SHARED

from portraiture.camera import EG3D_FOCAL, EG3D_RADIUS, from_eg3d, orbit, project, to_eg3d
from portraiture.errors import PhotoError
from portraiture.photo import landmarks as face_mesh
from portraiture.photo.align import (
    WORKED_PX,
    align,
    crop_camera,
    crop_image,
    crop_transform,
    fit_pose,
    mean_face,
    to_eg3d_world,
)
from portraiture.photo.quality import exposure, glasses, occlusion, sharpness
from portraiture.types import Photo


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def photo(picture: np.ndarray) -> Photo:
    return align(picture)


def backdrop(height: int, width: int) -> np.ndarray:
    """A soft pattern without a face."""
    noise = np.random.default_rng(0).integers(60, 200, (height, width, 3)).astype(np.float64)
    return (128 + 6 * (gaussian_filter(noise, (9, 9, 0)) - 128)).clip(0, 255).astype(np.uint8)


def paste(scene: np.ndarray, picture: np.ndarray, height: int, corner: tuple[int, int]) -> None:
    """The astronaut's head, `height` pixels tall, at `corner` (row, column)."""
    head = Image.fromarray(picture[:230, 110:340])
    head = head.resize((height, height), Image.Resampling.LANCZOS)
    scene[corner[0] : corner[0] + height, corner[1] : corner[1] + height] = np.asarray(head)


def head_rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Head to camera, from an orbiting camera: the independent statement of the convention."""
    camera = orbit(-yaw, -pitch, target=np.zeros(3), distance=1.0, focal=1.0)
    return Rotation.from_rotvec([0, 0, roll]).as_matrix() @ camera.T_world_cam[:3, :3].T


def test_demo_photo_is_accepted(photo: Photo, picture: np.ndarray) -> None:
    assert np.array_equal(photo.image, picture)
    assert photo.crop.shape == (512, 512, 3) and photo.crop.dtype == np.uint8
    assert photo.landmarks.shape == (478, 2) and photo.landmarks_depth.shape == (478,)
    assert photo.landmarks.dtype == photo.landmarks_depth.dtype == np.float32
    eyes = photo.landmarks[[468, 473]]
    assert np.abs(eyes - [[205, 101], [244, 104]]).max() < 8  # where they are, by eye
    quality = photo.quality
    assert 90 < quality.face_px < 130
    assert abs(quality.yaw) < 0.2 and abs(quality.pitch) < 0.25 and abs(quality.roll) < 0.15
    assert 0.4 < quality.exposure < 0.8 and quality.glasses < 0.5 and quality.occlusion < 0.3
    assert all(note.endswith(".") for note in quality.notes)


def test_same_photo_same_bits(photo: Photo, picture: np.ndarray) -> None:
    again = align(picture.astype(np.float32) / 255)
    assert np.array_equal(again.crop, photo.crop)
    assert np.array_equal(again.landmarks, photo.landmarks)


def test_every_kind_of_pixels_is_one_photo(photo: Photo, picture: np.ndarray) -> None:
    for source in (
        picture.astype(np.float64), picture.astype(np.int64), picture.astype(np.uint16) * 257,
        Image.fromarray(picture),
    ):  # fmt: skip
        same = align(source)
        assert np.array_equal(same.landmarks, photo.landmarks) and same.name == ""


@pytest.mark.slow
def test_a_photo_is_no_finer_than_its_texture_needs(photo: Photo, picture: np.ndarray) -> None:
    """An enlarged photo is worked on at `WORKED_PX` across the crop, and is the same photo."""
    factor = 20
    head = Image.fromarray(picture[:300, 60:400])
    large = align(head.resize((340 * factor, 300 * factor), Image.Resampling.BICUBIC))
    scale = np.linalg.norm(large.crop_from_image[:2, 0])
    assert 512 / scale == pytest.approx(WORKED_PX, rel=2e-3)
    assert large.quality.face_px == pytest.approx(factor * photo.quality.face_px, rel=0.02)
    back = np.array([340, 300]) / [large.image.shape[1], large.image.shape[0]]
    gap = large.landmarks * back + [60, 0] - photo.landmarks
    assert np.linalg.norm(gap, axis=1).mean() < 0.015 * photo.quality.face_px
    assert np.abs(large.crop[60:450, 60:450].astype(float) - photo.crop[60:450, 60:450]).mean() < 8


def test_warp_by_blocks_is_the_direct_warp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the rounding to bytes, and both show the ramp that was put in."""
    y, x = np.mgrid[0:1600, 0:2000]
    large = np.stack([x * 255 / 2000, y * 255 / 1600, 128 + 0 * x], -1).astype(np.uint8)
    to_crop = face_mesh.similarity(0.05, 0.3, np.array([990.0, 830.0]), np.full(2, 32.0))
    found = face_mesh.warp(large, to_crop, 64).astype(float)
    monkeypatch.setattr(face_mesh, "_COARSE", 1000)
    direct = face_mesh.warp(large, to_crop, 64).astype(float)
    v, u = np.mgrid[0:64, 0:64] + 0.5
    back = np.linalg.inv(to_crop)
    at = np.stack([u, v], -1) @ back[:2, :2].T + back[:2, 2]
    inside = ((at > 60) & (at < [1940, 1540])).all(-1)
    assert inside.mean() > 0.9
    assert np.abs(found - direct)[inside].max() <= 2
    assert np.abs(found[..., :2] - at * [255 / 2000, 255 / 1600])[inside].max() < 2.6


@pytest.mark.parametrize(("rows", "told"), [(slice(0, 300), False), (slice(62, 300), True)])
def test_a_crown_outside_the_photo_is_told(picture: np.ndarray, rows: slice, told: bool) -> None:
    notes = align(picture[rows, 60:400]).quality.notes
    assert any("top of the head lies outside" in note for note in notes) == told


def test_posed_mean_face_projects_onto_the_landmarks(photo: Photo) -> None:
    points, weights = mean_face()
    seen = project(to_eg3d_world(points), photo.camera, (512, 512))[:, :2]
    M = photo.crop_from_image
    found = photo.landmarks @ M[:2, :2].T + M[:2, 2]
    error = np.linalg.norm(seen - found, axis=1)
    assert np.average(error, weights=weights) < 0.03 * 512
    assert np.allclose(np.linalg.norm(photo.camera.T_world_cam[:3, 3]), EG3D_RADIUS)


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_turned_photo_gives_the_same_crop(photo: Photo, picture: np.ndarray, turn: int) -> None:
    turned = align(np.rot90(picture, turn))
    assert abs(np.cos(turned.quality.roll - photo.quality.roll + turn * np.pi / 2) - 1) < 0.01
    difference = np.abs(turned.crop.astype(float) - photo.crop)[100:400, 100:400]
    assert difference.mean() < 6
    assert any("on its side" in note for note in turned.quality.notes)


def test_faces_are_ordered_by_size(picture: np.ndarray) -> None:
    scene = backdrop(700, 1100)
    paste(scene, picture, 260, (300, 60))
    paste(scene, picture, 420, (80, 560))
    largest, smaller = align(scene), align(scene, face=2)
    assert largest.landmarks[:, 0].mean() > 560 > smaller.landmarks[:, 0].mean()
    assert largest.quality.face_px / smaller.quality.face_px == pytest.approx(420 / 260, rel=0.05)
    assert "2 faces" in largest.quality.notes[0] and "--face" in largest.quality.notes[0]
    assert not any("faces were found" in note for note in smaller.quality.notes)
    with pytest.raises(PhotoError, match=r"no face 3; the photo shows 2 usable faces\."):
        align(scene, face=3)


@pytest.mark.parametrize("face", [0, -1, 2])
def test_no_such_face(picture: np.ndarray, face: int) -> None:
    with pytest.raises(PhotoError, match=f"no face {face}; the photo shows only one usable face"):
        align(picture, face=face)


def test_small_faces(picture: np.ndarray) -> None:
    scene = backdrop(900, 1200)
    paste(scene, picture, 160, (600, 900))
    assert align(scene).quality.face_px == pytest.approx(160 / 230 * 107.4, rel=0.05)
    scene = backdrop(600, 800)
    paste(scene, picture, 100, (400, 600))
    with pytest.raises(PhotoError, match=r"only \d\d pixels tall; .* at least 64"):
        align(scene)


def test_close_up_without_any_margin(picture: np.ndarray, photo: Photo) -> None:
    low = photo.landmarks.min(0).astype(int) - 3
    high = photo.landmarks.max(0).astype(int) + 3
    close = align(picture[low[1] : high[1], low[0] : high[0]])
    error = np.linalg.norm(close.landmarks + low - photo.landmarks, axis=1).mean()
    assert error < 0.02 * photo.quality.face_px


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_no_face(name: str) -> None:
    with pytest.raises(PhotoError, match=r"No face was found; .*\.$"):
        align(getattr(skimage.data, name)())


def test_flat_and_tiny_images() -> None:
    with pytest.raises(PhotoError, match="No face"):
        align(np.zeros((300, 300, 3), np.uint8))
    with pytest.raises(PhotoError, match="only 1×1 pixels"):
        align(np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(PhotoError, match="No face"):
        align(np.zeros((300, 300), np.uint8))
    with pytest.raises(PhotoError, match="channels last"):
        align(np.zeros((3, 300, 300), np.uint8))


def test_profile_is_refused(picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    points = mean_face()[0] @ head_rotation(np.radians(66), 0, 0).T
    profile = np.float32(900 * points + [256, 256, 0])
    monkeypatch.setattr(face_mesh, "find_faces", lambda image: [profile])
    with pytest.raises(PhotoError, match=r"turned to the side by 60° or more; .*\.$"):
        align(picture)


@pytest.mark.parametrize("yaw", [-55, -20, 0, 35, 55])
@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (20, -30), (-25, 170)])
def test_pose_of_known_projections(yaw: float, pitch: float, roll: float) -> None:
    """Perspective images of the rigid face from any camera distance near a metre."""
    angles = np.radians([yaw, pitch, roll])
    points, _ = mean_face()
    moved = points @ head_rotation(*angles).T
    for distance, tolerance in ((1.0, 0.6), (2.0, 3.0)):
        seen = 800 * distance * moved[:, :2] / (distance + moved[:, 2:]) + [300, 200]
        seen += np.random.default_rng(0).normal(0, 0.3, seen.shape)
        pose = fit_pose(seen)
        estimate = np.degrees([pose.yaw, pose.pitch, pose.roll])
        assert np.abs((estimate - [yaw, pitch, roll] + 180) % 360 - 180).max() < tolerance
        assert np.abs(pose.centre - [300, 200]).max() < 6
        assert pose.scale == pytest.approx(800, rel=0.03)


def test_pose_bears_wrong_landmarks() -> None:
    points, _ = mean_face()
    moved = points @ head_rotation(0.4, 0.1, 0.0).T
    seen = 800 * moved[:, :2] / (1 + moved[:, 2:])
    seen[np.random.default_rng(1).choice(478, 70, replace=False)] += [40, -30]
    pose = fit_pose(seen)
    assert np.abs(np.degrees([pose.yaw - 0.4, pose.pitch - 0.1])).max() < 1.5


@pytest.mark.parametrize(("yaw", "pitch", "roll"), [(0, 0, 0), (40, -15, 25), (-50, 20, -100)])
def test_camera_sees_what_the_crop_shows(yaw: float, pitch: float, roll: float) -> None:
    """Photo ─crop─▶ pixels and EG3D's world ─camera─▶ pixels agree, for a head without noise."""
    points, _ = mean_face()
    moved = points @ head_rotation(*np.radians([yaw, pitch, roll])).T
    pose = fit_pose(700 * moved[:, :2] / (1 + moved[:, 2:]) + [400, 300])
    M, camera = crop_transform(pose), from_eg3d(to_eg3d(crop_camera(pose)))
    assert np.allclose(M[:2, :2] @ M[:2, :2].T, np.linalg.det(M[:2, :2]) * np.eye(2))
    R = camera.T_world_cam[:3, :3]
    assert np.allclose(R.T @ R, np.eye(3)) and np.linalg.det(R) == pytest.approx(1)
    assert np.linalg.norm(camera.T_world_cam[:3, 3]) == pytest.approx(EG3D_RADIUS)
    assert abs(R[1, 0]) < 1e-6 and R[1, 1] < 0  # level, not upside down
    assert camera.intrinsics[0, 0] == EG3D_FOCAL
    rotated = moved @ np.eye(3)
    depth = 1.0 + rotated[:, 2:]
    photo = 700 * moved[:, :2] / depth + [400, 300]
    crop = photo @ M[:2, :2].T + M[:2, 2]
    seen = project(to_eg3d_world(points), camera, (512, 512))[:, :2]
    assert np.abs(crop - seen).max() < 2.0
    assert np.allclose(M @ [*pose.centre, 1], [256, 256, 1])


PORTRAITS = SHARED / "data" / "portraits" / "small"


@pytest.mark.skipif(not PORTRAITS.is_dir(), reason="needs ../shared/data/portraits")
@pytest.mark.parametrize("name", ["015073", "015037"])
def test_faces_are_the_right_way_up(name: str) -> None:
    """One detector misses the first, an upright face, but not the same upside down."""
    image = np.asarray(Image.open(PORTRAITS / f"{name}.jpg").convert("RGB"))
    face = face_mesh.find_faces(image)[0]
    turned = face_mesh.find_faces(np.ascontiguousarray(image[::-1, ::-1]))[0]
    assert face[152, 1] > face[10, 1] + 0.5 * face_mesh.face_size(face)
    back = np.array([image.shape[1], image.shape[0]]) - turned[:, :2]
    assert np.abs(back - face[:, :2]).mean() < 0.03 * face_mesh.face_size(face)


def test_crop_is_the_inverse_of_the_transform() -> None:
    """A smooth function of position, sampled: the crop shows its value where the matrix says."""
    v, u = np.mgrid[0:300, 0:400] + 0.5
    image = np.stack([u * 0.6, v * 0.8, 120 + 40 * np.sin(u / 40) * np.cos(v / 50)], 2)
    for scale, angle in ((1.7, 0.4), (0.4, -2.0), (1.0, np.pi / 2)):
        M = face_mesh.similarity(scale, angle, np.array([200.0, 150]), np.array([64.0, 64]))
        crop = face_mesh.warp((image + 0.5).astype(np.uint8), M, 128).astype(float)
        y, x = np.mgrid[0:128, 0:128] + 0.5
        s, t = np.tensordot(np.linalg.inv(M)[:2], np.stack([x, y, np.ones_like(x)]), 1)
        inside = (s > 8) & (s < 392) & (t > 8) & (t < 292)
        expected = np.stack([s * 0.6, t * 0.8, 120 + 40 * np.sin(s / 40) * np.cos(t / 50)], 2)
        assert np.abs(crop - expected)[inside].max() < 2.0  # Pillow rounds down


def test_similarity_and_landmarks_round_trip() -> None:
    M = face_mesh.similarity(2.0, 0.3, np.array([3.0, 4]), np.array([10.0, 20]))
    assert np.allclose(M @ [3, 4, 1], [10, 20, 1])
    right = M[:2, :2] @ [1, 0]
    assert np.arctan2(right[1], right[0]) == pytest.approx(0.3)  # y is down: clockwise
    face = np.random.default_rng(0).normal(size=(478, 3)).astype(np.float32)
    there = face_mesh.transform(face, M)
    assert np.allclose(there[:, 2], 2 * face[:, 2])
    assert np.allclose(face_mesh.transform(there, np.linalg.inv(M)), face, atol=1e-5)


def test_outside_of_the_photo_is_filled_smoothly(picture: np.ndarray) -> None:
    M = face_mesh.similarity(2.0, 0.0, np.array([256.0, 0.0]), np.array([256.0, 256.0]))
    crop = crop_image(picture, M).astype(float)
    assert np.abs(np.diff(crop[240:272].mean(1), axis=0)).max() < 12  # no edge at the border
    assert np.abs(np.diff(crop[:60], axis=1)).mean() < 1.5  # far outside nothing is sharp
    inside = face_mesh.warp(picture, M, 512)
    assert np.array_equal(crop[256:], inside[256:])


def test_sharpness_falls_with_blur_and_exposure_with_light(photo: Photo) -> None:
    M = photo.crop_from_image
    at = photo.landmarks @ M[:2, :2].T + M[:2, 2]
    values = [sharpness(np.uint8(gaussian_filter(photo.crop, (s, s, 0)))) for s in (0, 2, 4)]
    assert values[0] > 3 * values[1] > 9 * values[2]
    checker = np.kron(np.indices((256, 256)).sum(0) % 2, np.ones((2, 2)))
    board = np.uint8(np.repeat(200 * checker[..., None], 3, 2))
    assert sharpness(board) == pytest.approx((4 * 200) ** 2, rel=0.01)
    assert exposure(photo.crop // 2, at) == pytest.approx(exposure(photo.crop, at) / 2, abs=0.01)


def test_glasses_drawn_on_a_face_are_noticed(photo: Photo) -> None:
    M = photo.crop_from_image
    at = photo.landmarks @ M[:2, :2].T + M[:2, 2]
    drawn = photo.crop.copy()
    y, x = np.mgrid[0:512, 0:512] + 0.5
    distance = np.linalg.norm(at[473] - at[468])
    for eye in (at[468], at[473]):
        ring = np.hypot(x - eye[0], (y - eye[1]) * 1.2) / (0.4 * distance)
        drawn[np.abs(ring - 1) < 0.06] = (30, 25, 20)
    middle = (at[468] + at[473]) / 2
    bar = (np.abs(x - middle[0]) < 0.12 * distance) & (np.abs(y - middle[1]) < 0.025 * distance)
    drawn[bar] = (30, 25, 20)
    assert glasses(photo.crop, at) < 0.3 < 0.7 < glasses(drawn, at)


def test_a_mask_counts_as_covering(photo: Photo) -> None:
    M, points = photo.crop_from_image, mean_face()[0]
    at = photo.landmarks @ M[:2, :2].T + M[:2, 2]
    masked = photo.crop.copy()
    masked[int(at[4, 1]) :] = (150, 190, 215)
    assert occlusion(masked, at, points) > 0.3 > occlusion(photo.crop, at, points)


def test_first_use_is_silent() -> None:
    """Mediapipe's start-up noise reaches neither stream, in a fresh process with warnings on."""
    code = (
        "import skimage.data; from portraiture.photo.align import align; "
        "align(skimage.data.astronaut())"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error::UserWarning:portraiture", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert run.stdout == "" and run.stderr == ""

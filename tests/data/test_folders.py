"""Folders of images: order, mirroring and refusals."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_pairs import draw_pairs, drawn_pair

from portraiture.camera import EG3D_FOCAL, from_eg3d, look_at, project, to_eg3d
from portraiture.data.folders import mirrored, open_folder
from portraiture.errors import PhotoError, TrainingError
from portraiture.media import write_image
from portraiture.types import Camera

SIDE = 16


def _camera(x: float) -> np.ndarray:
    intrinsics = np.array([[EG3D_FOCAL, 0.1, 0.47], [0.0, EG3D_FOCAL, 0.52], [0.0, 0.0, 1.0]])
    pose = look_at(np.array([x, 0.2, 2.6]), np.array([0.0, 0.0, 0.2]), roll=0.1)
    return to_eg3d(Camera(pose, intrinsics))


def _folder(path: Path, count: int = 5, side: int = SIDE) -> Path:
    """Image k has k in its first pixel and is black elsewhere."""
    (path / "sub").mkdir(parents=True)
    labels = []
    for k in range(count):
        pixels = np.zeros((side, side, 3), np.uint8)
        pixels[0, 0] = k
        write_image(path / "sub" / f"{k}.png", pixels)
        labels.append([f"sub/{k}.png", _camera(0.1 * k).tolist()])
    (path / "dataset.json").write_text(json.dumps({"labels": labels}))
    return path


def _which(images: torch.Tensor) -> list[int]:
    return [round(float(v)) for v in (images[:, 0, 0, 0] + 1) * 127.5]


def test_every_image_once_an_epoch_with_its_camera(tmp_path: Path) -> None:
    data = open_folder(_folder(tmp_path), size=SIDE, seed=3)
    seen: list[int] = []
    for number in range(5):
        images, cameras = data.batch(number, 2, torch.Generator())
        assert images.shape == (2, 3, SIDE, SIDE) and images.dtype == cameras.dtype == torch.float32
        for k, camera in zip(_which(images), cameras.numpy(), strict=True):
            assert np.allclose(camera, _camera(0.1 * k), atol=1e-6)
            seen.append(k)
    assert Counter(seen[:5]) == Counter(range(5)) == Counter(seen[5:]) and seen[:5] != seen[5:]


def test_batches_depend_on_their_number_alone(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    data = open_folder(folder, size=SIDE, seed=3, mirror=True)
    late, _ = data.batch(4, 3, torch.Generator().manual_seed(1))
    again = open_folder(folder, size=SIDE, seed=3, mirror=True)
    assert torch.equal(again.batch(4, 3, torch.Generator().manual_seed(1))[0], late)
    other = open_folder(folder, size=SIDE, seed=4)
    orders = [_which(d.batch(0, 5, torch.Generator())[0]) for d in (data, other)]
    assert orders[0] != orders[1]


def test_mirrored_cameras_see_the_mirrored_world_flipped() -> None:
    points = np.random.default_rng(0).normal(size=(6, 3)) * 0.2
    camera = _camera(0.5)
    there = project(points, from_eg3d(camera), (100, 100))
    flipped = project(points * [-1, 1, 1], from_eg3d(mirrored(camera)), (100, 100))
    assert np.allclose(flipped, there * [-1, 1, 1] + [100, 0, 0])
    pose = mirrored(camera)[:16].reshape(4, 4)[:3, :3]
    assert np.isclose(np.linalg.det(pose), 1.0)
    assert np.allclose(mirrored(mirrored(camera)), camera)


def test_mirroring_flips_image_and_camera_together(tmp_path: Path) -> None:
    data = open_folder(_folder(tmp_path, count=1), size=SIDE, mirror=True)
    corner = {False: 0, True: 0}
    (tmp_path / "sub" / "0.png").unlink()
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[0, 0] = 255
    write_image(tmp_path / "sub" / "0.png", pixels)
    images, cameras = data.batch(0, 32, torch.Generator().manual_seed(0))
    for image, camera in zip(images, cameras.numpy(), strict=True):
        flips = bool(image[0, 0, -1] > 0)
        assert flips != bool(image[0, 0, 0] > 0)
        expected = mirrored(_camera(0.0)) if flips else _camera(0.0)
        assert np.allclose(camera, expected, atol=1e-6)
        corner[flips] += 1
    assert min(corner.values()) > 8


def test_images_are_brought_to_the_size_and_cameras_may_be_absent(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.full((48, 48, 3), 255, np.uint8))
    data = open_folder(tmp_path, size=SIDE, cameras=False)
    images, cameras = data.batch(0, 2, torch.Generator())
    assert torch.equal(images, torch.ones(2, 3, SIDE, SIDE)) and not cameras.any()


def test_refusals_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a folder"):
        open_folder(tmp_path / "none", size=SIDE)
    with pytest.raises(TrainingError, match=r"no dataset\.json"):
        open_folder(tmp_path, size=SIDE)
    with pytest.raises(TrainingError, match="no images"):
        open_folder(tmp_path, size=SIDE, cameras=False)
    listing = tmp_path / "dataset.json"
    for text in ("{", "[]", '{"labels": 3}', '{"labels": ["ab", 3]}'):
        listing.write_text(text)
        with pytest.raises(TrainingError, match="EG3D's list"):
            open_folder(tmp_path, size=SIDE)
    for camera in ([1.0] * 24, None, [float("nan")] * 25, ["x"] * 25):
        listing.write_text(json.dumps({"labels": [["a.png", camera]]}))
        with pytest.raises(TrainingError, match="not 25 numbers"):
            open_folder(tmp_path, size=SIDE)
    for name in ("a.png", "../a.png", "/etc/hostname"):
        listing.write_text(json.dumps({"labels": [[name, [1.0] * 25]]}))
        with pytest.raises(TrainingError, match="not in that folder"):
            open_folder(tmp_path, size=SIDE)


def test_oblong_and_damaged_images_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((20, 30, 3), np.uint8))
    data = open_folder(tmp_path, size=SIDE, cameras=False)
    with pytest.raises(TrainingError, match="30 by 20"):
        data.batch(0, 1, torch.Generator())
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(PhotoError):
        data.batch(0, 1, torch.Generator())


def test_pairs_give_their_normalised_renders_without_cameras(tmp_path: Path) -> None:
    draw_pairs(tmp_path, 3, 32)
    data = open_folder(tmp_path, size=32, cameras=False)
    assert len(data) == 3 and not data.cameras.any()
    assert np.array_equal(data.image(1), drawn_pair(1, 32).rgb[0])
    with pytest.raises(TrainingError, match=r"dataset\.json"):
        open_folder(tmp_path, size=32)

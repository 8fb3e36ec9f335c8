"""Labelled photos: what is written comes back, other files are refused, rare looks come often."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from portraiture.data.face_set import FaceSet
from portraiture.data.labelled_photos import (
    UNKNOWN,
    LabelledPhoto,
    _chances,
    labelled_faces,
    load_labelled,
    save_labelled,
)
from portraiture.errors import TrainingError
from portraiture.perception.looks import NAMES

SIDE = 48


def _photo(seed: int) -> LabelledPhoto:
    """Smooth colours, and labels of noise."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0.0, 1.0, SIDE)
    image = ramp[:, None, None] * rng.random(3) + ramp[None, :, None] * rng.random(3)
    return LabelledPhoto(
        (image * 127).astype(np.uint8),
        rng.choice([*range(19), UNKNOWN], (SIDE, SIDE)).astype(np.uint8),
        rng.random(3).astype(np.float32),
        rng.integers(-1, 2, len(NAMES)).astype(np.int8),
    )


def test_photos_come_back(tmp_path: Path) -> None:
    photos = [_photo(k) for k in range(3)]
    assert save_labelled(iter(photos), tmp_path / "a.safetensors") == 3
    found = load_labelled(tmp_path / "a.safetensors")
    assert len(found) == 3
    for k, photo in enumerate(photos):
        image = found.images[k].permute(1, 2, 0).numpy().astype(float)
        assert np.abs(image - photo.image).mean() < 2.0
        assert np.array_equal(found.labels[k].numpy(), photo.labels)
        assert np.array_equal(found.frames[k].numpy(), photo.frame)
        assert np.array_equal(found.looks[k].numpy(), photo.looks)
    assert (found.alpha == 255).all()
    assert found.alpha.shape == (3, 1, SIDE, SIDE)
    moved = found.to(torch.device("cpu"))
    assert torch.equal(moved.labels, found.labels)
    assert torch.equal(moved.chance, found.chance)


def test_nothing_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no labelled pictures"):
        save_labelled([], tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "change", ["junk", "cut", "missing", "fewer", "picture", "segment", "look", "columns", "nan"]
)
def test_other_files_are_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.safetensors"
    photo = _photo(0)
    if change == "segment":
        photo.labels[0, 0] = 19
    if change == "look":
        photo.looks[NAMES.index("sex")] = 2
    save_labelled([photo, _photo(1)], path)
    tensors = load_file(path)
    match change:
        case "missing":
            del tensors["frames"]
        case "fewer":
            tensors["frames"] = tensors["frames"][:1]
        case "picture":
            tensors["images"][:8] = 0
        case "columns":
            tensors["looks"] = tensors["looks"][:, :-1].contiguous()
        case "nan":
            tensors["frames"][1, 2] = float("nan")
    save_file(tensors, path)
    match change:
        case "junk":
            path.write_bytes(b"junk")
        case "cut":
            path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainingError, match=r"tools/label_portraits\.py"):
        load_labelled(path)
    with pytest.raises(TrainingError):
        load_labelled(tmp_path / "none.safetensors")


def test_seldom_looks_are_drawn_more_often() -> None:
    looks = torch.full((109, 2), -1, dtype=torch.int8)
    looks[:100, 0] = 0
    looks[100:104, 0] = 1  # 25 times rarer: 5 times as often
    looks[104, 0] = 2  # 100 times rarer, at most 8 times as often
    looks[0, 1], looks[1:5, 1], looks[104, 1] = 1, 0, 1  # 2 and 4
    chance = _chances(looks)
    expected = torch.ones(109)
    expected[100:104], expected[104], expected[0] = 5.0, 8.0, 2.0**0.5
    assert torch.allclose(chance, expected)


def test_faces_come_person_by_person() -> None:
    images = np.arange(6, dtype=np.uint8).reshape(3, 2, 1, 1, 1) * np.ones(
        (3, 2, 4, 4, 3), np.uint8
    )
    images[..., 0, 3, 2] = 200
    faces = FaceSet(images, images[..., 0] + 10, images[..., 1] + 5)
    found = labelled_faces(faces)
    assert found.images.shape == (6, 3, 4, 4)
    assert found.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert (found.images[:, 2, 0, 3] == 200).all()
    assert found.alpha[:, 0, 1, 1].tolist() == [10, 11, 12, 13, 14, 15]
    assert found.labels[:, 2, 2].tolist() == [5, 6, 7, 8, 9, 10]
    assert found.frames.tolist() == [[0.5, 0.5, 1.0]] * 6
    assert found.looks.shape == (6, len(NAMES))
    assert (found.looks == -1).all()

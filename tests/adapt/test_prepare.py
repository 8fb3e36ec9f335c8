"""Preparing images: what shows a face is kept in order, what does not is named; all or nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from adapt_cases import generator_file
from people_cases import sphere_person
from PIL import Image

import portraiture.adapt.prepare as prepare
from portraiture.adapt.cameras import Cameras
from portraiture.adapt.images import is_prepared, open_style_images
from portraiture.adapt.prepare import prepare_images, truth_of_people
from portraiture.errors import AdaptError, OutputError, TrainingError
from portraiture.people.people_file import person_path, save_person


@pytest.fixture
def detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bright images show a face, dark ones none; the cameras tell how many keypoints came."""

    def face(image: np.ndarray) -> np.ndarray | None:
        return np.full((478, 2), float(len(image)) / 2) if image.mean() > 100 else None

    def cameras(generator: object, seen: list[object], *, asked: int) -> Cameras:
        assert asked >= len(seen)
        return Cameras(tuple((0.01 * k, 0.0) for k in range(len(seen))))

    monkeypatch.setattr(prepare, "detect_face", face)
    monkeypatch.setattr(prepare, "cameras_of_keypoints", cameras)


@pytest.mark.usefixtures("detected")
def test_images_with_faces_are_kept_in_order(tmp_path: Path) -> None:
    start, folder = generator_file(tmp_path), tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for name, grey, size in (("a.png", 200, 64), ("b.png", 20, 64), ("deep/c.jpg", 150, 200)):
        Image.new("RGB", (size, size), (grey,) * 3).save(folder / name)
    Image.new("RGB", (64, 40), (200,) * 3).save(folder / "wide.png")
    (folder / "note.txt").write_text("no image")
    made = prepare_images(folder, tmp_path / "out", network=start, crops=True)
    assert made.images == 2 and set(made.refused) == {"b.png", "wide.png"}
    assert is_prepared(tmp_path / "out") and not is_prepared(folder)
    data = open_style_images(tmp_path / "out", size=128, mirror=False)
    greys = [float(data.images.image(k).mean()) for k in range(2)]
    assert abs(greys[0] - 200) < 3 and abs(greys[1] - 150) < 3
    assert data.cameras.angles == ((0.0, 0.0), (0.01, 0.0))
    with pytest.raises(OutputError):
        prepare_images(folder, tmp_path / "out", network=start, crops=True)


@pytest.mark.usefixtures("detected")
def test_only_the_images_of_people_are_used(tmp_path: Path) -> None:
    start, folder = generator_file(tmp_path), tmp_path / "people"
    folder.mkdir()
    save_person(sphere_person(seed=0), person_path(folder, 0))
    with pytest.raises(AdaptError, match="--crops"):
        prepare_images(folder, tmp_path / "out", network=start)
    made = prepare_images(folder, tmp_path / "out", network=start, crops=True)
    assert made.images == 2
    truth = truth_of_people(folder)
    np.testing.assert_allclose(truth, [[0.0, 0.0], [0.6, 0.1]], atol=1e-5)


def test_folders_without_portraits_are_refused(tmp_path: Path) -> None:
    start, folder = generator_file(tmp_path), tmp_path / "in"
    folder.mkdir()
    with pytest.raises(AdaptError, match="no images"):
        prepare_images(folder, tmp_path / "out", network=start)
    Image.new("RGB", (64, 64), (90, 120, 90)).save(folder / "a.png")
    with pytest.raises(TrainingError):
        prepare_images(folder, tmp_path / "out", network=start, crops=True)
    assert not (tmp_path / "out").exists()

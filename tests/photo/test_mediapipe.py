"""The converted networks answer what mediapipe itself answered on views of the demo photo."""

from __future__ import annotations

import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from numpy import ndarray
from safetensors import safe_open

from portraiture.photo.detect import Reach, detect_faces
from portraiture.photo.graph import ASSETS
from portraiture.photo.mesh import face_landmarks
from portraiture.photo.person import person_mask
from portraiture.photo.threads import one_thread

TOOLS = Path(__file__).parents[2] / "tools"
RECORDED = np.load(Path(__file__).parent / "mediapipe.npz")
VIEWS = sorted({name.partition(".")[0] for name in RECORDED.files})


@pytest.fixture(scope="module")
def views() -> dict[str, ndarray]:
    return runpy.run_path(str(TOOLS / "record_mediapipe.py"))["views"](skimage.data.astronaut())


def eye_distance(faces: ndarray) -> ndarray:
    return np.linalg.norm(faces[:, 468, :2] - faces[:, 473, :2], axis=1)[:, None, None]


@pytest.mark.parametrize("name", VIEWS)
def test_landmarks(views: dict[str, ndarray], name: str) -> None:
    theirs = RECORDED[f"{name}.mesh"]
    assert len(theirs) == {"two": 2, "none": 0}.get(name, 1)
    ours = np.array(face_landmarks(views[name], 10)).reshape(-1, 478, 3)
    assert ours.shape == theirs.shape
    if name == "none":
        return
    error = np.abs(ours - theirs) / eye_distance(theirs)
    assert np.median(error) < 1e-3
    assert error.max() < 5e-3


@pytest.mark.parametrize("reach", ["short", "full"])
@pytest.mark.parametrize("name", VIEWS)
def test_detections(views: dict[str, ndarray], name: str, reach: Reach) -> None:
    theirs = RECORDED[f"{name}.{reach}"]
    ours = detect_faces(views[name], reach=reach)
    assert len(ours) == len(theirs)
    for one, row in zip(ours, theirs, strict=True):
        assert one.score == pytest.approx(row[0], abs=0.01)
        width = row[3] - row[1]
        assert np.abs(one.box - row[1:5]).max() < 0.005 * width
        assert np.abs(one.points.ravel() - row[5:]).max() < 0.005 * width


@pytest.mark.parametrize("name", VIEWS)
def test_person(views: dict[str, ndarray], name: str) -> None:
    mask = person_mask(views[name])
    assert mask.shape == views[name].shape[:2]
    error = np.abs(mask[::16, ::16] - RECORDED[f"{name}.person"])
    assert np.median(error) < 1e-3
    assert np.quantile(error, 0.99) < 0.05


def test_threads_share_the_networks(views: dict[str, ndarray]) -> None:
    alone = [face_landmarks(views[name], 10) for name in VIEWS]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda name: face_landmarks(views[name], 10), VIEWS * 3))
    for number, faces in enumerate(together):
        for face, expected in zip(faces, alone[number % len(VIEWS)], strict=True):
            assert np.allclose(face, expected, atol=0.02)  # convolutions round by their threads


def test_the_calling_thread_works_alone_and_others_keep_theirs() -> None:
    before = torch.get_num_threads()
    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(torch.get_num_threads).result()
        with one_thread():
            assert torch.get_num_threads() == 1
            assert pool.submit(torch.get_num_threads).result() == others
    assert torch.get_num_threads() == before


def test_no_more_faces_than_asked_for(views: dict[str, ndarray]) -> None:
    assert len(face_landmarks(views["two"], 1)) == 1


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("mediapipe"), reason="needs the extra convert-landmarks")
def test_the_record_is_what_mediapipe_answers(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(TOOLS / "record_mediapipe.py"),
        "--out",
        str(tmp_path / "new.npz"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    new = np.load(tmp_path / "new.npz")
    assert sorted(new.files) == sorted(RECORDED.files)
    for name in new.files:
        assert np.allclose(new[name], RECORDED[name], atol=0.02), name


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("mediapipe"), reason="needs the extra convert-landmarks")
def test_the_networks_are_what_the_conversion_gives(tmp_path: Path) -> None:
    command = [sys.executable, str(TOOLS / "convert_landmarks.py"), "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    for path in sorted(ASSETS.glob("*.safetensors")):
        with safe_open(tmp_path / path.name, "np") as new, safe_open(path, "np") as shipped:
            assert new.metadata() == shipped.metadata()
            assert set(new.keys()) == set(shipped.keys())
            for name in new.keys():  # noqa: SIM118
                assert np.array_equal(new.get_tensor(name), shipped.get_tensor(name)), name

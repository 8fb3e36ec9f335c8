"""Synthetic people: the same by seed, whole or not at all, and true."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from recorded_progress import RecordedProgress

from portraiture.camera import eg3d_orbit, from_eg3d, project
from portraiture.data.folders import open_folder
from portraiture.engine.actions import ACTIONS
from portraiture.engine.build import build_bust
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.sample import sample_parameters
from portraiture.errors import DataError
from portraiture.people import synth_folder
from portraiture.people.backgrounds import sample_background
from portraiture.people.synth_folder import read_person, synth
from portraiture.people.synthetic import (
    SynthConfig,
    SynthPerson,
    as_annotated,
    over,
    sample_expression,
    synth_person,
)
from portraiture.people.views import head_frame, ray_lengths, render_view
from portraiture.types import Segment

CONFIG = SynthConfig(seed=5, views=3, size=48, supersample=1)


@pytest.fixture(scope="module")
def person() -> SynthPerson:
    return synth_person(CONFIG, 2)


def test_backgrounds_are_repeatable_varied_and_in_range() -> None:
    many = [sample_background(np.random.default_rng(k), 24) for k in range(40)]
    assert np.array_equal(many[3], sample_background(np.random.default_rng(3), 24))
    assert all(p.shape == (24, 24, 3) and p.dtype == np.float32 for p in many)
    assert min(p.min() for p in many) >= 0 and max(p.max() for p in many) <= 1
    assert np.std([p.mean() for p in many]) > 0.1
    assert np.mean([p.std(axis=(0, 1)).mean() > 0.02 for p in many]) > 0.6


def test_over_is_straight_alpha() -> None:
    rgba = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], np.uint8)
    image = over(rgba, np.full((1, 3, 3), 0.5, np.float32))
    np.testing.assert_array_equal(image[0], [[200, 100, 0], [128, 128, 128], [142, 122, 102]])


def test_expressions_are_arkit_weights_of_both_sides() -> None:
    many = [sample_expression(np.random.default_rng(k)) for k in range(60)]
    assert all(set(e) <= set(ACTIONS) and all(0 < w <= 1 for w in e.values()) for e in many)
    gaze = [e for e in many if "eyeLookOutLeft" in e]
    assert gaze and all("eyeLookInRight" in e and "eyeLookOutRight" not in e for e in gaze)
    assert np.mean([e.get("mouthSmileLeft", 0) > 0.2 for e in many]) > 0.15


def test_a_person_depends_on_seed_and_index_alone(person: SynthPerson) -> None:
    again = synth_person(CONFIG, 2)
    assert person.parameters == again.parameters
    for a, b in zip(person.views, again.views, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        assert a.expression == b.expression and a.yaw == b.yaw
    assert person.views[0].expression == person.views[1].expression
    assert person.views[0].expression != person.views[2].expression


def test_views_agree_with_their_cameras(person: SynthPerson) -> None:
    """The tip of the nose, moved out of the image by its depth, is one point in all views with
    the same expression."""
    found = []
    for view in person.views[:2]:
        camera, nose = from_eg3d(view.truth.camera), view.truth.landmarks[4]
        x, y = nose.astype(int)
        along = ray_lengths(camera, CONFIG.size)[y, x]
        K = camera.intrinsics
        ray = np.array([(nose[0] / 48 - K[0, 2]) / K[0, 0], (nose[1] / 48 - K[1, 2]) / K[1, 1], 1])
        point = ray * view.truth.depth[y, x] / along
        found.append(camera.T_world_cam[:3, :3] @ point + camera.T_world_cam[:3, 3])
        again = project(found[-1][None], camera, (48, 48))[0, :2]
        np.testing.assert_allclose(again, nose, atol=1e-3)
    np.testing.assert_allclose(found[0], found[1], atol=0.06)


def test_scalp_counts_as_hair_and_beards_as_skin() -> None:
    parameters = replace(
        sample_parameters(3), sex=0.1, hair_style="buzz", hat_style="none", beard_style="full_beard"
    )
    bust = build_bust(parameters, texture_size=256)
    labelled = as_annotated(bust, parameters)
    assert (labelled.part("beard").segment == Segment.SKIN).all()
    frame, camera = head_frame(bust.landmarks), eg3d_orbit(0.6, 0.1)
    before, after = (
        render_view(b, frame, camera, size=64, supersample=1).segmentation for b in (bust, labelled)
    )
    hair = (before == Segment.SKIN) & (after == Segment.HAIR)
    beard = (before == Segment.HAIR) & (after == Segment.SKIN)
    assert ((before == after) | hair | beard).all()
    assert hair.mean() > 0.02 and beard.mean() > 0.02
    assert np.argwhere(hair)[:, 0].mean() < 26 and np.argwhere(beard)[:, 0].mean() > 32


@pytest.fixture
def quick(person: SynthPerson, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rendering replaced by one person; the indices that were asked for."""
    asked: list[int] = []

    def fake(config: SynthConfig, index: int) -> SynthPerson:
        asked.append(index)
        return person

    monkeypatch.setattr(synth_folder, "synth_person", fake)
    return asked


def test_folder_reads_back(tmp_path: Path, person: SynthPerson, quick: list[int]) -> None:
    assert synth(tmp_path / "out", CONFIG, 2) == 2
    out, view = tmp_path / "out", person.views[1]
    np.testing.assert_array_equal(np.asarray(Image.open(out / "images/00001_1.png")), view.image)
    steps = np.asarray(Image.open(out / "depth/00001_1.png"), np.float32)
    depth = steps / synth_folder.DEPTH_STEPS
    np.testing.assert_allclose(depth, view.truth.depth, atol=0.6 / synth_folder.DEPTH_STEPS)
    files = read_person(out, 1)
    np.testing.assert_array_equal(files.segmentation[1], view.truth.segmentation)
    np.testing.assert_array_equal(files.landmarks[1], view.truth.landmarks)
    assert AvatarParameters.from_dict(files.parameters) == person.parameters
    record = json.loads((out / "people/00001.json").read_text())
    assert record["views"][1]["expression"] == dict(view.expression)


def test_eg3d_list_is_what_training_reads(
    tmp_path: Path, person: SynthPerson, quick: list[int]
) -> None:
    synth(tmp_path, CONFIG, 2)
    data = open_folder(tmp_path, size=48)
    assert len(data) == 6 and data.names[4] == "images/00001_1.png"
    np.testing.assert_allclose(data.cameras[4], person.views[1].truth.camera)
    images, cameras = data.batch(0, 3, torch.Generator().manual_seed(0))
    assert images.shape == (3, 3, 48, 48) and cameras.shape == (3, 25)
    assert len(open_folder(tmp_path / "images", size=48, cameras=False)) == 6


def test_goes_on_where_it_stopped(tmp_path: Path, quick: list[int]) -> None:
    synth(tmp_path, CONFIG, 2)
    (tmp_path / "people/00000.json").unlink()  # as if killed before the last file
    told = RecordedProgress()
    assert synth(tmp_path, CONFIG, 3, progress=told) == 3
    assert quick == [0, 1, 0, 2] and told.steps == {"Render people": 3}
    assert not list(tmp_path.rglob("*partial*"))


def test_what_is_complete_is_listed_after_an_interrupt(
    tmp_path: Path, person: SynthPerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake(config: SynthConfig, index: int) -> SynthPerson:
        if index == 1:
            raise KeyboardInterrupt
        return person

    monkeypatch.setattr(synth_folder, "synth_person", fake)
    with pytest.raises(KeyboardInterrupt):
        synth(tmp_path, CONFIG, 3)
    assert len(json.loads((tmp_path / "dataset.json").read_text())["labels"]) == 3


def test_refusals(tmp_path: Path, quick: list[int]) -> None:
    synth(tmp_path, CONFIG, 1)
    with pytest.raises(DataError, match="other settings"):
        synth(tmp_path, SynthConfig(seed=6, views=3, size=48), 1)
    with pytest.raises(DataError, match="People must be"):
        synth(tmp_path, CONFIG, 0)
    with pytest.raises(DataError, match="from 32 to 2048"):
        SynthConfig(size=8)
    (tmp_path / "people/00000.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        read_person(tmp_path, 0)

"""Scenes from normal numbers, and people that are photographed so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from people_cases import sphere_person

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.data.folders import open_folder
from portraiture.errors import TrainingError
from portraiture.people.latent import LATENT_SIZE, sample_latents
from portraiture.people.people import make_people
from portraiture.people.people_file import load_person, person_path, save_person
from portraiture.people.people_set import PeopleSet
from portraiture.people.scene import (
    CONTRAST,
    IMAGE_LATENT_SIZE,
    SCENE_NUMBERS,
    SCENE_SIZE,
    scene_from_numbers,
)


def test_zeros_are_a_frontal_image_lit_from_above() -> None:
    scene = scene_from_numbers(np.zeros(SCENE_SIZE))
    assert scene.yaw == scene.pitch == 0.0
    assert scene.light.key_direction == pytest.approx(
        [0.0, np.sin(np.radians(25)), np.cos(np.radians(25))]
    )


@pytest.mark.parametrize("number", range(SCENE_SIZE))
def test_each_number_moves_its_own_thing(number: int) -> None:
    """…and says nothing beyond its limit."""
    numbers = np.zeros(SCENE_SIZE)
    numbers[number] = 1.0
    before, after = scene_from_numbers(np.zeros(SCENE_SIZE)), scene_from_numbers(numbers)
    turned = np.abs(after.light.key_direction - before.light.key_direction).max() > 0.1
    key = after.light.key_color.sum() / before.light.key_color.sum()
    sky = after.light.ambient[0].sum() / before.light.ambient[0].sum()
    changed = {
        "yaw": after.yaw != before.yaw,
        "pitch": after.pitch != before.pitch,
        "light_side": turned and after.light.key_direction[0] > 0.1,
        "light_height": turned and after.light.key_direction[1] > 0.55,
        "contrast": key > 1.1 and sky < 1.0,
        "exposure": key > 1.1 and sky > 1.1,
    }  # fmt: skip
    assert [name for name, yes in changed.items() if yes] == [SCENE_NUMBERS[number]]
    far, farther = (scene_from_numbers(numbers * size) for size in (3.0, 9.0))
    assert far.yaw == farther.yaw
    assert (far.light.ambient == farther.light.ambient).all()


def test_the_contrast_is_a_uniform_quantile() -> None:
    share = []
    for number in (-0.6745, 0.6745):
        light = scene_from_numbers(np.array([0.0, 0.0, 0.0, 0.0, number, 0.0])).light
        key = light.key_color[1]
        sky = light.ambient[0, 1] * 0.28209479177387814  # mean radiance of the sky
        share.append(key / (key + sky / 0.85))
    low, high = CONTRAST
    assert share == pytest.approx([low + (high - low) / 4, low + (high - low) * 3 / 4], abs=0.01)


def test_numbers_that_are_no_scene_are_refused() -> None:
    for numbers in (np.zeros(SCENE_SIZE - 1), np.full(SCENE_SIZE, np.nan)):
        with pytest.raises(ValueError, match="finite"):
            scene_from_numbers(numbers)


def test_people_of_scenes_are_photographed_as_their_numbers_say(tmp_path: Path) -> None:
    make_people(tmp_path, range(1), seed=4, views=2, size=32, supersample=1, scenes=True)
    person = load_person(person_path(tmp_path, 0))
    assert (person.z == sample_latents(1, 4)[0]).all()
    assert person.scenes is not None and person.scenes.shape == (2, SCENE_SIZE)
    for view, numbers in enumerate(person.scenes):
        scene = scene_from_numbers(numbers)
        camera = to_eg3d(eg3d_orbit(scene.yaw, scene.pitch))
        assert np.abs(person.cameras[view] - camera).max() < 1e-6
    people = PeopleSet(tmp_path)
    assert (people.latent_size, people.side) == (IMAGE_LATENT_SIZE, 32)
    z = people.example(0, 1).z[0]
    assert torch.equal(z[:LATENT_SIZE], torch.from_numpy(person.z))
    assert torch.equal(z[LATENT_SIZE:], torch.from_numpy(person.scenes[1]))


def test_scenes_have_nothing_to_do_with_the_person(tmp_path: Path) -> None:
    """Not even those of the first person of the first seed."""
    make_people(tmp_path, range(1), seed=0, views=1, size=32, supersample=1, scenes=True)
    person = load_person(person_path(tmp_path, 0))
    assert person.scenes is not None
    assert not np.isin(person.scenes, person.z).any()


def test_a_folder_of_two_kinds_is_refused(tmp_path: Path) -> None:
    save_person(sphere_person(seed=0), person_path(tmp_path, 0))
    (tmp_path / "dataset.json").write_text('{"labels": []}')
    with pytest.raises(TrainingError, match="both"):
        open_folder(tmp_path, size=32)


def test_people_serve_as_a_folder_of_images(tmp_path: Path) -> None:
    for index in range(2):
        save_person(sphere_person(seed=index), person_path(tmp_path, index))
    data = open_folder(tmp_path, size=32)
    assert data.names[3] == "person_00001.npz/1"
    person = sphere_person(seed=1)
    assert (data.image(3) == person.rgb[1]).all()
    assert np.abs(data.cameras[3] - person.cameras[1]).max() < 1e-6
    assert open_folder(tmp_path, size=16, cameras=False).image(0).shape == (16, 16, 3)

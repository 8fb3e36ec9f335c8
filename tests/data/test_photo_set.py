"""Photos of known people: who is in them, before what, and how large."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from encoder_cases import folder_of_people

from portraiture.data.distort import background_pool
from portraiture.data.photo_set import TAKEN, PhotoSet
from portraiture.people.people_set import PeopleSet
from portraiture.train.rng import generator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three people whose pictures are 32 pixels a side."""
    return folder_of_people(tmp_path)


def test_photos_are_of_the_people_before_other_backgrounds(folder: Path) -> None:
    people = PeopleSet(folder / "people")
    plain = replace(
        TAKEN, size=32, zoom=(1.0, 1.0), shift=0.0, turn=0.0, light=0.0, colour=0.0, occlude=0.0,
        blur=0.0, grain=0.0, jpeg=0.0,
    )  # fmt: skip
    black = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    photos = PhotoSet(people, black, plain)
    batch = photos.sample(3, generator(5))
    assert batch.photo.shape == (3, 3, 32, 32)
    corners = batch.photo[:, :, 0, 0]
    assert torch.allclose(corners, torch.full_like(corners, -1.0), atol=0.02)
    drawn = {tuple(z.tolist()) for z in batch.truth.z}
    assert drawn == {tuple(people.person(k).z.tolist()) for k in range(3)}
    middle = batch.photo[:, :, 14:18, 14:18].mean((2, 3))
    assert ((middle > -0.9).any(1)).all()
    again = photos.sample(3, generator(5))
    assert torch.equal(again.photo, batch.photo)


def test_a_photo_may_be_smaller_than_the_pictures(folder: Path) -> None:
    people = PeopleSet(folder / "people")
    photos = PhotoSet(people, background_pool(2, 16, 0), replace(TAKEN, size=16))
    assert photos.sample(2, generator(1)).photo.shape == (2, 3, 16, 16)

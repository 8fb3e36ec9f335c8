"""People on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests_of_data import sphere_person

from portraiture.data.people import (
    DEPTH_RANGE,
    load_person,
    make_people,
    person_path,
    save_person,
    view_angles,
)
from portraiture.data.people_set import PeopleSet


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    person = sphere_person(seed=1)
    save_person(person, tmp_path / "p.npz")
    back = load_person(tmp_path / "p.npz")
    assert (back.rgb == person.rgb).all()
    assert (back.z == person.z).all()
    assert ((back.depth > 0) == (person.depth > 0)).all()
    assert np.abs(back.depth - person.depth).max() < DEPTH_RANGE / 65534


def test_views_differ_and_depend_on_the_seed_alone() -> None:
    assert (view_angles(6, 3) == view_angles(6, 3)).all()
    yaw = view_angles(400, 3)[:, 0]
    assert abs(yaw[::4]).max() < 0.3
    assert yaw.min() < -1.0
    assert yaw.max() > 1.0


def test_a_folder_goes_on_where_it_stopped(tmp_path: Path) -> None:
    made: list[int] = []
    make_people(tmp_path, range(1), seed=4, views=1, size=32, supersample=1, done=made.append)
    first = person_path(tmp_path, 0).stat().st_mtime_ns
    make_people(tmp_path, range(1), seed=4, views=1, size=32, supersample=1, done=made.append)
    assert made == [0, 0]
    assert person_path(tmp_path, 0).stat().st_mtime_ns == first
    assert len(list(tmp_path.iterdir())) == 1


def test_examples_have_one_depth_a_neural_pixel(tmp_path: Path) -> None:
    for index in range(3):
        save_person(sphere_person(seed=index), person_path(tmp_path, index))
    example = PeopleSet(tmp_path).example(1, 0)
    depth, solid = example.depth[0, 0].numpy(), example.solid[0, 0].numpy() > 0
    person = sphere_person(seed=1)
    four = person.depth[0].reshape(16, 2, 16, 2).swapaxes(1, 2).reshape(16, 16, 4)
    assert solid.sum() > 20
    assert np.allclose(depth[solid], four.mean(-1)[solid], atol=1e-4)
    assert (depth[(four == 0).all(-1)] == 0).all()
    assert not solid[(four == 0).any(-1)].any()

"""People on disk."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from people_cases import sphere_person
from recorded_progress import RecordedProgress

from portraiture.errors import DataError
from portraiture.people.people import make_people, view_angles
from portraiture.people.people_file import (
    DEPTH_RANGE,
    load_person,
    open_person,
    person_path,
    read_arrays,
    save_person,
)
from portraiture.people.people_set import PeopleSet


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
    made = RecordedProgress()
    make_people(tmp_path, range(1), seed=4, views=1, size=32, supersample=1, progress=made)
    first = person_path(tmp_path, 0).stat().st_mtime_ns
    make_people(tmp_path, range(1), seed=4, views=1, size=32, supersample=1, progress=made)
    assert made.stages == [("Render people", 1)] * 2 and made.steps == {"Render people": 2}
    assert person_path(tmp_path, 0).stat().st_mtime_ns == first
    assert {path.name for path in tmp_path.iterdir()} == {"people.json", "person_00000.npz"}


@pytest.mark.slow
def test_people_are_the_same_however_many_workers_there_are(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"seed": 4, "views": 1, "size": 48, "supersample": 1}
    told = RecordedProgress()
    make_people(tmp_path / "one", range(2), **settings)
    make_people(tmp_path / "two", range(2), **settings, workers=2, progress=told)
    assert told.steps == {"Render people": 2}
    for index in range(2):
        one, two = (load_person(person_path(tmp_path / x, index)) for x in ("one", "two"))
        for name in ("z", "rgb", "alpha", "depth", "segmentation", "landmarks"):
            assert np.array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize(
    "other",
    [{"seed": 5}, {"views": 2}, {"size": 64}, {"scenes": True}],
    ids=lambda x: next(iter(x)),
)
def test_a_folder_holds_people_of_one_kind(tmp_path: Path, other: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"seed": 4, "views": 1, "size": 32}
    make_people(tmp_path, [], **settings)
    make_people(tmp_path, [], **settings)
    with pytest.raises(DataError, match="other settings"):
        make_people(tmp_path, [], **(settings | other))


def _repacked(path: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    change(arrays)
    with path.open("wb") as file:
        np.savez(file, **arrays)


DAMAGES: dict[str, Callable[[dict[str, np.ndarray]], Any]] = {
    "missing": lambda a: a.pop("alpha"),
    "type": lambda a: a.update(rgb=a["rgb"].astype(np.float32)),
    "shape": lambda a: a.update(cameras=a["cameras"][:, :24]),
    "views": lambda a: a.update(rgb=a["rgb"][:1]),
    "oblong": lambda a: a.update(alpha=a["alpha"][:, 1:]),
    "not finite": lambda a: a.update(z=np.full_like(a["z"], np.nan)),
    "columns": lambda a: a.update(points=np.asfortranarray(a["points"])),
    "objects": lambda a: a.update(z=np.array([{}])),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_people_are_refused(tmp_path: Path, damage: str) -> None:
    path = person_path(tmp_path, 0)
    save_person(sphere_person(seed=0), path)
    load_person(path)
    _repacked(path, DAMAGES[damage])
    with pytest.raises(DataError, match="person_00000"):
        load_person(path)


def test_files_that_are_cut_short_or_something_else_are_refused(tmp_path: Path) -> None:
    path = person_path(tmp_path, 0)
    save_person(sphere_person(seed=0), path)
    whole = path.read_bytes()
    for data in (b"", b"something else", whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(DataError, match="person_00000"):
            load_person(path)
    with path.open("wb") as file:
        np.savez_compressed(file, z=np.zeros(3, np.float32))
    with pytest.raises(DataError, match="compressed"):
        read_arrays(path, ["z"])


def test_a_header_that_promises_more_than_there_is_allocates_nothing(tmp_path: Path) -> None:
    path = person_path(tmp_path, 0)
    header = io.BytesIO()
    shape = (1 << 40,)
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("z.npy", header.getvalue() + b"1234")
    with pytest.raises(DataError, match="cut short"):
        read_arrays(path, ["z"])


def test_batches_may_be_larger_than_the_folder(tmp_path: Path) -> None:
    for index in range(2):
        save_person(sphere_person(seed=index), person_path(tmp_path, index))
    sampled = PeopleSet(tmp_path).sample(5, torch.Generator().manual_seed(0))
    assert sampled.image.shape[0] == 5
    assert len({tuple(z.tolist()) for z in sampled.z[:2]}) == 2


def test_a_person_of_another_size_is_named(tmp_path: Path) -> None:
    save_person(sphere_person(seed=0), person_path(tmp_path, 0))
    save_person(sphere_person(seed=1, size=64), person_path(tmp_path, 1))
    people = PeopleSet(tmp_path)
    for _ in range(2):
        with pytest.raises(DataError, match="person_00001"):
            people.sample(2, torch.Generator().manual_seed(0))


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


def test_single_views_are_those_of_the_whole_file(tmp_path: Path) -> None:
    scenes = np.random.default_rng(0).standard_normal((2, 6)).astype(np.float32)
    person = replace(sphere_person(seed=1), scenes=scenes)
    for index, one in enumerate((sphere_person(seed=0), person)):
        path = person_path(tmp_path, index)
        save_person(one, path)
        whole, file = load_person(path), open_person(path)
        assert (file.views, file.side, file.latent_size) == (2, 32, whole.latent_size)
        for view in (1, 0):
            shown = file.view(view)
            assert np.array_equal(shown.image_latent(0), whole.image_latent(view))
            assert np.array_equal(shown.points, whole.points) and shown.unit_m == whole.unit_m
            for name in ("rgb", "alpha", "depth", "segmentation", "cameras", "landmarks"):
                assert np.array_equal(getattr(shown, name)[0], getattr(whole, name)[view])


def test_a_file_that_is_cut_short_later_is_named(tmp_path: Path) -> None:
    path = person_path(tmp_path, 0)
    save_person(sphere_person(seed=0), path)
    people = PeopleSet(tmp_path)
    people.example(0, 1)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="person_00000"):
        people.example(0, 1)


def test_a_set_keeps_little_of_what_it_has_shown(tmp_path: Path) -> None:
    for index in range(4):
        save_person(sphere_person(seed=index, size=256), person_path(tmp_path, index))
    people = PeopleSet(tmp_path)
    people.sample(1, torch.Generator().manual_seed(0))
    tracemalloc.start()
    try:
        people.sample(8, torch.Generator().manual_seed(1))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100_000

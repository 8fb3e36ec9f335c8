"""Fresh people reach a recipe's data while it trains."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from people_cases import sphere_person

from portraiture.cli.bundle_run import Log, _feed
from portraiture.people.on_device import DevicePeople
from portraiture.people.people_file import person_path, save_person
from portraiture.people.people_set import PeopleSet
from portraiture.people.worker import STOP, start_workers, stop_workers
from portraiture.train.distributed import World


def wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    known, fresh = tmp_path / "known", tmp_path / "fresh"
    known.mkdir()
    fresh.mkdir()
    save_person(sphere_person(seed=0), person_path(known, 0))
    save_person(sphere_person(seed=1), person_path(fresh, 5))
    (fresh / "person_00006.npz").write_bytes(b"damaged")
    return known, fresh


def test_people_move_into_the_tables_of_the_device(folders: tuple[Path, Path]) -> None:
    known, fresh = folders
    recipe = SimpleNamespace(data=PeopleSet(known))
    first = [recipe.data.person(0)]
    with _feed(recipe, first, World(), fresh, Log(0.0)):
        wait_until(lambda: not list(fresh.iterdir()))
    assert isinstance(recipe.data, DevicePeople) and len(recipe.data) == 2
    assert (recipe.data.example(1, 0).z[0].numpy() == sphere_person(seed=1).z).all()


def test_people_that_photos_are_taken_of_become_files(folders: tuple[Path, Path]) -> None:
    known, fresh = folders
    (fresh / "person_00006.npz").unlink()
    recipe = SimpleNamespace(data=SimpleNamespace(people=PeopleSet(known)))
    with _feed(recipe, [], World(), fresh, Log(0.0)):
        wait_until(lambda: not list(fresh.iterdir()))
    people = recipe.data.people
    assert len(people) == 2
    assert (people.person(1).z == sphere_person(seed=1).z).all()


@pytest.mark.slow
def test_a_worker_renders_until_it_is_stopped(tmp_path: Path) -> None:
    workers = start_workers(tmp_path, count=1, seed=3, views=1, size=64)
    try:
        wait_until(lambda: person_path(tmp_path, 0).exists(), seconds=500.0)
    finally:
        stop_workers(tmp_path, workers)
    assert (tmp_path / STOP).exists() and workers[0].returncode is not None
    assert PeopleSet(tmp_path, limit=1).side == 64

"""People in tables: the same examples as from files, one gather a batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from people_cases import sphere_person

from portraiture.errors import DataError, TrainingError
from portraiture.people.on_device import DevicePeople, load_people
from portraiture.people.people_file import person_path, save_person
from portraiture.people.people_set import PeopleSet

CPU = torch.device("cpu")


def test_examples_are_those_of_the_files(tmp_path: Path) -> None:
    for k in range(3):
        save_person(sphere_person(seed=k), person_path(tmp_path, k))
    files = PeopleSet(tmp_path)
    table = DevicePeople([files.person(k) for k in range(3)], capacity=3, device=CPU)
    for index, view in ((0, 0), (2, 1)):
        ours, wanted = table.example(index, view), files.example(index, view)
        for name, value in wanted._asdict().items():
            assert torch.equal(getattr(ours, name), value), name


def test_draws_reach_all_views_and_those_that_came_later() -> None:
    table = DevicePeople([sphere_person(seed=0)], capacity=2, device=CPU)
    assert table.add(sphere_person(seed=1)) and len(table) == 2
    assert not table.add(sphere_person(seed=2)) and len(table) == 2
    sampled = table.sample(64, torch.Generator().manual_seed(0))
    again = table.sample(64, torch.Generator().manual_seed(0))
    assert torch.equal(sampled.z, again.z)
    seen = torch.cat([sampled.z[:, :1], sampled.camera[:, :1]], 1).unique(dim=0)
    assert len(seen) == 4


def test_people_unlike_the_first_are_refused_and_damaged_files_left_out(tmp_path: Path) -> None:
    table = DevicePeople([sphere_person(seed=0)], capacity=4, device=CPU)
    with pytest.raises(DataError, match="another size"):
        table.add(sphere_person(seed=1, size=16))
    with pytest.raises(TrainingError):
        DevicePeople([], capacity=4, device=CPU)
    (tmp_path / "person_00000.npz").write_bytes(b"cut short")
    assert load_people([tmp_path / "person_00000.npz"]) == []

"""Packed people: what comes back, and what does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from people_cases import sphere_person

from portraiture.errors import DataError
from portraiture.people.pack import (
    DEPTH_STEPS,
    pack_person,
    read_pack,
    unpack_person,
    write_pack,
)
from portraiture.people.people_file import DEPTH_RANGE
from portraiture.people.people_set import neural_depth


def test_depth_comes_back_within_half_a_step_where_surfaces_and_edges_were() -> None:
    person = sphere_person(seed=1, size=64)
    back = unpack_person(pack_person(person))
    for ours, theirs in zip(back.depth, person.depth, strict=True):
        (depth, solid), (wanted, wanted_solid) = neural_depth(ours), neural_depth(theirs)
        assert torch.equal(solid, wanted_solid)
        assert torch.equal(depth > 0, wanted > 0)
        assert (depth - wanted).abs().max() <= 0.51 * DEPTH_RANGE / DEPTH_STEPS


def test_masks_and_numbers_are_exact_and_images_are_close() -> None:
    person = replace(
        sphere_person(seed=2, size=64), scenes=np.arange(12, dtype=np.float32).reshape(2, 6)
    )
    back = unpack_person(pack_person(person))
    for name in ("z", "alpha", "segmentation", "cameras", "landmarks", "points", "scenes"):
        assert np.array_equal(getattr(back, name), getattr(person, name)), name
    assert back.unit_m == pytest.approx(person.unit_m, rel=1e-6)
    error = np.square(back.rgb.astype(float) - person.rgb).mean()
    assert 10 * np.log10(255**2 / error) > 30


def test_a_pack_holds_as_many_as_fit_and_is_the_same_every_time(tmp_path: Path) -> None:
    people = [sphere_person(seed=k) for k in range(4)]
    packed_people = [pack_person(person) for person in people]
    room = sum(len(pack_person(person)) + 200 for person in people[:3]) + 10
    assert write_pack(tmp_path / "a.zip", packed_people, limit_bytes=room) == 3
    write_pack(tmp_path / "b.zip", packed_people, limit_bytes=room)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    packed = read_pack(tmp_path / "a.zip")
    assert [unpack_person(data).z[0] for data in packed] == [p.z[0] for p in people[:3]]


def test_other_files_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no person"):
        unpack_person(b"something else")
    cut = pack_person(sphere_person(seed=0))
    with pytest.raises(DataError):
        unpack_person(cut[: len(cut) // 2])
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match="packed people"):
        read_pack(tmp_path / "x.zip")

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_pairs import drawn_pair

from portraiture.engine.parameters import DISCRETE, AvatarParameters
from portraiture.errors import DataError
from portraiture.people.pair_pack import pack_pair, unpack_pair
from portraiture.people.pairs import (
    Pair,
    PairConfig,
    load_pair,
    make_pair,
    make_pairs,
    pair_path,
    pairs_in,
    sample_avatar,
    save_pair,
)
from portraiture.types import Segment

SMALL = PairConfig(seed=3, photos=1, size=32)


def test_a_pair_holds_the_vector_of_what_it_shows(tmp_path: Path) -> None:
    make_pairs(tmp_path, range(1), SMALL)
    pair = load_pair(pair_path(tmp_path, 0))
    parameters, relaxed = AvatarParameters.from_vector(pair.vector.astype(np.float64))
    known = sample_avatar(0, seed=3)
    assert all(getattr(parameters, name) == getattr(known, name) for name in DISCRETE)
    assert all(sorted(block)[-1] == 1.0 for block in relaxed.values())
    assert pair.rgb.shape == (2, 32, 32, 3)
    assert (pair.rgb[0][pair.alpha[0] == 0] == 255).all()
    assert {int(Segment.SKIN), int(Segment.BACKGROUND)} <= set(np.unique(pair.segmentation[0]))
    again = make_pair(0, SMALL)
    assert all(np.array_equal(getattr(again, name), value) for name, value in vars(pair).items())


def test_every_choice_of_the_engine_is_sampled() -> None:
    """Also those that go with nobody of the population."""
    avatars = [sample_avatar(k, seed=0) for k in range(400)]
    for name, choices in DISCRETE.items():
        assert {getattr(avatar, name) for avatar in avatars} == set(choices), name


def test_a_folder_is_of_one_kind_and_what_is_no_pair_is_refused(tmp_path: Path) -> None:
    make_pairs(tmp_path, range(0), SMALL)
    with pytest.raises(DataError, match="other settings"):
        make_pairs(tmp_path, range(0), replace(SMALL, size=64))
    assert pairs_in(tmp_path) == []
    path = pair_path(tmp_path, 0)
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="not a file of pairs"):
        load_pair(path)
    zeros = np.zeros((1, 8, 8), np.uint8)
    save_pair(Pair(np.zeros(3, np.float32), np.zeros((1, 8, 9, 3), np.uint8), zeros, zeros), path)
    with pytest.raises(DataError, match="fit together"):
        load_pair(path)
    with pytest.raises(DataError, match="photos"):
        PairConfig(photos=-1)


def test_a_packed_pair_keeps_its_vector_and_masks_and_nearly_its_images() -> None:
    pair = drawn_pair(0, 64)
    data = pack_pair(pair)
    found = unpack_pair(data)
    for name in ("vector", "alpha", "segmentation"):
        assert np.array_equal(getattr(found, name), getattr(pair, name))
    assert np.abs(found.rgb.astype(int) - pair.rgb).mean() < 3.0
    for damaged in (b"", data[: len(data) // 2], data.replace(b"masks", b"misks")):
        with pytest.raises(DataError, match="pack_pair"):
            unpack_pair(damaged)

"""AvatarParameters: ranges, JSON, strict and relaxed vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from portraiture.engine.details import DETAILS
from portraiture.engine.parameters import (
    CONTINUOUS,
    DISCRETE,
    AvatarParameters,
    describe,
    vector_length,
)
from portraiture.engine.shapes import SHAPES
from portraiture.errors import AvatarError


def _random(seed: int) -> AvatarParameters:
    rng = np.random.default_rng(seed)
    values = {name: float(rng.random()) for name in CONTINUOUS}
    choices = {name: str(rng.choice(options)) for name, options in DISCRETE.items()}
    shape = {name: float(rng.random()) for name in SHAPES}
    detail = {name: float(rng.random()) for name in DETAILS}
    return AvatarParameters(**values, **choices, shape=shape, detail=detail)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_json_and_vector_round_trips_are_exact(seed: int) -> None:
    person = _random(seed)
    assert AvatarParameters.from_json(person.to_json()) == person
    back, relaxed = AvatarParameters.from_vector(person.to_vector())
    assert back == person
    for name, block in relaxed.items():
        assert block.sum() == 1.0 and block[DISCRETE[name].index(getattr(person, name))] == 1.0


def test_relaxed_vector_takes_the_likeliest_choice() -> None:
    vector = AvatarParameters().to_vector()
    start = len(CONTINUOUS) + len(SHAPES)
    styles = DISCRETE["hair_style"]
    soft = np.full(len(styles), 0.05)
    soft[styles.index("bob")] = 0.4
    vector[start : start + len(styles)] = soft
    person, relaxed = AvatarParameters.from_vector(vector)
    assert person.hair_style == "bob" and np.allclose(relaxed["hair_style"], soft)


def test_vector_interpolation_changes_continuously() -> None:
    a, b = _random(1).to_vector(), _random(2).to_vector()
    values = [AvatarParameters.from_vector(a + t * (b - a))[0].age for t in (0.0, 0.5, 1.0)]
    assert np.isclose(values[1], 0.5 * (values[0] + values[2]))


def test_every_parameter_is_described_and_counted() -> None:
    meanings = describe()
    assert set(meanings) == set(CONTINUOUS) | set(SHAPES) | set(DETAILS) | set(DISCRETE)
    assert all(meanings.values())
    assert vector_length() == len(_random(0).to_vector())
    assert len(DISCRETE["hair_style"]) >= 12 and len(DISCRETE["brow_style"]) >= 6
    assert len(DISCRETE["beard_style"]) >= 8 and len(DISCRETE["glasses_style"]) >= 6


@pytest.mark.parametrize(
    "bad",
    [
        {"age": 1.2},
        {"age": float("nan")},
        {"age": "old"},
        {"age": True},
        {"hair_style": "mohawk"},
        {"shape": {"nose_size": 0.5}},
        {"shape": {"nose_volume": -0.1}},
        {"shape": [1, 2]},
        {"detail": {"detail_99": 0.5}},
        {"detail": {"detail_01": 1.5}},
        {"detail": 3},
        {"nonsense": 1},
    ],
)
def test_bad_values_are_refused_in_one_sentence(bad: dict) -> None:
    with pytest.raises(AvatarError) as error:
        AvatarParameters.from_dict(bad)
    assert "\n" not in str(error.value)


def test_bad_json_and_bad_vectors_are_refused() -> None:
    for text in ("", "[]", "{", "3"):
        with pytest.raises(AvatarError):
            AvatarParameters.from_json(text)
    with pytest.raises(AvatarError):
        AvatarParameters.from_vector(np.zeros(3))


def test_files_without_details_load() -> None:
    """As those written before there were any."""
    values = _random(2).to_dict()
    del values["detail"]
    assert AvatarParameters.from_dict(values).detail == {}
    assert AvatarParameters.from_dict(values) == replace(_random(2), detail={})

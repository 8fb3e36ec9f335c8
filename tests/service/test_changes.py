"""A change of an avatar keeps what it does not name, puts null back to the default, and is refused
in one sentence where no avatar could take it."""

from __future__ import annotations

from typing import Any

import pytest

from portraiture.engine.parameters import AvatarParameters
from portraiture.errors import AvatarError
from portraiture.service.changes import changed_parameters, check_changes


def test_what_is_not_named_stays() -> None:
    before = AvatarParameters(sex=0.1, age=0.7).with_shape(nose_scale_horiz=0.9, chin_height=0.2)
    after = changed_parameters(
        before, {"parameters": {"age": 0.4, "shape": {"nose_scale_horiz": 0.3}}}
    )
    assert after == AvatarParameters(sex=0.1, age=0.4).with_shape(
        nose_scale_horiz=0.3, chin_height=0.2
    )


def test_null_is_the_default() -> None:
    before = AvatarParameters(age=0.9).with_shape(nose_scale_horiz=0.9)
    after = changed_parameters(
        before, {"parameters": {"age": None, "shape": {"nose_scale_horiz": None}}}
    )
    assert after == AvatarParameters()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"parameters": 3},
        {"parameters": {"ages": 0.4}},
        {"parameters": {"age": 1.5}},
        {"parameters": {"age": "old"}},
        {"parameters": {"age": True}},
        {"parameters": {"shape": 3}},
        {"parameters": {"shape": {"nose": 0.5}}},
        {"parameters": {"hair_style": "mullet"}},
        {"style": "baroque"},
        {"style": ["pixar"]},
        {"expression": {"smirk": 1.0}},
        {"expression": {"jawOpen": 2.0}},
        {"expression": {"jawOpen": None}},
        {"expression": []},
        {"albedo_png": "x"},
        {"camera": {}},
    ],
)
def test_what_no_avatar_takes(changes: dict[str, Any]) -> None:
    with pytest.raises(AvatarError, match=r"^[^\n]+[.]$"):
        check_changes(changes)


def test_what_an_avatar_takes() -> None:
    check_changes({"style": "pixar"})
    check_changes({"expression": {"jawOpen": 1}})
    check_changes({"parameters": {"hair_length": 0.3, "detail": {}}})

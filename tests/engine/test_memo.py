"""Steps of the engine kept between edits.

A bust built with kept results equals one built anew, whatever was edited before; parts that an edit
does not touch are the same objects; a step that has to run may end the work.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from thinned import thinned

from portraiture.engine.build import build_bust
from portraiture.engine.memo import KEPT, Memo
from portraiture.engine.parameters import AvatarParameters
from portraiture.types import Bust, Part, Style

SIZE = 64
PERSON = AvatarParameters(hair_style="crop", beard_style="stubble", glasses_style="round")


def assert_equal(a: Bust, b: Bust) -> None:
    assert [part.name for part in a.parts] == [part.name for part in b.parts]
    for one, other in zip(a.parts, b.parts, strict=True):
        for array in ("vertices", "faces", "normals", "uv"):
            np.testing.assert_array_equal(getattr(one, array), getattr(other, array))
        for image in ("base_color", "normal", "roughness"):
            np.testing.assert_array_equal(
                getattr(one.material, image), getattr(other.material, image)
            )


def built(memo: Memo, parameters: AvatarParameters, style: Style) -> dict[str, Part]:
    bust = build_bust(parameters, style=style, texture_size=SIZE, run=memo.call)
    assert_equal(bust, build_bust(parameters, style=style, texture_size=SIZE))
    return {part.name: part for part in bust.parts}


@pytest.mark.parametrize("style", thinned(["natural", "pixar"]))
def test_a_bust_of_kept_steps_is_the_bust(style: Style) -> None:
    memo = Memo()
    first = built(memo, PERSON, style)
    ginger = built(memo, replace(PERSON, hair_redness=0.9), style)
    assert ginger["hair"] is not first["hair"]
    assert ginger["clothes"] is first["clothes"]
    assert ginger["eye_left"] is first["eye_left"]
    red = built(memo, replace(PERSON, cloth_red=0.9), style)
    assert red["clothes"] is not first["clothes"]
    assert red["hair"] is first["hair"]
    assert red["skin"] is first["skin"]
    wide = built(memo, PERSON.with_shape(nose_scale_horiz=0.9), style)
    assert wide["glasses_frame"] is not first["glasses_frame"]
    again = built(memo, PERSON, style)
    assert all(again[name] is first[name] for name in first)


def test_only_the_last_results_are_kept() -> None:
    memo, ran = Memo(), []

    def step(parameters: AvatarParameters) -> float:
        ran.append(parameters.age)
        return parameters.age

    ages = np.linspace(0.0, 1.0, KEPT + 1).tolist()
    for age in ages:
        assert memo.call(step, AvatarParameters(age=age, sex=0.1)) == age
    memo.call(step, AvatarParameters(age=ages[-1], sex=0.9))
    assert ran == ages, "sex is not read, so it is no reason to run"
    memo.call(step, AvatarParameters(age=ages[0]))
    assert ran == [*ages, ages[0]]


def test_other_arguments_count() -> None:
    memo = Memo()

    def step(parameters: AvatarParameters, other: object, *, size: int = 1) -> tuple:
        return parameters.age, other, size

    one, two = np.zeros(2), np.ones(2)
    assert memo.call(step, PERSON, one)[1] is one
    assert memo.call(step, PERSON, two)[1] is two
    assert memo.call(step, PERSON, two, size=2)[2] == 2
    assert memo.call(step, PERSON, (1, (one,)))[1][1][0] is one
    assert memo.call(step, PERSON, (1, (two,)))[1][1][0] is two


def test_work_ends_before_a_step_that_has_to_run() -> None:
    stopped = False

    def before() -> None:
        if stopped:
            raise InterruptedError

    memo = Memo(before)
    memo.call(lambda parameters: parameters.age, PERSON)
    stopped = True
    with pytest.raises(InterruptedError):
        memo.call(lambda parameters: parameters.sex, replace(PERSON, age=0.9))

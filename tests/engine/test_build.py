"""Whole people: every part is well formed in every style, and expressions reach their parts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from thinned import thinned

from portraiture.engine import build
from portraiture.engine.actions import ACTIONS
from portraiture.engine.build import with_expression
from portraiture.engine.parameters import DISCRETE
from portraiture.engine.sample import sample_parameters
from portraiture.engine.style.recipes import STYLES
from portraiture.errors import AvatarError
from portraiture.types import Part, Style

build_bust = partial(build.build_bust, texture_size=256)
"""Nothing here depends on how fine the skin's texture is."""


def _well_formed(part: Part) -> None:
    count = len(part.vertices)
    assert count > 0 and len(part.faces) > 0, part.name
    assert part.faces.min() >= 0 and part.faces.max() < count
    assert np.isfinite(part.vertices).all() and np.isfinite(part.uv).all()
    assert np.allclose(np.linalg.norm(part.normals, axis=1), 1.0, atol=1e-3), part.name
    assert part.normals.shape == part.vertices.shape and part.uv.shape == (count, 2)
    assert part.segment.shape == (len(part.faces),) and part.segment.max() <= 18
    assert part.joints.shape == part.weights.shape == (count, 4)
    assert np.allclose(part.weights.sum(1), 1.0, atol=1e-4), part.name
    assert part.material.base_color.shape[2] == 4 and part.material.base_color.dtype == np.uint8
    assert set(part.morphs) <= set(ACTIONS)
    for morph in part.morphs.values():
        assert morph.indices.max() < count and np.isfinite(morph.deltas).all()


@pytest.mark.parametrize("style", thinned(STYLES, 4))
def test_every_part_is_well_formed_in_every_style(style: Style) -> None:
    parameters = replace(
        sample_parameters(11),
        hair_style="short",
        beard_style="goatee",
        glasses_style="round",
        hat_style="none",
        neckline="shirt",
    )
    bust = build_bust(parameters, style=style)
    for part in bust.parts:
        _well_formed(part)
    names = [part.name for part in bust.parts]
    assert len(set(names)) == len(names)
    assert {"skin", "eye_left", "eye_right", "lashes", "teeth", "tongue", "hair"} <= set(names)
    assert sum(len(part.faces) for part in bust.parts) < 90_000
    blended = [part.material.alpha_mode == "blend" for part in bust.parts]
    assert blended == sorted(blended)


def test_every_action_moves_something_and_what_it_should() -> None:
    bust = build_bust(sample_parameters(2))
    moved = {name for part in bust.parts for name in part.morphs}
    assert moved == set(ACTIONS)
    assert "jawOpen" in bust.part("teeth").morphs and "tongueOut" in bust.part("tongue").morphs
    assert "eyeLookUpLeft" in bust.part("eye_left").morphs
    assert "eyeLookUpLeft" not in bust.part("eye_right").morphs
    assert "eyeBlinkLeft" in bust.part("lashes").morphs
    assert "browInnerUp" in bust.part("brows").morphs


COUNT = max(map(len, DISCRETE.values()))


@pytest.mark.parametrize("number", thinned(range(COUNT)))
def test_every_choice_builds(number: int) -> None:
    """Every list in step, so that each choice is part of somebody. Hats go on the shortest hair,
    and all other hair is whole."""
    chosen = {name: choices[number % len(choices)] for name, choices in DISCRETE.items()}
    hats = DISCRETE["hat_style"]
    chosen["hat_style"] = hats[number] if number < len(hats) else "none"
    bust = build_bust(replace(sample_parameters(number), **chosen))
    for part in bust.parts:
        _well_formed(part)
    names = {part.name for part in bust.parts}
    assert {"skin", "brows"} <= names
    assert ("hair" in names) == (chosen["hair_style"] != "bald")
    assert ("beard" in names) == (chosen["beard_style"] != "none")
    assert ("hat" in names) == (chosen["hat_style"] != "none")
    assert ("clothes" in names) == (chosen["neckline"] != "bare")
    assert any("glasses" in name for name in names) == (chosen["glasses_style"] != "none")


def test_landmarks_follow_the_expression() -> None:
    parameters = sample_parameters(4)
    neutral, open_mouth = (
        build_bust(parameters, expression=e).landmarks for e in ({}, {"jawOpen": 1.0})
    )
    assert neutral.shape == (478, 3)
    chin, nose_tip = 152, 4
    assert open_mouth[chin, 1] < neutral[chin, 1] - 0.005
    assert np.allclose(open_mouth[nose_tip], neutral[nose_tip], atol=1e-3)


def test_a_hat_hides_the_hair_under_it() -> None:
    parameters = replace(sample_parameters(8), hair_style="long_straight", hat_style="none")
    free = build_bust(parameters).part("hair")
    covered = build_bust(replace(parameters, hat_style="beanie")).part("hair")
    assert 0 < len(covered.faces) < len(free.faces)


@pytest.mark.parametrize("style", thinned(["natural", "cartoon"]))
def test_an_expression_changes_a_bust_as_if_it_were_built_with_it(style: Style) -> None:
    parameters, smile = sample_parameters(3), {"mouthSmileLeft": 0.7, "jawOpen": 0.2}
    neutral = build_bust(parameters, style=style)
    built = build_bust(parameters, style=style, expression=smile)
    posed = with_expression(neutral, parameters, smile, style=style)
    assert posed.expression == built.expression
    assert np.array_equal(posed.landmarks, built.landmarks)
    assert not np.array_equal(posed.landmarks, neutral.landmarks)
    for a, b in zip(posed.parts, built.parts, strict=True):
        assert np.array_equal(a.vertices, b.vertices) and a.morphs.keys() == b.morphs.keys()
    with pytest.raises(AvatarError):
        with_expression(neutral, parameters, {"frown": 1.0})

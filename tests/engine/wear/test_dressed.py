"""Dressed people: renders without holes, and nothing changes but the clothes."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from thinned import thinned
from wear_cases import CASES

from portraiture.camera import orbit
from portraiture.engine.build import CLOTHES, build_bust
from portraiture.engine.parameters import DISCRETE, AvatarParameters
from portraiture.render.mesh import render_bust
from portraiture.types import Bust, Segment

KINDS = tuple(kind for kind in DISCRETE["neckline"] if kind != "bare")
FOCAL, FRAME_M = 3.5, 0.34


@lru_cache(maxsize=8)
def dressed(case: int, kind: str) -> Bust:
    parameters = replace(CASES[case], neckline=kind, hair_style="bald")
    return build_bust(parameters, texture_size=64)


def segmentation(bust: Bust, yaw: float, pitch: float, size: int = 160) -> np.ndarray:
    """Segments seen by a camera (radians) that looks at the neck."""
    heads = dict(zip(bust.skeleton.names, bust.skeleton.heads, strict=True))
    eyes = 0.5 * (heads["leftEye"] + heads["rightEye"])
    target = eyes + np.array([0.0, -0.17, -0.06])
    camera = orbit(yaw, pitch, target=target, distance=FOCAL * FRAME_M, focal=FOCAL)
    return render_bust(bust, camera, size=size, supersample=1).segmentation


@pytest.mark.parametrize("case", thinned((1, 2), 2))
@pytest.mark.parametrize("kind", KINDS)
def test_no_hole_behind(kind: str, case: int) -> None:
    """From behind, level and from above, every column of the image around the neck is skin, then
    cloth down to the lower end: no background between, and no skin again below."""
    bust = dressed(case, kind)
    for pitch in (0.0, 0.45):
        seen = segmentation(bust, np.pi, pitch)
        for column in seen[:130, 62:98].T:
            start = int(np.argmax(column == Segment.CLOTH))
            assert column[start] == Segment.CLOTH
            assert (column[:start] != Segment.BACKGROUND).all(), (pitch, "above the collar")
            assert (column[start:] == Segment.CLOTH).all(), (pitch, "below the collar")


@pytest.mark.parametrize("kind", thinned(KINDS, 2))
def test_no_hole_from_the_front_and_the_sides(kind: str) -> None:
    """Downwards from the neck no column shows the background before the lower end."""
    for yaw in (0.0, 0.6, -0.6, 1.48):
        seen = segmentation(dressed(2, kind), yaw, 0.35)
        assert (seen[60:125, 73:90] != Segment.BACKGROUND).all(), yaw


@pytest.mark.parametrize("kind", thinned(KINDS))
def test_nothing_changes_but_the_clothes(kind: str) -> None:
    bare = build_bust(replace(CASES[0], neckline="bare"), texture_size=64)
    bust = build_bust(replace(CASES[0], neckline=kind), texture_size=64)
    others = {part.name: part for part in bust.parts if part.name not in CLOTHES}
    assert set(others) == {part.name for part in bare.parts}
    for part in bare.parts:
        np.testing.assert_array_equal(part.vertices, others[part.name].vertices)
        np.testing.assert_array_equal(
            part.material.base_color, others[part.name].material.base_color
        )
        if part.name != "skin":
            np.testing.assert_array_equal(part.faces, others[part.name].faces)
    kept = {tuple(face) for face in others["skin"].faces.tolist()}
    assert kept < {tuple(face) for face in bare.part("skin").faces.tolist()}


def test_files_from_before_suits_load() -> None:
    values = AvatarParameters(neckline="shirt").to_dict()
    for name in ("shirt", "tie"):
        for channel in ("red", "green", "blue"):
            del values[f"{name}_{channel}"]
    assert AvatarParameters.from_dict(values) == AvatarParameters(neckline="shirt")
    assert DISCRETE["neckline"][:4] == ("bare", "crew", "v_neck", "shirt")

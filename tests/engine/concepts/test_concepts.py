"""Concepts are data that the engine understands, and change what they say and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from portraiture.avatar import Avatar
from portraiture.engine.actions import ACTIONS
from portraiture.engine.build import build_bust
from portraiture.engine.concepts.change import changed
from portraiture.engine.concepts.concept import Bend, Ears
from portraiture.engine.concepts.makeover import makeover_of
from portraiture.engine.concepts.reshape import frame_of, reshaped
from portraiture.engine.concepts.table import CONCEPTS
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import shape_head
from portraiture.engine.shapes import SHAPES
from portraiture.errors import AvatarError, ConceptError
from portraiture.types import Segment

PERSON = AvatarParameters(sex=1.0, hair_style="bob")


def test_there_are_at_least_sixty() -> None:
    assert len(CONCEPTS) >= 60
    for kind, least in (("creature", 12), ("material", 7), ("look", 10), ("attribute", 30)):
        assert sum(c.kind == kind for c in CONCEPTS.values()) >= least


@pytest.mark.parametrize("name", CONCEPTS)
def test_every_concept_names_what_exists(name: str) -> None:
    concept = CONCEPTS[name]
    made = changed(PERSON, (name,))
    assert isinstance(made.parameters, AvatarParameters)
    assert set(concept.shape) <= set(SHAPES)
    assert set(concept.expression or {}) <= set(ACTIONS)
    assert all(0.0 <= weight <= 1.0 for weight in (concept.expression or {}).values())
    bearded = AvatarParameters(beard_style="full_beard", glasses_style="oval", stubble=0.5)
    others = [changed(p, (name,)).parameters != p for p in (PERSON, bearded)]
    assert any(others) or made.style != "natural" or made.expression or concept.built
    assert (makeover_of((name,)) is None) == (not concept.built)


def test_without_concepts_nothing_changes() -> None:
    plain = build_bust(PERSON, texture_size=64)
    again = build_bust(PERSON, texture_size=64, makeover=makeover_of(()))
    for a, b in zip(plain.parts, again.parts, strict=True):
        np.testing.assert_array_equal(a.vertices, b.vertices)
        np.testing.assert_array_equal(a.material.base_color, b.material.base_color)


def test_a_bend_moves_what_is_near_and_expressions_follow() -> None:
    shape = shape_head(PERSON)
    frame = frame_of(shape)
    bend = Bend((0.0, -42.0, 36.0), 15.0, by=(0.0, 0.0, 10.0))
    bent = reshaped(shape, (bend,), None)
    away = np.linalg.norm(frame.to_canonical(shape.vertices) - bend.at, axis=1)
    moved = (bent.vertices - shape.vertices) / frame.unit
    np.testing.assert_allclose(moved[:, 2], 10.0 * np.exp(-((away / 15.0) ** 3)), atol=2e-3)
    np.testing.assert_allclose(moved[:, :2], 0.0, atol=2e-3)
    jaw = shape.action_deltas("jawOpen")
    there = shape.unwarped + jaw
    assert bent.warp is not None
    np.testing.assert_allclose(
        bent.vertices + bent.action_deltas("jawOpen"), bent.warp(there), atol=1e-6
    )


def test_pointed_ears_rise_and_leave_the_face_alone() -> None:
    shape = shape_head(PERSON)
    elf = reshaped(shape, (), Ears(up=30.0, back=10.0))
    faces = shape.model.arrays["skin_segment"]
    ears = np.unique(shape.faces[np.isin(faces, (Segment.LEFT_EAR, Segment.RIGHT_EAR))])
    rise = (elf.skin[ears, 1].max() - shape.skin[ears, 1].max()) / frame_of(shape).unit
    assert 24.0 < rise < 36.0
    others = np.setdiff1d(np.arange(len(shape.skin)), ears)
    np.testing.assert_array_equal(elf.skin[others], shape.skin[others])


@pytest.fixture(scope="module")
def plain():
    return build_bust(PERSON, texture_size=256)


def bust_of(*names: str, size: int = 256):
    made = changed(PERSON, names)
    return build_bust(
        made.parameters, style=made.style, makeover=makeover_of(made.names), texture_size=size
    )


def tone(bust) -> np.ndarray:
    """Median colour of the cheeks' texels."""
    texture = bust.part("skin").material.base_color
    size = len(texture)
    return np.median(texture[size // 3 : size // 2, size // 3 : size // 2, :3], axis=(0, 1))


def test_an_orc_is_green_and_has_tusks_that_the_lip_carries(plain) -> None:
    orc = bust_of("orc")
    red, green, blue = tone(orc).astype(int)
    assert green > red and green > blue + 20
    tusks = orc.part("tusks")
    assert "jawOpen" in tusks.morphs
    left = tusks.vertices[tusks.morphs["jawOpen"].indices][:, 0] > 0
    deltas = tusks.morphs["jawOpen"].deltas[left]
    np.testing.assert_allclose(deltas, np.broadcast_to(deltas[0], deltas.shape))


def test_growths_are_closed_and_face_outwards() -> None:
    for name in ("demon", "satyr", "cat_person", "alien", "angel", "frankenstein", "vampire"):
        bust = bust_of(name, size=64)
        for part in bust.parts:
            if part.segment[0] != Segment.HAT:
                continue
            a, b, c = (part.vertices[part.faces[:, k]].astype(np.float64) for k in range(3))
            volume = (a * np.cross(b, c)).sum() / 6.0
            assert volume > 0.0, (name, part.name)
            face = np.cross(b - a, c - a)
            along = (face * part.normals[part.faces].mean(1)).sum(1)
            assert (along > 0).mean() > 0.95, (name, part.name)


def test_a_statue_is_one_substance() -> None:
    gold = bust_of("gold")
    assert {part.material.kind for part in gold.parts} == {"plain"}
    assert {part.material.metallic for part in gold.parts} == {0.95}
    assert "lashes" not in {part.name for part in gold.parts}


def test_concepts_compose() -> None:
    made = changed(PERSON, ("red_hair", "old", "elf"))
    assert made.parameters.age == 0.95
    assert made.parameters.hair_redness == 1.0
    assert made.names == ("elf", "red_hair", "old")
    statue = changed(PERSON, ("marble", "elf"))
    assert statue.names == ("elf", "marble")


def test_avatars_keep_their_concepts(tmp_path) -> None:
    avatar = Avatar(PERSON, concepts=("elf", "marble"))
    loaded = Avatar.load(avatar.save(tmp_path / "a.json"))
    assert loaded == avatar
    assert "concepts" not in replace(avatar, concepts=()).to_dict()
    values = {**avatar.to_dict(), "concepts": ["flying pig"]}
    with pytest.raises(ConceptError, match="flying pig"):
        Avatar.from_dict(values)
    with pytest.raises(AvatarError):
        Avatar.from_dict({**values, "concepts": 5})

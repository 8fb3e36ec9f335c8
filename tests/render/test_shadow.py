"""Ambient shadows depend on all that they are made of, and on nothing else."""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np
import pytest

from portraiture.render import shadow
from portraiture.render.scene import Scene, content, flatten, scene_of
from portraiture.types import AlphaMode, Bust, Material, Morph, Part, Skeleton


def _square(name: str, height: float, alpha: int, **material: object) -> Part:
    corners = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], np.float32)
    texture = np.full((8, 8, 4), 255, np.uint8)
    texture[..., 3] = alpha
    return Part(
        name=name,
        vertices=corners * 0.2 + np.array([0, height, 0], np.float32),
        faces=np.array([[0, 2, 1], [0, 3, 2]], np.int32),
        normals=np.tile(np.array([0, 1, 0], np.float32), (4, 1)),
        uv=np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32),
        material=Material("plain", texture, double_sided=True, **material),  # type: ignore[arg-type]
        segment=np.ones(2, np.uint8),
        joints=np.zeros((4, 4), np.uint8),
        weights=np.tile(np.array([1, 0, 0, 0], np.float32), (4, 1)),
    )


def _roofed(alpha: int, mode: AlphaMode = "mask") -> Bust:
    """A floor under a large leaf whose opacity is its texture's."""
    floor, roof = _square("floor", 0.0, 255), _square("roof", 0.02, alpha, alpha_mode=mode)
    roof = replace(roof, vertices=roof.vertices * np.array([4, 1, 4], np.float32))
    skeleton = Skeleton(("head",), (-1,), np.zeros((1, 3), np.float32))
    return Bust((floor, roof), skeleton, {}, np.zeros((478, 3), np.float32))


def _lit(scene: Scene) -> float:
    """Share of the light of a white sky that reaches the floor."""
    return float((scene.transfer[0, :4, 0] / scene.transfer[1, :4, 0]).mean())


def test_a_leaf_of_another_texture_throws_another_shadow() -> None:
    shares = [_lit(flatten(_roofed(alpha))) for alpha in (255, 0, 255)]
    assert shares[0] < 0.1
    assert shares[1] == _lit(flatten(_roofed(255, "blend"))) > 0.95
    assert shares[2] == shares[0]


def test_a_bust_that_is_changed_in_place_is_laid_out_anew() -> None:
    bust = _roofed(255)
    first = scene_of(bust)
    assert scene_of(bust) is first
    bust.parts[1].material.base_color[..., 3] = 0
    assert _lit(scene_of(bust)) > 0.95
    bust.parts[0].vertices[:, 1] -= 0.01
    assert np.array_equal(scene_of(bust).vertices[:4, 1], bust.parts[0].vertices[:, 1])


def test_the_digest_covers_everything_that_a_scene_is_made_of() -> None:
    bust = _roofed(255)
    part = bust.parts[0]
    morph = Morph(np.array([0, 2]), np.zeros((2, 3), np.float32))
    moving = replace(part, morphs={"jawOpen": morph})
    swapped = part.vertices[[1, 0, 2, 3]]
    turned = np.ascontiguousarray(part.material.base_color.reshape(4, 16, 4))
    changes = [
        part, replace(part, vertices=swapped), replace(part, uv=part.uv[::-1]),
        replace(part, material=replace(part.material, base_color=turned)),
        replace(part, material=replace(part.material, normal=turned[..., :3])),
        replace(part, material=replace(part.material, roughness=turned[..., 0])),
        replace(part, material=replace(part.material, metallic=0.5)),
    ]  # fmt: skip
    busts = [replace(bust, parts=(one, bust.parts[1])) for one in changes]
    posed = replace(bust, parts=(moving,), expression={"jawOpen": 0.5})
    busts += [posed, replace(posed, expression={"jawOpen": 0.25})]
    before = content(posed)
    assert len({content(one) for one in busts}) == len(busts)
    morph.deltas[1, 2] = 1.0
    assert content(posed) != before


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread is all there is")
def test_shadows_are_the_same_bits_on_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    bust = _roofed(255)
    rough = [
        replace(part, vertices=part.vertices + rng.normal(0, 0.004, (4, 3)).astype(np.float32))
        for part in bust.parts
    ]
    found, before = [], numba.get_num_threads()
    for threads in (1, 2):
        shadow._recent.drop(lambda kept: True)
        numba.set_num_threads(threads)
        found.append(flatten(replace(bust, parts=tuple(rough))).transfer)
    numba.set_num_threads(before)
    assert np.array_equal(*found)

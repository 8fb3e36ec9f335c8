"""The atlas: every point of a surface has the colour, roughness and normal that it had before."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from glb_reader import Glb
from synthetic_bust import ball, part, synthetic_bust

from portraiture.export.atlas import packed
from portraiture.export.gltf import glb_bytes
from portraiture.export.options import GlbOptions
from portraiture.types import Bust, Material, Part


def sampled(image: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Bilinear, repeating; uv from the lower left."""
    height, width = image.shape[:2]
    x, y = uv[:, 0] * width - 0.5, (1.0 - uv[:, 1]) * height - 0.5
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    out = 0.0
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        weight = np.abs(1 - dx - (x - x0)) * np.abs(1 - dy - (y - y0))
        texel = image[(y0 + dy) % height, (x0 + dx) % width].astype(float).reshape(len(uv), -1)
        out = out + weight[:, None] * texel
    return np.asarray(out)


def smooth_texture(size: int, hue: float) -> np.ndarray:
    y, x = 2 * np.pi * np.mgrid[0:size, 0:size] / size
    rgb = [128 + 90 * np.sin(x + hue), 128 + 90 * np.cos(y), 128 + 60 * np.sin(x + y + hue)]
    return np.stack([*rgb, 0 * x + 255], axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def bust() -> Bust:
    """Skin, two eyes, and cloth whose texture repeats two and a half times."""
    base = synthetic_bust()
    skin, eye = base.part("skin"), base.part("eye_left")
    rough = np.tile(np.linspace(40, 220, 128).astype(np.uint8), (128, 1))
    cloth = part(
        "clothes", ball((0.0, 0.5, 0.0), 0.3, rows=30, columns=40),
        Material("cloth", smooth_texture(128, 2.0), roughness=rough.T.copy(),
                 roughness_factor=0.5, double_sided=True),
    )  # fmt: skip
    cloth = dataclasses.replace(cloth, uv=cloth.uv * np.float32([2.5, 1.0]) - np.float32([0.7, 0]))
    skin = dataclasses.replace(
        skin, material=dataclasses.replace(skin.material, base_color=smooth_texture(128, 0.0))
    )
    eye = dataclasses.replace(
        eye, material=Material("eye", smooth_texture(64, 1.0), roughness_factor=0.1)
    )
    return dataclasses.replace(base, parts=(skin, eye, cloth, *base.parts[2:]))


def test_the_surface_looks_as_before(bust: Bust):
    merged, *rest = packed(bust.parts, 1024)
    sources = [
        p for p in bust.parts if p.material.alpha_mode == "opaque" and not p.material.metallic
    ]
    assert merged.name == "skin"
    assert [p.name for p in rest] == ["glasses_frame", "hair", "glasses_lenses"]
    assert len(merged.faces) == sum(len(p.faces) for p in sources)
    assert merged.uv.min() >= 0.0 and merged.uv.max() <= 1.0
    start = 0
    for source in sources:
        rows = slice(start, start + len(source.vertices))
        start += len(source.vertices)
        np.testing.assert_array_equal(merged.vertices[rows], source.vertices)
        inner = (source.uv > source.uv.min(0) + 0.03).all(1)
        inner &= (source.uv < source.uv.max(0) - 0.03).all(1)
        uv = merged.uv[rows][inner]
        before = sampled(source.material.base_color, source.uv[inner])
        after = sampled(merged.material.base_color, uv)
        assert np.abs(before - after)[:, :3].max() < 12
        rough = source.material.roughness
        even = np.full((4, 4), 255, np.uint8) if rough is None else rough
        before = sampled(even, source.uv[inner]) * source.material.roughness_factor
        assert np.abs(before - sampled(merged.material.roughness, uv)).max() < 8
    assert merged.material.double_sided
    assert merged.material.roughness_factor == 1.0


def test_parts_with_alpha_stay(bust: Bust):
    rest = {p.name: p for p in packed(bust.parts, 512)}
    assert rest["hair"] is bust.part("hair")
    assert rest["glasses_lenses"] is bust.part("glasses_lenses")
    assert rest["glasses_frame"].material.metallic == bust.part("glasses_frame").material.metallic


def test_merged_targets_move_what_they_moved(bust: Bust):
    merged: Part = packed(bust.parts, 256)[0]
    eye = bust.part("eye_left")
    start = len(bust.part("skin").vertices)
    dense = np.zeros_like(merged.vertices)
    np.add.at(dense, merged.morphs["eyeLookInLeft"].indices, merged.morphs["eyeLookInLeft"].deltas)
    moved = dense[start : start + len(eye.vertices)]
    np.testing.assert_array_equal(moved, eye.morphs["eyeLookInLeft"].deltas)


@pytest.mark.parametrize("side", [256, 1024])
def test_a_file_has_one_atlas(bust: Bust, side):
    glb = Glb(glb_bytes(bust, GlbOptions(texture_atlas=side)))
    skin, frame = glb.material("skin"), glb.material("glasses_frame")
    color = skin["pbrMetallicRoughness"]["baseColorTexture"]
    assert frame["pbrMetallicRoughness"]["baseColorTexture"] == color
    assert glb.image(color).shape == (side, side, 3)
    assert len(glb.json["meshes"]) == 4


def test_flat_materials_keep_tones_and_outlines_apart(bust: Bust):
    parts = [
        dataclasses.replace(p, material=dataclasses.replace(p.material, finish="ink"))
        for p in bust.parts
    ]
    glb = Glb(
        glb_bytes(dataclasses.replace(bust, parts=tuple(parts)), GlbOptions(texture_atlas=256))
    )
    kinds = {m["name"]: (m["extras"]["kind"], m.get("doubleSided")) for m in glb.json["materials"]}
    assert kinds["avatar_outline"] == ("outline", None)
    attributes = {
        m["name"]: "COLOR_0" in m["primitives"][0]["attributes"] for m in glb.json["meshes"]
    }
    assert attributes["skin"] and not attributes["eye_left"] and not attributes["avatar_outline"]


def test_left_out_channels_have_the_mean_of_the_parts_own_texels(bust: Bust):
    frame = bust.part("glasses_frame")
    teal = np.full((8, 8, 4), (20, 120, 130, 255), np.uint8)
    frame = dataclasses.replace(
        frame, material=dataclasses.replace(frame.material, base_color=teal, roughness_factor=0.25)
    )
    parts = tuple(frame if part.name == frame.name else part for part in bust.parts)
    bust = dataclasses.replace(bust, parts=parts)
    surfaces = [
        Glb(glb_bytes(bust, options)).material("glasses_frame")["pbrMetallicRoughness"]
        for options in (
            GlbOptions(texture_channels=frozenset()),
            GlbOptions(texture_channels=frozenset(), texture_atlas=256),
        )
    ]
    alone, packed_up = surfaces
    np.testing.assert_allclose(packed_up["baseColorFactor"], alone["baseColorFactor"], atol=1e-5)
    assert packed_up["roughnessFactor"] == pytest.approx(alone["roughnessFactor"], abs=0.003)
    assert "baseColorTexture" not in packed_up


def test_an_atlas_is_no_larger_than_textures_may_be(bust: Bust):
    glb = Glb(glb_bytes(bust, GlbOptions(texture_size=256, texture_atlas=1024)))
    color = glb.material("skin")["pbrMetallicRoughness"]["baseColorTexture"]
    assert glb.image(color).shape == (256, 256, 3)

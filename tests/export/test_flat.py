"""Flat finishes in files: unlit materials, tones at the vertices, outlines that surround a part and
move with it, MToon in VRM; lit materials are written as before."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import trimesh
from glb_reader import Glb
from synthetic_bust import synthetic_bust

from portraiture.export.arkit import ARKIT_NAMES
from portraiture.export.flat import (
    MTOON,
    OUTLINE_M,
    OUTLINE_SUFFIX,
    UNLIT,
    outline,
    vertex_tones,
)
from portraiture.export.gltf import glb_bytes
from portraiture.export.vrm import vrm_bytes
from portraiture.render.flat_tones import TOWARDS_KEY
from portraiture.types import Bust, Finish, Part


def finished(finish: Finish) -> Bust:
    """The synthetic bust, all parts of one finish."""
    bust = synthetic_bust()
    parts = tuple(
        dataclasses.replace(part, material=dataclasses.replace(part.material, finish=finish))
        for part in bust.parts
    )
    return dataclasses.replace(bust, parts=parts)


def sphere(finish: Finish = "ink") -> Part:
    """The skin, a unit-free ball whose normals are exact."""
    part = finished(finish).part("skin")
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.1)
    count = len(ball.vertices)
    return dataclasses.replace(
        part,
        vertices=np.asarray(ball.vertices, np.float32),
        faces=np.asarray(ball.faces, np.int32),
        normals=np.asarray(ball.vertices / 0.1, np.float32),
        uv=np.zeros((count, 2), np.float32),
        segment=np.ones(len(ball.faces), np.uint8),
        joints=np.zeros((count, 4), np.uint8),
        weights=np.tile(np.float32([1, 0, 0, 0]), (count, 1)),
        morphs={},
    )


def test_lit_files_have_neither_extension_nor_outline() -> None:
    glb = Glb(glb_bytes(synthetic_bust()))
    assert "extensionsUsed" not in glb.json
    assert all("extensions" not in m for m in glb.json["materials"])
    assert not any(m["name"].endswith(OUTLINE_SUFFIX) for m in glb.json["meshes"])
    for mesh in glb.json["meshes"]:
        assert "COLOR_0" not in mesh["primitives"][0]["attributes"]


@pytest.mark.parametrize("finish", ["toon", "ink"])
def test_flat_files_are_unlit_and_ink_has_outlines(finish: Finish) -> None:
    bust = finished(finish)
    glb = Glb(glb_bytes(bust))
    assert glb.json["extensionsUsed"] == [UNLIT]
    assert all(m["extensions"] == {UNLIT: {}} for m in glb.json["materials"])
    names = {mesh["name"] for mesh in glb.json["meshes"]}
    outlines = {part.name + OUTLINE_SUFFIX for part in bust.parts} & names
    assert bool(outlines) == (finish == "ink")
    assert "skin_outline" in names or finish == "toon"


def test_tones_are_white_in_the_light_and_tinted_away_from_it() -> None:
    part = sphere("toon")
    tones = vertex_tones(part)
    assert tones is not None
    cosine = part.normals @ TOWARDS_KEY
    assert (tones[cosine > 0.2] == 255).all()
    assert (tones[cosine < -0.2, :3] < 190).all() and (tones[:, 3] == 255).all()
    eye = dataclasses.replace(part, material=dataclasses.replace(part.material, kind="eye"))
    assert vertex_tones(eye) is None


def test_an_outline_surrounds_the_part_and_is_turned_inside_out() -> None:
    part = sphere()
    hull = outline(part)
    radius = np.linalg.norm(hull.vertices, axis=1)
    assert (radius > 0.1 + 0.5 * OUTLINE_M).all() and (radius < 0.1 + 1.5 * OUTLINE_M).all()
    lit, dark = (sign * (part.normals @ TOWARDS_KEY) > 0.8 for sign in (1, -1))
    assert radius[dark].mean() > radius[lit].mean()
    inside_out = trimesh.Trimesh(hull.vertices, hull.faces, process=False)
    assert inside_out.is_watertight and inside_out.volume < 0.0
    assert not hull.material.double_sided and hull.material.base_color[..., :3].max() < 40


def test_outlines_move_with_their_part_and_share_its_targets() -> None:
    glb = Glb(glb_bytes(finished("ink")))
    skin, hull = (glb.mesh(name)["primitives"][0] for name in ("skin", "skin_outline"))
    index = ARKIT_NAMES.index("browInnerUp")
    moved = [glb.accessor(p["targets"][index]["POSITION"]) for p in (skin, hull)]
    assert np.abs(moved[1]).max() == pytest.approx(np.abs(moved[0]).max(), rel=1e-5)


def test_vrm_has_mtoon_with_the_same_texture_and_binds_the_outlines() -> None:
    vrm = Glb(vrm_bytes(finished("ink"), name="Someone"))
    assert set(vrm.json["extensionsUsed"]) == {UNLIT, MTOON, "VRMC_vrm"}
    for material in vrm.json["materials"]:
        if material["name"].endswith(OUTLINE_SUFFIX):
            assert MTOON not in material["extensions"]
            continue
        record = material["extensions"][MTOON]
        texture = material["pbrMetallicRoughness"]["baseColorTexture"]
        assert record["specVersion"] == "1.0" and record["shadeMultiplyTexture"] == texture
        assert all(0.0 <= c <= 1.0 for c in record["shadeColorFactor"])
    for mesh in vrm.json["meshes"]:
        assert "COLOR_0" not in mesh["primitives"][0]["attributes"]
    nodes = {node["name"]: k for k, node in enumerate(vrm.json["nodes"]) if "mesh" in node}
    binds = vrm.json["extensions"]["VRMC_vrm"]["expressions"]["custom"]["browInnerUp"]
    assert nodes["skin_outline"] in {bind["node"] for bind in binds["morphTargetBinds"]}

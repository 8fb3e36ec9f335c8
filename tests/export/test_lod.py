"""Levels of detail: surfaces stay closed, seams and borders hold, nothing moves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from glb_reader import Glb
from synthetic_bust import ball, part, synthetic_bust, texture

from portraiture.export.gltf import glb_bytes
from portraiture.export.lod import thinned, with_lod, without_covered
from portraiture.export.options import GlbOptions
from portraiture.export.simplify import simplified
from portraiture.types import Bust, Material, Morph, Part

PLAIN = Material("plain", np.full((4, 4, 4), 255, np.uint8))


def round_ball() -> Part:
    """A sphere whose poles are one point each; 4,720 triangles."""
    vertices, faces, normals, uv = ball((0.0, 0.0, 0.0), 1.0, rows=40, columns=60)
    return part("ball", (vertices.round(6) + np.float32(0), faces, normals, uv), PLAIN)


def edges_of(part: Part) -> np.ndarray:
    """How often each undirected edge of the welded triangles occurs."""
    _, weld = np.unique(part.vertices, axis=0, return_inverse=True)
    faces = weld.reshape(-1)[part.faces]
    proper = (faces != np.roll(faces, 1, axis=1)).all(1)
    edges = np.sort(faces[proper][:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return np.unique(edges, axis=0, return_counts=True)[1]


def volume(part: Part) -> float:
    a, b, c = (part.vertices[part.faces[:, k]].astype(float) for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6.0)


def test_a_closed_surface_stays_closed_and_in_shape():
    full = round_ball()
    coarse = simplified(full, 400)
    assert 380 <= len(coarse.faces) <= 400
    assert (edges_of(coarse) == 2).all()
    assert volume(coarse) == pytest.approx(4 / 3 * np.pi, rel=0.06)
    np.testing.assert_array_equal(coarse.vertices, full.vertices)
    corners = coarse.vertices[coarse.faces]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) * corners[:, 0]
    assert (facing.sum(1) > 0).all()


def test_no_triangle_crosses_the_uv_seam():
    full = round_ball()
    coarse = simplified(full, 300)
    far = np.abs(coarse.vertices[coarse.faces][..., 1]).max(1) < 0.95
    assert far.sum() > 200
    assert np.ptp(coarse.uv[coarse.faces[far]][..., 0], axis=1).max() < 0.5


def test_a_flat_sheet_keeps_its_outline():
    y, x = np.mgrid[0:21, 0:31].astype(np.float32)
    vertices = np.stack([x, y, 0 * x], axis=2).reshape(-1, 3)
    row = np.arange(21 * 31).reshape(21, 31)
    a, b, c, d = row[:-1, :-1], row[:-1, 1:], row[1:, 1:], row[1:, :-1]
    faces = np.stack([a, b, c, a, c, d], axis=2).reshape(-1, 3).astype(np.int32)
    up = np.tile(np.float32([0, 0, 1]), (len(vertices), 1))
    sheet = part("sheet", (vertices, faces, up, vertices[:, :2] / 31), PLAIN)
    coarse = simplified(sheet, 10)
    assert len(coarse.faces) <= 12
    corners = coarse.vertices[coarse.faces].astype(float)
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] / 2
    assert (area > 0).all()
    assert area.sum() == pytest.approx(20 * 30)


def test_what_only_an_expression_bends_is_kept():
    """Half of a sphere's pole is pulled out by jawOpen: it must keep more than the other pole."""
    full = round_ball()
    top = np.flatnonzero(full.vertices[:, 1] > 0.5)
    wave = np.sin(12 * full.vertices[top, 0])[:, None] * full.normals[top]
    bent = dataclasses.replace(
        full, morphs={"jawOpen": Morph(top, (0.3 * wave).astype(np.float32))}
    )
    coarse = simplified(bent, 500)
    height = coarse.vertices[coarse.faces][..., 1].mean(1)
    assert (height > 0.5).sum() > 1.5 * (height < -0.5).sum()


def cards(count: int) -> Part:
    """Strips of 8 quads, 1 cm wide, 10 cm long, side by side along x."""
    v = np.linspace(0, 1, 9)
    one = np.stack(np.meshgrid([0.0, 1.0], v), axis=2).reshape(-1, 2)
    quad = np.array([[0, 1, 3], [0, 3, 2]])
    strip = np.concatenate([quad + 2 * k for k in range(8)])
    bend = 0.02 * np.sin(3 * one[:, 1])
    at = [
        np.stack([0.01 * one[:, 0] + 0.012 * k, 0.1 * one[:, 1], bend], axis=1)
        for k in range(count)
    ]
    vertices = np.concatenate(at).astype(np.float32)
    faces = np.concatenate([strip + 18 * k for k in range(count)]).astype(np.int32)
    normals = np.tile(np.float32([0, 0, 1]), (len(vertices), 1))
    uv = np.tile(one, (count, 1)).astype(np.float32)
    rgba = texture(64, np.random.default_rng(0), alpha=True)
    return part("hair", (vertices, faces, normals, uv), Material("hair", rgba, alpha_mode="mask"))


def test_hair_has_fewer_and_wider_cards():
    hair = cards(60)
    thin = thinned(hair, 30 * 4)
    kept = np.unique(thin.faces[:, 0] // 18)
    assert 28 <= len(kept) <= 36
    assert np.diff(kept).max() <= 4
    width = np.ptp(thin.vertices.reshape(60, 18, 3)[kept][..., 0], axis=1)
    np.testing.assert_allclose(width, 0.01 * 60 / len(kept), rtol=1e-3)
    middle = thin.vertices.reshape(60, 9, 2, 3).mean(2)
    np.testing.assert_allclose(middle, hair.vertices.reshape(60, 9, 2, 3).mean(2), atol=1e-6)


def test_skin_under_clothes_is_left_out_but_for_its_margin():
    skin = part("skin", ball((0.0, 0.0, 0.0), 0.2, rows=60, columns=90), PLAIN)
    cloth = part(
        "clothes",
        ball((0.0, 0.0, 0.0), 0.21, rows=60, columns=90),
        Material("cloth", PLAIN.base_color),
    )
    lower = cloth.vertices[cloth.faces][..., 1].max(1) < 0.0
    cloth = dataclasses.replace(cloth, faces=cloth.faces[lower], segment=cloth.segment[lower])
    bare, same = without_covered((skin, cloth))
    assert same is cloth
    height = skin.vertices[skin.faces][..., 1].max(1)
    stays = bare.vertices[bare.faces][..., 1].max(1)
    assert (stays > 0.0).sum() == (height > 0.0).sum()
    assert (stays < -0.04).sum() == 0


def test_every_level_of_a_bust_keeps_its_targets_and_parts():
    bust = synthetic_bust()
    big = ball((0.0, 0.7, 0.0), 0.25, rows=120, columns=130)
    shirt = part("shirt", big, Material("cloth", texture(64, np.random.default_rng(1))))
    bust: Bust = dataclasses.replace(bust, parts=(*bust.parts, shirt))
    for level, most in ((1, 15_000), (2, 5_000)):
        glb = Glb(glb_bytes(bust, GlbOptions(lod=level)))
        triangles = sum(len(glb.faces(mesh["name"])) for mesh in glb.json["meshes"])
        assert 0.7 * most < triangles <= most
        assert {mesh["name"] for mesh in glb.json["meshes"]} == {p.name for p in bust.parts}
        assert len(glb.mesh("skin")["primitives"][0]["targets"]) == 52
    assert with_lod(bust, 0) is bust

"""Unwrapping and baking, against an ellipsoid whose colour is known everywhere."""

from __future__ import annotations

from dataclasses import replace

import ellipsoid
import numpy as np
import pytest
from numpy import ndarray

from portraiture.camera import project
from portraiture.meshing import bake_texture as unit
from portraiture.meshing.surface import Surface, extract_surface
from portraiture.meshing.unwrap import GUTTER, Unwrapped, unwrap
from portraiture.render.visible import visible

SIZE = 256
YAWS = (-1.1, -0.7, -0.35, 0.0, 0.35, 0.7, 1.1)


@pytest.fixture(scope="module")
def surface() -> Surface:
    return extract_surface(ellipsoid.density(80), side=ellipsoid.SIDE, triangles=2500)


@pytest.fixture(scope="module")
def unwrapped(surface: Surface) -> Unwrapped:
    return unwrap(surface, texture_size=SIZE)


@pytest.fixture(scope="module")
def images() -> list[unit.PosedImage]:
    views = [(yaw, 0.0) for yaw in YAWS] + [(0.0, 0.4), (0.0, -0.4)]
    return [ellipsoid.posed_image(yaw, pitch) for yaw, pitch in views]


@pytest.fixture(scope="module")
def mesh(
    surface: Surface, unwrapped: Unwrapped, images: list[unit.PosedImage]
) -> unit.TexturedMesh:
    return unit.bake_texture(surface, unwrapped, images, texture_size=SIZE)


def _looked_up(mesh: unit.TexturedMesh) -> tuple[ndarray, ndarray]:
    """Texture colours at the middle of all triangles, and the middles in metres."""
    uv = mesh.uv[mesh.faces].mean(1) * mesh.texture.shape[0]
    column, row = uv[:, 0].astype(int), (mesh.texture.shape[0] - uv[:, 1]).astype(int)
    return mesh.texture[row, column] / 255.0, mesh.vertices[mesh.faces].mean(1)


def test_charts_cover_every_triangle_once(surface: Surface, unwrapped: Unwrapped) -> None:
    """Areas in the texture add up to the texels covered: nothing overlaps, nothing is missing."""
    np.testing.assert_array_equal(unwrapped.source[unwrapped.faces], surface.faces)
    assert unwrapped.uv.min() >= 0.0
    assert unwrapped.uv.max() <= 1.0
    a, b, c = (unwrapped.uv[unwrapped.faces[:, k]].astype(float) for k in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (np.abs(area) > 0.0).all()
    inside, _, _ = unit._texels(unwrapped, 1024)
    assert np.abs(area).sum() / 2.0 == pytest.approx(inside.mean(), rel=0.01)
    assert inside.mean() > 0.5


def test_charts_keep_their_distance(unwrapped: Unwrapped) -> None:
    """Different charts are further apart than a texel, so that bilinear look-ups do not mix."""
    corner = np.arange(len(unwrapped.source))
    for _ in range(60):
        for a, b in ((0, 1), (1, 2), (2, 0)):
            low = np.minimum(corner[unwrapped.faces[:, a]], corner[unwrapped.faces[:, b]])
            np.minimum.at(corner, unwrapped.faces[:, a], low)
            np.minimum.at(corner, unwrapped.faces[:, b], low)
    assert len(np.unique(corner)) == unwrapped.charts
    inside, corners, _ = unit._texels(unwrapped, SIZE)
    chart = np.full(inside.shape, -1)
    chart[inside] = corner[corners[:, 0]]
    for shift in range(1, GUTTER - 1):
        for axis in (0, 1):
            one, other = (np.moveaxis(x, axis, 0) for x in (chart, chart))
            one, other = one[:-shift], other[shift:]
            assert not ((one >= 0) & (other >= 0) & (one != other)).any()


def test_seen_texels_have_the_true_colour(mesh: unit.TexturedMesh) -> None:
    color, middle = _looked_up(mesh)
    facing = _facing(mesh)
    error = np.abs(color - ellipsoid.color(middle)).max(1)[facing > 0.5]
    assert np.quantile(error, 0.5) < 0.02
    assert np.quantile(error, 0.99) < 0.08
    assert mesh.seen > 0.5


def _facing(mesh: unit.TexturedMesh) -> ndarray:
    """How much each triangle faces the nearest of the level views."""
    normal = mesh.normals[mesh.faces].mean(1)
    views = np.array([[np.sin(yaw), 0.0, np.cos(yaw)] for yaw in YAWS])
    return (normal @ views.T).max(1)


def test_unseen_texels_are_filled_smoothly(mesh: unit.TexturedMesh) -> None:
    """The back has no picture: its colours lie within those seen, without holes or jumps."""
    color, _ = _looked_up(mesh)
    facing = _facing(mesh)
    back = color[facing < -0.2]
    assert len(back) > 100
    assert (back > 0.05).all()
    assert (back < 0.97).all()
    shared = _neighbours(mesh)
    jump = np.abs(color[shared[:, 0]] - color[shared[:, 1]]).max(1)
    behind = (facing[shared] < -0.2).all(1)
    assert np.quantile(jump[behind], 0.99) < 0.12


def _neighbours(mesh: unit.TexturedMesh) -> ndarray:
    """Pairs of triangles with a common edge, also across seams."""
    _, welded = np.unique(mesh.vertices, axis=0, return_inverse=True)
    faces = welded.reshape(-1)[mesh.faces]
    edges = np.sort(np.concatenate([faces[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]), 1)
    owner = np.tile(np.arange(len(faces)), 3)
    order = np.lexsort(edges.T)
    edges, owner = edges[order], owner[order]
    same = (edges[1:] == edges[:-1]).all(1)
    return np.stack([owner[:-1][same], owner[1:][same]], 1)


def test_background_never_bleeds_in(mesh: unit.TexturedMesh) -> None:
    """The images' background is white and the surface nowhere is."""
    assert (mesh.texture.min(2) < 240).all()


def test_mesh_renders_as_the_images(mesh: unit.TexturedMesh) -> None:
    """Rendered from a view that was not baked: 30 dB inside the outline."""
    camera = ellipsoid.camera(0.2, 0.1)
    truth, hit = ellipsoid.trace(camera, SIZE)
    points = project(mesh.vertices, camera, (SIZE, SIZE))
    points[:, :2] *= points[:, 2:]
    triangle, bary, _ = visible(points, mesh.faces, (SIZE, SIZE))
    both = hit & (triangle >= 0)
    assert both.sum() > 0.99 * hit.sum()
    uv = np.einsum("pk,pkc->pc", bary[both], mesh.uv[mesh.faces[triangle[both]]])
    uv[:, 1] = 1.0 - uv[:, 1]
    shown = unit._sample(mesh.texture / 255.0, uv)
    assert -10.0 * np.log10(((shown - truth[both]) ** 2).mean()) > 30.0


def test_hidden_points_take_no_colour_from_what_hides_them() -> None:
    """Two spheres, one behind the other: the hidden front of the far one stays unseen."""
    near = extract_surface(ellipsoid.density(48), side=ellipsoid.SIDE, triangles=600)
    far = replace(near, vertices=near.vertices - np.array([0.0, 0.0, 0.3], np.float32))
    both = Surface(
        np.concatenate([near.vertices, far.vertices]),
        np.concatenate([near.faces, far.faces + len(near.vertices)]),
    )
    camera = ellipsoid.camera(0.0)
    red = np.broadcast_to(np.float32([1.0, 0.0, 0.0]), (64, 64, 3))
    shown = unit._Shown.of(both, unit.PosedImage(red, camera))
    normals = unit.vertex_normals(both.vertices, both.faces)
    seen, _, _ = shown.look_up(both.vertices, normals)
    count = len(near.vertices)
    front = normals[:, 2] > 0.5
    assert seen[:count][front[:count]].all()
    assert not seen[count:].any()


def test_images_are_needed(surface: Surface, unwrapped: Unwrapped) -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        unit.bake_texture(surface, unwrapped, [])

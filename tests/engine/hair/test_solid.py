"""Solid hair: closed, turned outwards, where the strands are, and bound to the head."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import trimesh
from thinned import thinned

from portraiture.engine.hair.build import make_hair
from portraiture.engine.hair.clumps import Clumps, gather, resampled, sample
from portraiture.engine.hair.solid import carve, make_solid_hair
from portraiture.engine.parameters import DISCRETE, AvatarParameters
from portraiture.engine.shape import shape_head
from portraiture.types import Material, Part, Segment

STYLES = [style for style in DISCRETE["hair_style"] if style != "bald"]
MATERIAL = Material("plain", np.full((4, 4, 4), 255, np.uint8))


@cache
def _solid(style: str) -> Part:
    parameters = AvatarParameters(hair_style=style)  # type: ignore[arg-type]
    part = make_solid_hair(parameters, shape_head(AvatarParameters()), MATERIAL)
    assert part is not None
    return part


def _silhouette(part: Part, axis: int, side: float = 0.004) -> np.ndarray:
    """Cells of a grid seen along `axis` that the triangles cover, by points on them."""
    a, b, c = (part.vertices[part.faces[:, k]].astype(float) for k in range(3))
    shares = [(i, j) for i in np.linspace(0, 1, 7) for j in np.linspace(0, 1, 7) if i + j <= 1]
    points = np.concatenate([a + u * (b - a) + v * (c - a) for u, v in shares])
    low = np.delete([-0.3, 0.4, -0.3], axis)
    cell = np.floor((np.delete(points, axis, 1) - low) / side)
    out = np.zeros((250, 250), bool)
    out[tuple(cell.astype(int).T)] = True
    return out


@pytest.mark.parametrize("style", thinned(STYLES))
def test_it_is_closed_and_faces_outwards(style: str) -> None:
    part = _solid(style)
    mesh = trimesh.Trimesh(part.vertices, part.faces, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 5e-5
    outward = mesh.vertices - mesh.vertices.mean(0)
    assert (part.normals * outward).sum(1).mean() > 0.01
    assert len(part.faces) < 100_000 and (part.segment == Segment.HAIR).all()
    np.testing.assert_allclose(part.weights.sum(1), 1.0, atol=1e-5)
    assert part.uv.min() >= 0.0 and part.uv.max() <= 1.0


@pytest.mark.parametrize("style", ["short", "bob", "long_wavy", "afro", "curly", "pixie"])
def test_its_silhouette_is_that_of_the_strands(style: str) -> None:
    strands = make_hair(
        AvatarParameters(hair_style=style),  # type: ignore[arg-type]
        shape_head(AvatarParameters()),
    )
    assert strands is not None
    for axis in (0, 2):
        solid, hair = _silhouette(_solid(style), axis), _silhouette(strands, axis)
        assert (solid & hair).sum() / (solid | hair).sum() > 0.82, axis


def test_same_input_same_bits_and_bald_has_none() -> None:
    shape = shape_head(AvatarParameters())
    again = make_solid_hair(AvatarParameters(hair_style="pixie"), shape, MATERIAL)
    assert again is not None
    np.testing.assert_array_equal(again.vertices, _solid("pixie").vertices)
    assert make_solid_hair(AvatarParameters(hair_style="bald"), shape, MATERIAL) is None


def test_a_straight_lock_is_carved_at_its_radius() -> None:
    """Closed form: the volume of a round rod, and ridges that follow it."""
    line = np.stack([np.zeros(14), np.linspace(0.1, 0.0, 14), np.zeros(14)], axis=1)
    rod = Clumps(line[None], np.full((1, 14), 0.01))
    solid = carve(np.zeros((0, 3)), sample(rod, 0.001), 0.002)
    assert solid is not None
    mesh = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
    assert mesh.is_watertight
    expected = np.pi * 0.01**2 * 0.1 + 4 / 3 * np.pi * 0.01**3
    assert mesh.volume == pytest.approx(expected, rel=0.06)
    assert np.allclose(solid.ridge, 0.0) and (solid.lock == 0).all()
    middle = np.abs(solid.vertices[:, 1] - 0.05) < 0.03
    np.testing.assert_allclose(solid.along[middle], 1 - solid.vertices[middle, 1] / 0.1, atol=0.06)


def test_a_groove_runs_between_two_locks() -> None:
    line = np.stack([np.zeros(14), np.linspace(0.1, 0.0, 14), np.zeros(14)], axis=1)
    pair = Clumps(np.stack([line, line + np.array([0.016, 0, 0])]), np.full((2, 14), 0.01))
    solid = carve(np.zeros((0, 3)), sample(pair, 0.001), 0.002)
    assert solid is not None
    between = np.abs(solid.vertices[:, 0] - 0.008) < 0.0008
    outside = (solid.vertices[:, 0] < -0.002) | (solid.vertices[:, 0] > 0.018)
    assert solid.ridge[between].min() > 0.7 and solid.ridge[outside].max() < 0.2


def test_crumbs_are_dropped() -> None:
    block = np.stack(np.meshgrid(*[np.arange(12) * 0.002] * 3), axis=-1).reshape(-1, 3)
    alone = carve(block, None, 0.002)
    crumbs = carve(np.concatenate([block, [[0.06, 0.0, 0.0]]]), None, 0.002)
    assert alone is not None and crumbs is not None
    assert len(alone.vertices) == len(crumbs.vertices)


def test_strands_are_gathered_by_their_course() -> None:
    """Two bundles, one crossing the other's tips: two clumps along the bundles' middles."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, 14)[None, :, None]
    start = np.repeat([[0.0, 0, 0], [0.05, 0, 0]], 30, 0) + rng.normal(0, 0.002, (60, 3))
    end = np.repeat([[0.0, -0.1, 0], [0.05, -0.1, 0.05]], 30, 0) + rng.normal(0, 0.002, (60, 3))
    strands = start[:, None] + t * (end - start)[:, None]
    clumps = gather(strands, rng.random(60), 2, taper=0.2)
    assert len(clumps.line) == 2
    tips = clumps.line[np.argsort(clumps.line[:, -1, 0]), -1]
    np.testing.assert_allclose(tips, [[0.0, -0.1, 0], [0.05, -0.1, 0.05]], atol=0.002)
    assert (clumps.radius[:, -1] < 0.3 * clumps.radius[:, 5]).all()
    np.testing.assert_allclose(resampled(strands, 14), strands, atol=1e-12)

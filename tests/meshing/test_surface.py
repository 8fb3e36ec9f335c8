"""Density grids to closed surfaces, against an ellipsoid's closed form."""

from __future__ import annotations

import ellipsoid
import numpy as np
import pytest
import trimesh
from numpy import ndarray

from portraiture.camera import EG3D_UNIT_M, world_to_camera
from portraiture.errors import SurfaceError
from portraiture.meshing import surface as unit
from portraiture.photo.align import to_eg3d_world
from portraiture.types import Camera

N = 96
STEP = ellipsoid.SIDE / (N - 1)


@pytest.fixture(scope="module")
def density() -> ndarray:
    return ellipsoid.density(N)


@pytest.fixture(scope="module")
def surface(density: ndarray) -> unit.Surface:
    return unit.extract_surface(density, side=ellipsoid.SIDE, triangles=6000)


def _units(surface: unit.Surface) -> ndarray:
    return to_eg3d_world(surface.vertices.astype(np.float64))


def _closed(surface: unit.Surface) -> bool:
    """Every directed edge has its opposite exactly once."""
    edges = np.concatenate([surface.faces[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    forward = {tuple(edge) for edge in edges.tolist()}
    return len(forward) == len(edges) and all((b, a) in forward for a, b in forward)


def test_surface_lies_on_the_level(surface: unit.Surface) -> None:
    """Hausdorff distance to the ellipsoid, both ways, under a fifth of a voxel."""
    there = np.abs(ellipsoid.implicit(_units(surface))).max()
    sphere = np.random.default_rng(0).normal(size=(200, 3))
    truth = ellipsoid.AXES * sphere / np.linalg.norm(sphere, axis=1, keepdims=True)
    back = _radial_gap(truth, _units(surface)[surface.faces])
    assert max(there, back) < 0.2 * STEP


def _radial_gap(truth: ndarray, triangles: ndarray) -> float:
    """Largest distance, along rays from the origin, of points from where their rays pierce a
    triangle; which is no less than the distance of the nearest triangle."""
    a, b, c = (triangles[:, k] for k in range(3))
    det = np.einsum("ni,ni->n", a, np.cross(b, c))
    weights = np.stack([truth @ np.cross(p, q).T / det for p, q in ((b, c), (c, a), (a, b))])
    hit = (weights >= -1e-9).all(0)
    assert hit.any(1).all()
    share = 1.0 / np.where(hit, weights.sum(0), np.nan)
    return float(np.nanmax(np.abs(share - 1.0) * np.linalg.norm(truth, axis=1)[:, None]))


def test_surface_is_closed_and_faces_outwards(surface: unit.Surface) -> None:
    assert _closed(surface)
    assert abs(len(surface.faces) - 6000) <= 60
    volume = unit.signed_volume(_units(surface), surface.faces)
    assert volume == pytest.approx(4 / 3 * np.pi * ellipsoid.AXES.prod(), rel=0.01)


def test_normals_are_the_ellipsoids(surface: unit.Surface) -> None:
    normal = unit.vertex_normals(surface.vertices, surface.faces)
    truth = _units(surface) / ellipsoid.AXES**2
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    angle = np.degrees(np.arccos(np.clip((normal * truth).sum(1), -1.0, 1.0)))
    assert np.quantile(angle, 0.99) < 5.0
    assert angle.max() < 15.0


def test_floaters_and_hollows_go(density: ndarray, surface: unit.Surface) -> None:
    points = ellipsoid.grid_points(N)
    floater = np.linalg.norm(points - [0.32, 0.3, 0.3], axis=-1) < 0.05
    hollow = np.linalg.norm(points, axis=-1) < 0.1
    dirty = np.where(floater, 500.0, np.where(hollow, -500.0, density)).astype(np.float32)
    found = unit.extract_surface(dirty, side=ellipsoid.SIDE, triangles=6000)
    np.testing.assert_array_equal(found.vertices, surface.vertices)


def test_what_leaves_the_box_is_cut_flat_and_closed() -> None:
    """A tube, as a hollow neck that the box cuts, becomes a solid post of the box's height."""
    x, y, z = np.moveaxis(ellipsoid.grid_points(64), -1, 0)
    wall = 0.03 - np.abs(np.hypot(x, z) - 0.17)
    lid = np.minimum(0.2 - np.hypot(x, z), 0.04 - np.abs(y - 0.16))
    distance = np.maximum(np.minimum(wall, 0.2 - y), lid)
    tube = (3000.0 * distance + unit.raw_density(30.0)).astype(np.float32)
    found = unit.extract_surface(tube, side=ellipsoid.SIDE, smooth_rounds=0)
    assert _closed(found)
    assert _units(found)[:, 1].min() == pytest.approx(-ellipsoid.SIDE / 2, abs=ellipsoid.SIDE / 63)
    volume = unit.signed_volume(_units(found), found.faces)
    height = 0.2 + ellipsoid.SIDE / 2
    assert volume == pytest.approx(np.pi * 0.2**2 * height, rel=0.05)


def test_absorption_is_the_inverse_of_softplus() -> None:
    for value in (0.01, 1.0, 30.0, 2000.0):
        raw = unit.raw_density(value)
        assert np.logaddexp(0.0, raw - 1.0) == pytest.approx(value, rel=1e-9)


def test_levels_move_the_surface_as_the_density_says(density: ndarray) -> None:
    """Where the density rises by 3,000 a unit, 60 instead of 30 lies 30 / 3000 units deeper."""
    found = unit.extract_surface(density, side=ellipsoid.SIDE, absorption=60.0)
    depth = -ellipsoid.implicit(_units(found))
    assert np.median(depth) == pytest.approx(0.01, abs=0.05 * STEP)


def test_smoothing_takes_noise_and_keeps_size() -> None:
    """A noisy sphere loses most of its roughness and under 0.2 % of its radius."""
    sphere = trimesh.creation.icosphere(5)
    rng = np.random.default_rng(0)
    rough = sphere.vertices * (1.0 + 0.01 * rng.standard_normal((len(sphere.vertices), 1)))
    smooth = unit.taubin_smooth(rough, sphere.faces)
    before, after = (np.linalg.norm(v, axis=1) for v in (rough, smooth))
    assert after.std() < 0.4 * before.std()
    assert after.mean() == pytest.approx(1.0, abs=2e-3)


def test_metres_are_the_inverse_of_aligns_world() -> None:
    points = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(to_eg3d_world(unit.to_metres(points)), points, atol=1e-12)


def test_metric_camera_sees_the_same() -> None:
    """A point and its camera keep their relation, at the scale of metres."""
    T = np.eye(4)
    T[:3, :3] = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    T[:3, 3] = [0.1, 0.2, 2.7]
    camera = Camera(T, np.eye(3))
    point = np.array([0.05, -0.1, 0.2, 1.0])
    moved = np.append(unit.to_metres(point[:3]), 1.0)
    one = world_to_camera(camera) @ point
    other = world_to_camera(unit.metric_camera(camera)) @ moved
    np.testing.assert_allclose(other[:3], one[:3] * EG3D_UNIT_M, atol=1e-12)


def test_no_head_is_said_in_one_sentence() -> None:
    with pytest.raises(SurfaceError, match="no solid head"):
        unit.extract_surface(np.full((16, 16, 16), -5.0, np.float32), side=1.0)
    with pytest.raises(SurfaceError, match="not finite"):
        unit.extract_surface(np.full((16, 16, 16), np.nan, np.float32), side=1.0)
    with pytest.raises(ValueError, match="grid"):
        unit.extract_surface(np.zeros((4, 4, 5), np.float32), side=1.0)

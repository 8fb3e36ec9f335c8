"""Mending triangles into a closed surface, on a sphere that is broken in known ways."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from numpy import ndarray

from portraiture.meshing.close_mesh import boundary_loops, close_mesh
from portraiture.meshing.surface import extract_surface, signed_volume


def _closed(faces: ndarray) -> bool:
    edges = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    there = {tuple(edge) for edge in edges.tolist()}
    return len(there) == len(edges) and all((b, a) in there for a, b in there)


@pytest.fixture
def sphere() -> tuple[ndarray, ndarray]:
    mesh = trimesh.creation.icosphere(3)
    return np.array(mesh.vertices), np.array(mesh.faces)


def test_a_closed_mesh_stays(sphere: tuple[ndarray, ndarray]) -> None:
    vertices, faces = close_mesh(*sphere)
    np.testing.assert_array_equal(vertices[faces], sphere[0][sphere[1]])


def test_holes_are_filled(sphere: tuple[ndarray, ndarray]) -> None:
    """A cap and a few single triangles are gone, two of them with a corner in common."""
    vertices, faces = sphere
    keep = vertices[faces].mean(1)[:, 2] < 0.9
    keep[[5, 100]] = False
    keep[np.flatnonzero((faces == faces[200, 0]).any(1))[[0, 2]]] = False
    assert len(boundary_loops(faces[keep])) >= 3
    mended, closed = close_mesh(vertices, faces[keep])
    assert _closed(closed)
    assert signed_volume(mended, closed) == pytest.approx(signed_volume(*sphere), rel=0.03)


def test_fins_and_crumbs_go(sphere: tuple[ndarray, ndarray]) -> None:
    """A fin on an edge, a triangle twice, one turned round, and a small tetrahedron beside."""
    vertices, faces = sphere
    crumb = trimesh.creation.icosphere(0)
    vertices = np.concatenate([vertices, [[0.0, 0.0, 2.0]], crumb.vertices * 0.1 + 3.0])
    fin = [[faces[7, 0], faces[7, 1], len(sphere[0])], [faces[7, 1], faces[7, 0], len(sphere[0])]]
    faces = np.concatenate([faces, fin, faces[[50]], crumb.faces + len(sphere[0]) + 1])
    faces[120] = faces[120, ::-1]
    mended, closed = close_mesh(vertices, faces)
    assert _closed(closed)
    assert np.linalg.norm(mended, axis=1).max() < 1.001
    assert signed_volume(mended, closed) == pytest.approx(signed_volume(*sphere), rel=0.01)


def test_rough_densities_give_closed_surfaces() -> None:
    """Noise makes every ambiguous case of marching cubes."""
    steps = np.linspace(-1.0, 1.0, 40)
    x, y, z = np.meshgrid(steps, steps, steps, indexing="ij")
    noise = np.random.default_rng(0).normal(size=x.shape)
    density = 400.0 * (0.8 - np.sqrt(x * x + y * y + z * z)) + 60.0 * noise
    found = extract_surface(density.astype(np.float32), side=0.8, triangles=4000)
    assert _closed(found.faces)
    assert signed_volume(found.vertices, found.faces) > 0.0

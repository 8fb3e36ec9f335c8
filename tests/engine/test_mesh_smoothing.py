"""Smoothing over a mesh against the definition, written out."""

from __future__ import annotations

import numpy as np

from portraiture.engine.mesh_smoothing import smoothed, smoothed_normals

FACES = np.array([[0, 1, 2], [1, 3, 2], [2, 3, 4]])


def test_one_round_is_half_the_mean_of_the_neighbours() -> None:
    values = np.array([[0.0], [1.0], [4.0], [2.0], [7.0]])
    linked = {0: {1, 2}, 1: {0, 2, 3}, 2: {0, 1, 3, 4}, 3: {1, 2, 4}, 4: {2, 3}}
    expected = [
        0.5 * values[k] + 0.5 * np.mean([values[j] for j in sorted(near)], axis=0)
        for k, near in linked.items()
    ]
    np.testing.assert_allclose(smoothed(values, FACES, 1), expected)
    np.testing.assert_array_equal(smoothed(values, FACES, 0), values)


def test_normals_agree_across_a_seam() -> None:
    """Vertex 5 is vertex 2 again, as at a UV seam."""
    rng = np.random.default_rng(0)
    vertices = rng.random((5, 3)).astype(np.float32)
    vertices = np.concatenate([vertices, vertices[2:3]])
    normals = rng.normal(size=(6, 3)).astype(np.float32)
    normals[5] = normals[2]
    faces = np.array([[0, 1, 2], [1, 3, 2], [5, 3, 4]])
    out = smoothed_normals(vertices, normals, faces, 2)
    np.testing.assert_allclose(out[5], out[2])
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1.0, rtol=1e-5)
    assert smoothed_normals(vertices, normals, faces, 0) is normals

"""Clipping against areas known in closed form."""

from __future__ import annotations

import numpy as np

from portraiture.engine.bake.clip import clip_triangles


def _grid(n: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[0 : n + 1, 0 : n + 1] / n
    points = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1)
    i = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).ravel()
    quads = np.stack([i, i + 1, i + n + 2, i + n + 1], 1)
    return points, np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])


def test_a_square_cut_by_a_line_keeps_the_exact_area_and_orientation() -> None:
    points, faces = _grid(7)
    inside = 1.03 - points[:, 0] - 0.8 * points[:, 1]
    kept, kept_uv, cut, cut_uv = clip_triangles(faces, faces, inside, len(points))
    p, uv = cut.extend(points), cut_uv.extend(points[:, :2])
    normal = np.cross(p[kept[:, 1]] - p[kept[:, 0]], p[kept[:, 2]] - p[kept[:, 0]])[:, 2]
    assert (normal > -1e-12).all()
    grid = (np.mgrid[0:2000, 0:2000] + 0.5) / 2000
    brute = (1.03 - grid[1] - 0.8 * grid[0] > 0).mean()
    assert abs(0.5 * normal.sum() - brute) < 1e-3
    assert np.allclose(uv[kept_uv], p[kept][:, :, :2])
    border = p[len(points) :]
    assert np.allclose(1.03 - border[:, 0] - 0.8 * border[:, 1], 0.0, atol=1e-12)


def test_nothing_changes_when_all_is_inside() -> None:
    points, faces = _grid(3)
    kept, _, cut, _ = clip_triangles(faces, faces, np.ones(len(points)), len(points))
    assert np.array_equal(kept, faces) and not cut.t

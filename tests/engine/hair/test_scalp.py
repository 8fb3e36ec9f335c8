import numpy as np
import pytest

from portraiture.engine.hair.darts import spread
from portraiture.engine.hair.scalp import (
    CENTRE,
    RADIUS,
    canonical_head,
    chart,
    depth_table,
    ear_mask,
    grow_roots,
    hairline,
    scalp_depth,
)


def _direction(azimuth, elevation):
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])


def test_chart_of_known_directions():
    azimuth, elevation = chart(CENTRE + 0.1 * np.eye(3))
    np.testing.assert_allclose(azimuth[[0, 2]], [90.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(elevation, [0.0, 90.0, 0.0], atol=1e-9)


@pytest.mark.parametrize("recession", [0.0, 0.4, 1.0])
def test_depth_is_the_distance_to_the_hairline(recession):
    rng = np.random.default_rng(0)
    along = np.linspace(0, 180, 4001)
    line = np.stack(_direction(along, hairline(along, recession)), axis=1)
    for _ in range(40):
        azimuth, elevation = rng.uniform(-180, 180), rng.uniform(-60, 85)
        point = CENTRE + 0.09 * _direction(azimuth, elevation)
        nearest = np.linalg.norm(line - _direction(abs(azimuth), elevation), axis=1).min()
        inside = elevation > hairline(np.array(azimuth), recession)
        depth = scalp_depth(point, recession)
        assert abs(abs(depth) - RADIUS * nearest) < 4e-4
        assert (depth > 0) == inside


def test_depth_table_agrees_with_depth():
    table = depth_table(0.4)
    for row, column in ((90, 0), (120, 60), (60, 180), (150, 90)):
        point = CENTRE + _direction(column, row - 90.0)
        assert abs(table[row, column] - scalp_depth(point, 0.4)) < 1e-6


def test_recession_moves_forehead_and_temples_only():
    front, back = np.linspace(0, 60, 61), np.linspace(80, 180, 101)
    assert (hairline(front, 1.0) > hairline(front, 0.0) + 5.0).all()
    np.testing.assert_allclose(hairline(back, 1.0), hairline(back, 0.0), atol=1e-9)
    assert hairline(np.array(40.0), 1.0) > hairline(np.array(0.0), 1.0) + 5.0


def test_roots_lie_on_the_scalp():
    head = canonical_head()
    roots = grow_roots(900, 0.4, edge=0.006, seed=1)
    assert 600 < len(roots.face) <= 900
    np.testing.assert_allclose(roots.barycentric.sum(1), 1.0, atol=1e-5)
    assert (roots.barycentric >= 0).all()
    position, normal = roots.on(head)
    np.testing.assert_allclose(position, roots.canonical, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1.0, atol=1e-9)
    assert (roots.depth > 0).all()
    assert not ear_mask(head.model)[head.faces[roots.face]].any()
    eyes = head.group("helper-l-eye").mean(0)
    face = (position[:, 2] > 0.10) & (position[:, 1] < eyes[1] + 0.045)
    assert not face.any()


def test_higher_hairline_keeps_a_subset():
    low = grow_roots(600, 0.1, edge=0.006, seed=2)
    high = grow_roots(600, 0.9, edge=0.006, seed=2)
    kept = {p.tobytes() for p in low.canonical}
    assert len(high.face) < len(low.face)
    assert all(p.tobytes() in kept for p in high.canonical)


def test_spread_against_brute_force():
    points = np.random.default_rng(3).random((700, 3)) * 0.1
    kept = spread(points, 120)
    assert 90 <= len(kept) <= 120
    gaps = np.linalg.norm(points[kept][:, None] - points[kept][None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    radius = gaps.min()
    rejected = np.setdiff1d(np.arange(700), kept)
    reach = np.linalg.norm(points[rejected][:, None] - points[kept][None], axis=2).min(1)
    assert (reach <= radius + 1e-3).all()
    assert (spread(points[:50], 60) == np.arange(50)).all()

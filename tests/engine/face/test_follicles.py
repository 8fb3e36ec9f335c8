from __future__ import annotations

import numpy as np
import pytest
from wear_cases import CASES, shape_of, signed_distance

from portraiture.engine.face import follicles
from portraiture.types import Segment


def test_closest_on_skin_agrees_with_brute_force():
    shape = shape_of(0)
    rng = np.random.default_rng(1)
    points = shape.skin[rng.integers(0, len(shape.skin), 25)] + rng.normal(0.0, 0.004, (25, 3))
    found = follicles.closest_on_skin(points, shape)
    distance = np.linalg.norm(found.position - points, axis=1)
    truth = np.abs(signed_distance(points, shape.skin, shape.faces))
    np.testing.assert_allclose(distance, truth, atol=2e-4)
    assert np.median(distance - truth) < 1e-9


def test_scatter_follows_the_density_and_leaves_segments_bare():
    shape = shape_of(0)
    rng = np.random.default_rng(2)

    def density(points):
        return np.where(points[:, 2] > 0.1, np.where(points[:, 0] > 0, 0.8, 0.2), 0.0)

    roots = follicles.scatter(shape, density, 4000, rng, bare=(Segment.NOSE,))
    assert len(roots.face) == 4000
    assert (roots.canonical[:, 2] > 0.1).all()
    assert 0.76 < (roots.canonical[:, 0] > 0).mean() < 0.84
    assert not (shape.model.arrays["skin_segment"][roots.face] == Segment.NOSE).any()
    on = np.einsum("pk,pkc->pc", roots.barycentric, shape.skin[shape.faces[roots.face]])
    np.testing.assert_allclose(roots.position, on, atol=1e-7)


def test_scatter_gives_nothing_where_nothing_grows():
    roots = follicles.scatter(
        shape_of(0), lambda points: np.zeros(len(points)), 10, np.random.default_rng(0)
    )
    assert len(roots.face) == 0


def test_roots_are_the_same_on_every_head():
    def density(points):
        return (points[:, 1] > 0.6).astype(float)

    first, second = (
        follicles.scatter(shape_of(case), density, 500, np.random.default_rng(3)) for case in (0, 1)
    )
    np.testing.assert_array_equal(first.face, second.face)
    assert np.abs(first.position - second.position).max() > 0.001


def test_comb_gives_unit_tangents_and_carries_edges():
    shape = shape_of(2)
    face = np.arange(0, len(shape.faces), 50)
    roots = follicles.roots_at(shape, face, np.full((len(face), 3), 1 / 3))
    canonical = follicles.canonical_skin(shape.model)[shape.faces[face]]
    combed = follicles.comb(roots, shape, canonical[:, 1] - canonical[:, 0])
    np.testing.assert_allclose(np.linalg.norm(combed, axis=1), 1.0, atol=1e-9)
    assert np.abs((combed * roots.normal).sum(1)).max() < 1e-9
    edge = follicles.unit(shape.skin[shape.faces[face, 1]] - shape.skin[shape.faces[face, 0]])
    assert np.median((combed * edge).sum(1)) > 0.98


def test_carry_keeps_skin_points_on_the_skin_and_heights_above_it():
    shape = shape_of(1)
    canonical = follicles.canonical_skin(shape.model)
    corners = canonical[shape.faces[::200]].astype(np.float64)
    middle = corners.mean(1)
    normal = follicles.unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    carried = follicles.carry(middle, shape)
    np.testing.assert_allclose(carried, shape.skin[shape.faces[::200]].mean(1), atol=1e-6)
    lifted = follicles.carry(middle + 5e-4 * normal, shape)
    height = np.linalg.norm(lifted - carried, axis=1)
    assert np.mean(np.abs(height - 5e-4) < 1e-6) > 0.95  # folds have a nearer triangle


def test_strand_texture_fades_from_root_to_tip_and_greys():
    def draw(**options):
        return follicles.strand_texture(
            np.array([0.3, 0.2, 0.1]),
            np.random.default_rng(4),
            columns=4,
            hairs=6,
            thickness=0.1,
            **options,
        )

    plain, grey = draw(), draw(grey=1.0)
    cover = (plain[..., 3] > 100).mean(1)
    assert cover[:30].mean() > 1.5 * cover[-30:].mean()
    assert grey[..., :3].mean() > plain[..., :3].mean() + 5
    solid = grey[grey[..., 3] > 250][:, :3]
    assert np.ptp(solid, axis=1).max() <= 1
    np.testing.assert_array_equal(plain, draw())


@pytest.mark.parametrize("case", range(len(CASES)))
def test_normals_of_roots_are_unit(case):
    shape = shape_of(case)
    roots = follicles.roots_at(shape, np.arange(50), np.full((50, 3), 1 / 3))
    np.testing.assert_allclose(np.linalg.norm(roots.normal, axis=1), 1.0, atol=1e-9)

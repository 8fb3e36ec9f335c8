from __future__ import annotations

import numpy as np
import pytest
from synthetic_bust import synthetic_bust

from portraiture.render import mesh
from portraiture.render.framing import portrait_camera
from portraiture.render.light import portrait_light
from portraiture.render.mesh import lit, render_bust, render_lit, render_rgba
from portraiture.render.whole_pixels_numba import STEP_M, split_pixels


def test_pixels_and_samples_are_those_of_brute_force():
    rng = np.random.default_rng(0)
    factor, triangles = 2, 9
    blocks = rng.integers(-1, triangles, (8, 10))
    triangle = np.repeat(np.repeat(blocks, factor, 0), factor, 1).astype(np.int32)
    noisy = rng.random(triangle.shape) < 0.15
    triangle[noisy] = rng.integers(-1, triangles, int(noisy.sum()))
    bary = rng.random((*triangle.shape, 3)).astype(np.float32)
    depth = np.where(rng.random(triangle.shape) < 0.1, 1.0 + 2.0 * STEP_M, 1.0).astype(np.float32)
    part = (np.arange(triangles) // 3).astype(np.int16)
    allowed = np.array([1, 0, 1], np.uint8)
    once, each = split_pixels(triangle, bary, depth, part, allowed, factor)
    whole = np.zeros(blocks.shape, bool)
    for row, column in np.ndindex(blocks.shape):
        at = np.s_[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        shown = triangle[at]
        whole[row, column] = (
            (shown >= 0).all()
            and len(set(part[shown.ravel()])) == 1
            and allowed[part[shown[0, 0]]] == 1
            and np.ptp(depth[at]) < STEP_M
        )
        if whole[row, column]:
            k = int(np.flatnonzero((once.pixel == (row, column)).all(1))[0])
            same = shown == shown[0, 0]
            assert once.triangle[k] == shown[0, 0]
            np.testing.assert_allclose(once.bary[k], bary[at][same].mean(0), rtol=1e-6)
    np.testing.assert_array_equal(once.pixel, np.argwhere(whole))
    alone = (triangle >= 0) & ~np.repeat(np.repeat(whole, factor, 0), factor, 1)
    rows, columns = each.pixel.T
    assert alone[rows, columns].all()
    assert len(np.unique(each.pixel, axis=0)) == len(each.pixel) == alone.sum()
    np.testing.assert_array_equal(each.triangle, triangle[rows, columns])
    np.testing.assert_array_equal(each.bary, bary[rows, columns])
    assert 5 < whole.sum() < blocks.size - 5


@pytest.mark.parametrize(("size", "factor"), [(96, 2), ((48, 64), 3), (48, 4)])
def test_an_image_of_whole_pixels_is_nearly_that_of_all_samples(monkeypatch, size, factor):
    bust = synthetic_bust()
    camera = portrait_camera(bust, yaw=0.3)
    fast = render_rgba(bust, camera, size=size, supersample=factor)
    monkeypatch.setattr(mesh, "_smooth", lambda scene, *_: np.zeros(len(scene.kind), np.uint8))
    slow = render_rgba(bust, camera, size=size, supersample=factor)
    np.testing.assert_array_equal(fast[..., 3], slow[..., 3])
    difference = np.abs(fast - slow)[slow[..., 3] > 0]
    assert 0.0 < np.sqrt((difference**2).mean()) < 0.013


def test_the_image_alone_is_that_of_the_frame():
    bust = synthetic_bust()
    camera = portrait_camera(bust)
    np.testing.assert_array_equal(
        render_rgba(bust, camera, size=48), render_bust(bust, camera, size=48).rgba
    )


def test_one_light_serves_many_cameras():
    bust = synthetic_bust()
    light = portrait_light(azimuth=0.5, elevation=0.3, contrast=0.6, exposure=0.8)
    seen = lit(bust, light=light, shading="soft")
    for yaw in (0.0, 0.7):
        camera = portrait_camera(bust, yaw=yaw)
        alone = render_rgba(bust, camera, size=48, light=light, shading="soft")
        np.testing.assert_array_equal(render_lit(seen, camera, size=48), alone)

"""Rasterisation against per-pixel ray tests, closed forms and finite differences."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch

from portraiture.render.alpha_test import (
    COARSER_LOD,
    COARSEST_LOD,
    THIN,
    AlphaTest,
    soften_hair,
)
from portraiture.render.rasterize import antialias, interpolate, rasterize
from portraiture.render.visible import _log_fallback, visible

BACKENDS = ("torch", "numba")
SIZES = ((1, 1), (7, 5), (16, 16), (13, 31))


def random_scene(seed: int, size: tuple[int, int], count: int = 12):
    """Triangles around the image, some partly behind the camera, as homogeneous pixels."""
    rng = np.random.default_rng(seed)
    height, width = size
    camera = rng.uniform([-1.2, -1.2, 0.6], [1.2, 1.2, 3.0], (3 * count, 3))
    camera[rng.random(3 * count) < 0.12, 2] *= -1.0
    pixels = camera * [0.8 * width, 0.8 * height, 1.0]
    pixels[:, 0] += 0.5 * width * camera[:, 2]
    pixels[:, 1] += 0.5 * height * camera[:, 2]
    faces = np.arange(3 * count).reshape(count, 3)
    return pixels, faces


def nearest_by_rays(points, faces, size, near):
    """Solve origin + z (x, y, 1) = barycentric mix for every pixel and triangle."""
    triangle = np.full(size, -1)
    depth = np.full(size, np.inf)
    bary = np.zeros((*size, 3))
    for row in range(size[0]):
        for column in range(size[1]):
            for f, face in enumerate(faces):
                matrix = points[face].T
                if abs(np.linalg.det(matrix)) < 1e-12:
                    continue
                w = np.linalg.solve(matrix, [column + 0.5, row + 0.5, 1.0])
                if w.min() < 0.0 or w.sum() <= 0.0:
                    continue
                z = 1.0 / w.sum()
                if z >= near and z < depth[row, column]:
                    depth[row, column], triangle[row, column] = z, f
                    bary[row, column] = w / w.sum()
    return triangle, bary, depth


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(4))
def test_matches_rays(backend, size, seed):
    points, faces = random_scene(seed, size)
    got = visible(points, faces, size, near=0.3, backend=backend)
    triangle, bary, depth = nearest_by_rays(points, faces, size, 0.3)
    np.testing.assert_array_equal(got[0], triangle)
    np.testing.assert_allclose(got[1], bary, atol=2e-6)
    np.testing.assert_allclose(got[2], depth, rtol=2e-6)


def test_behind_camera_occurs():
    """The scenes above do hold seen triangles with corners behind the camera."""
    seen = 0
    for seed in range(4):
        points, faces = random_scene(seed, (16, 16))
        triangle, _, _ = nearest_by_rays(points, faces, (16, 16), 0.3)
        crossing = (points[faces][:, :, 2] < 0).any(1)
        seen += np.isin(triangle, np.flatnonzero(crossing)).sum()
    assert seen > 50


def test_backends_agree_exactly():
    rng = np.random.default_rng(5)
    centre = rng.uniform(0, 64, (3000, 1, 2))
    z = rng.uniform(1, 3, (3000, 3, 1))
    xy = centre + rng.normal(0, 2.5, (3000, 3, 2))
    points = np.concatenate([xy * z, z], 2).reshape(-1, 3)
    faces = np.arange(9000).reshape(-1, 3)
    a, b = (visible(points, faces, (61, 67), backend=name) for name in BACKENDS)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def grid(n: int, jitter: float, seed: int, *, exact: bool):
    """A square of triangles, 3 n pixels wide; with `exact` all corners lie on pixel centres, so
    that shared edges pass through many of them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : n + 1, 0 : n + 1].astype(np.float64)
    inner = (x > 0) & (x < n) & (y > 0) & (y < n)
    if not exact:
        x[inner] += rng.uniform(-jitter, jitter, inner.sum())
        y[inner] += rng.uniform(-jitter, jitter, inner.sum())
    step = 3.0
    xy = np.stack([x.ravel(), y.ravel()], 1) * step + (2.5 if exact else 2.3)
    i = np.arange(n * (n + 1)).reshape(n, n + 1)[:, :-1].ravel()
    faces = np.concatenate(
        [np.stack([i, i + n + 2, i + 1], 1), np.stack([i, i + n + 1, i + n + 2], 1)]
    )
    return xy, faces, step * n


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("exact", (True, False))
def test_shared_edges_have_one_owner(backend, exact):
    """Each pixel of the grid's square belongs to exactly one triangle drawn alone."""
    xy, faces, extent = grid(4, 0.4, 1, exact=exact)
    size = (19, 20)
    depths = [np.ones(len(xy))]
    if not exact:
        depths.append(np.random.default_rng(2).uniform(1, 2, len(xy)))
    for z in depths:
        points = np.concatenate([xy * z[:, None], z[:, None]], 1)
        count = np.zeros(size, int)
        for face in faces:
            count += visible(points, face[None], size, backend=backend)[0] >= 0
        y, x = np.mgrid[: size[0], : size[1]] + 0.5
        inside = (x > 2.5) & (x < 2.3 + extent) & (y > 2.5) & (y < 2.3 + extent)
        np.testing.assert_array_equal(count[inside], 1)
        assert count.max() == 1
        assert count.sum() == round(extent) ** 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_degenerate_and_empty(backend):
    points = np.array([[1, 1, 1], [5, 5, 1], [3, 3, 1], [8, 1, 1], [1, 1, 1.0]])
    none = visible(points, np.array([[0, 1, 2], [0, 3, 4], [1, 1, 1]]), (6, 6), backend=backend)
    assert (none[0] == -1).all() and (none[1] == 0).all() and np.isinf(none[2]).all()
    empty = visible(points, np.zeros((0, 3), int), (6, 6), backend=backend)
    assert (empty[0] == -1).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_cull_drops_back_faces(backend):
    """A counter-clockwise triangle of the world, camera frame x right, y down, is a front face."""
    points = np.array([[0.0, 8, 1], [8, 8, 1], [0, 0, 1]])
    size, drop = (8, 8), np.ones(1)
    front, back = np.array([[0, 1, 2]]), np.array([[0, 2, 1]])
    assert (visible(points, front, size, cull=drop, backend=backend)[0] == 0).any()
    assert (visible(points, back, size, cull=drop, backend=backend)[0] == -1).all()
    assert (visible(points, back, size, backend=backend)[0] == 0).any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_alpha_test_sees_through_holes(backend):
    """A card whose texture is opaque in its left half shows what is behind it on the right."""
    square = np.array([[0, 0], [8, 0], [8, 8], [0, 8.0]])
    near, far = np.full((4, 1), 1.0), np.full((4, 1), 2.0)
    points = np.concatenate([np.hstack([square * near, near]), np.hstack([square * far, far])])
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    texels = np.zeros((4, 8, 4), np.uint8)
    texels[:, :4, 3] = 255
    alpha = AlphaTest(
        np.array([0.5, 0.5, -1, -1], np.float32),
        np.array([[0, 4, 8]] * 4),
        np.array([[0, 1], [1, 1], [1, 0], [0, 0]] * 2, np.float32),
        texels.ravel(),
    )
    triangle, _, depth = visible(points, faces, (8, 8), alpha=alpha, backend=backend)
    np.testing.assert_array_equal(triangle < 2, np.tile(np.arange(8) < 4, (8, 1)))
    np.testing.assert_allclose(depth, np.tile(np.where(np.arange(8) < 4, 1.0, 2.0), (8, 1)))


def test_missing_backend_raises(monkeypatch, caplog):
    points, faces = random_scene(0, (4, 4))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="numba"):
        visible(points, faces, (4, 4), backend="numba")
    _log_fallback.cache_clear()
    for _ in range(2):
        visible(points, faces, (4, 4))
    assert sum("torch reference" in r.message for r in caplog.records) == 1
    with pytest.raises(ValueError, match="backend"):
        visible(points, faces, (4, 4), backend="cuda")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad", [{"faces": np.array([[0, 1, 99]])}, {"size": (0, 4)}, {"near": 0.0}]
)
def test_bad_arguments(bad):
    points, faces = random_scene(0, (4, 4))
    arguments = {"points": points, "faces": faces, "size": (4, 4), **bad}
    with pytest.raises(ValueError):
        visible(**arguments)


def two_triangles(dtype=torch.float64):
    """A tilted quad over a far backdrop, (2 images, 8 vertices)."""
    xy = torch.tensor(
        [[2.3, 2.1], [9.4, 3.2], [8.7, 10.6], [1.87, 9.34], [-9, -9], [30, -9], [30, 30], [-9, 30]],
        dtype=dtype,
    )
    z = torch.tensor([1.0, 1.6, 1.2, 1.4, 3, 3, 3, 3], dtype=dtype)[:, None]
    first = torch.cat([xy * z, z], 1)
    second = torch.cat([(xy + 0.37) * z, z], 1)
    faces = torch.tensor([[0, 3, 1], [1, 3, 2], [4, 7, 5], [5, 7, 6]])
    return torch.stack([first, second]), faces


def test_interpolation_is_perspective_correct():
    """World positions interpolated as attributes lie on the pixel's ray."""
    points, faces = two_triangles()
    fragments = rasterize(points, faces, (12, 12))
    position = interpolate(fragments, points)
    y, x = torch.meshgrid(torch.arange(12) + 0.5, torch.arange(12) + 0.5, indexing="ij")
    ray = torch.stack([x, y, torch.ones_like(x)], 2).double()
    expected = ray * fragments.depth[..., None]
    assert (fragments.triangle >= 0).all()
    torch.testing.assert_close(position, expected)


def test_barycentric_and_depth_gradients():
    points, faces = two_triangles()
    points.requires_grad_()
    attributes = torch.randn(8, 3, dtype=torch.float64, generator=torch.manual_seed(0))
    attributes.requires_grad_()

    def render(p, a):
        fragments = rasterize(p, faces, (9, 11))
        return interpolate(fragments, a), fragments.depth

    assert torch.autograd.gradcheck(
        render, (points, attributes), eps=1e-7, atol=1e-5, fast_mode=True
    )


def test_float32_is_accurate_far_from_the_origin():
    points, faces = two_triangles()
    shift = torch.tensor([1900.0, 0.0, 0.0], dtype=torch.float64) * points[..., 2:]
    exact = rasterize(points + shift, faces, (12, 1912)).barycentric[:, :, 1900:]
    rough = rasterize((points + shift).float(), faces, (12, 1912)).barycentric[:, :, 1900:]
    assert (rough - exact).abs().quantile(0.99) < 2e-3


def smooth_image(points, faces, colours, size):
    fragments = rasterize(points, faces, size)
    return antialias(interpolate(fragments, colours), fragments, points)


def test_silhouette_gradients_match_finite_differences():
    """Coverage moves with the outline: autograd against central differences of the image."""
    points, faces = two_triangles()
    generator = torch.manual_seed(3)
    colours = torch.rand(8, 2, dtype=torch.float64, generator=generator)
    weights = torch.rand(2, 12, 12, 2, dtype=torch.float64, generator=generator)

    def loss(p):
        return (smooth_image(p, faces, colours, (12, 12)) * weights).sum()

    moved = points.clone().requires_grad_()
    loss(moved).backward()
    assert moved.grad is not None
    step = 1e-6
    for index in np.ndindex(2, 4, 3):
        delta = torch.zeros_like(points)
        delta[index] = step
        slope = (loss(points + delta) - loss(points - delta)) / (2 * step)
        assert abs(moved.grad[index] - slope) < 1e-4 * max(1.0, abs(slope)), index


def test_silhouette_gradient_is_that_of_the_area():
    """A white polygon on nothing: the image's sum follows the polygon's area."""
    corners = torch.tensor(
        [[3.2, 4.1], [25.7, 6.3], [22.4, 27.8], [5.6, 23.9]], dtype=torch.float64
    )
    faces = torch.tensor([[0, 3, 1], [1, 3, 2]])

    def total(xy):
        p = torch.cat([xy, torch.ones(4, 1, dtype=torch.float64)], 1)[None]
        return smooth_image(p, faces, torch.ones(4, 1, dtype=torch.float64), (32, 32)).sum()

    def area(xy):
        nxt = xy.roll(-1, 0)
        return 0.5 * (xy[:, 0] * nxt[:, 1] - xy[:, 1] * nxt[:, 0]).sum().abs()

    assert abs(total(corners) - area(corners)) / area(corners) < 0.01
    a, b = corners.clone().requires_grad_(), corners.clone().requires_grad_()
    total(a).backward()
    area(b).backward()
    assert a.grad is not None and b.grad is not None
    torch.testing.assert_close(a.grad, b.grad, rtol=0.12, atol=1.0)


def test_silhouettes_blend_only_outlines():
    """A flat grid split by a UV seam stays as it is inside."""
    xy, faces, _ = grid(3, 0.3, 4, exact=False)
    double = np.concatenate([xy, xy])
    faces = np.concatenate([faces[: len(faces) // 2], faces[len(faces) // 2 :] + len(xy)])
    points = torch.from_numpy(np.concatenate([double, np.ones((len(double), 1))], 1))[None]
    colours = torch.rand(len(double), 1, dtype=torch.float64, generator=torch.manual_seed(0))
    fragments = rasterize(points, torch.from_numpy(faces), (14, 14))
    image = interpolate(fragments, colours)
    smooth = antialias(image, fragments, points)
    inner = np.s_[:, 4:10, 4:10]
    torch.testing.assert_close(smooth[inner], image[inner])


def test_hair_is_filtered_and_fades_as_it_turns_away():
    """Cards turned by known angles, seen from afar; skin and opaque hair stay as they were."""
    angles = np.array([0.0, 1.0, 1.5, 1.5, 1.5])
    corner = np.array([[0.0, 0, 0], [1.0, 0, 0], [0.0, 1, 0]])
    turned = corner[None] * 1e-3 * np.ones((5, 1, 1))
    turned = np.stack([turned[..., 0] * np.cos(angles)[:, None], turned[..., 1],
                       turned[..., 0] * np.sin(angles)[:, None]], -1)  # fmt: skip
    faces = np.arange(15, dtype=np.int32).reshape(5, 3)
    hair, lod = np.array([True, True, True, False, True]), np.full(5, 0.5, np.float32)
    cutoff = np.array([0.4, 0.4, 0.4, 0.4, -1.0], np.float32)
    eye = np.array([0.0, 0.0, 100.0])
    levels, cutoffs = soften_hair(hair, turned.reshape(-1, 3), faces, eye, lod, cutoff)
    facing = np.cos(angles[:3])
    coarser = np.minimum(COARSER_LOD - 0.5 * np.log2(facing), COARSEST_LOD)
    np.testing.assert_allclose(levels[:3], 0.5 + coarser, atol=1e-3)
    np.testing.assert_allclose(cutoffs[:3], 0.4 * np.maximum(THIN / facing, 1.0), rtol=1e-3)
    assert (levels[3:] == lod[3:]).all() and (cutoffs[3:] == cutoff[3:]).all()

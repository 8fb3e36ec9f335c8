"""Texel maps against brute force and closed forms."""

import numpy as np
import pytest

from portraiture.engine.head import load_head
from portraiture.engine.skin.texels import (
    dilate,
    fill_gutter,
    interpolate,
    resample_makehuman,
    sample_bilinear,
    texel_map,
)

SIZE = 96


@pytest.fixture(scope="module")
def model():
    return load_head()


def test_texel_map_agrees_with_brute_force(model):
    texels = texel_map(model, SIZE)
    uv, faces = model.arrays["skin_uv"].astype(np.float64), model.arrays["skin_faces"]
    a, b, c = (uv[faces[:, k]] for k in range(3))
    det = (b - a)[:, 0] * (c - a)[:, 1] - (c - a)[:, 0] * (b - a)[:, 1]
    rng = np.random.default_rng(0)
    for row, column in rng.integers(0, SIZE, (400, 2)):
        p = np.array([(column + 0.5) / SIZE, 1.0 - (row + 0.5) / SIZE]) - a
        with np.errstate(divide="ignore", invalid="ignore"):
            u = (p[:, 0] * (c - a)[:, 1] - p[:, 1] * (c - a)[:, 0]) / det
            v = (p[:, 1] * (b - a)[:, 0] - p[:, 0] * (b - a)[:, 1]) / det
        holding = np.flatnonzero((u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9))
        face = texels.face[row, column]
        assert face in holding if len(holding) else face == -1


def test_interpolated_uv_is_the_texel_centre(model):
    uv = interpolate(model.arrays["skin_uv"], model, SIZE)
    inside = texel_map(model, SIZE).inside
    rows, columns = np.nonzero(inside)
    expected = np.stack([(columns + 0.5) / SIZE, 1.0 - (rows + 0.5) / SIZE], axis=1)
    assert np.abs(uv[inside] - expected).max() < 1e-5
    assert 0.6 < inside.mean() < 0.9


def test_dilate_takes_the_nearest_texel():
    rng = np.random.default_rng(1)
    inside = rng.random((17, 17)) < 0.1
    image = rng.random((17, 17, 3))
    filled = dilate(image, inside)
    known = np.argwhere(inside)
    for row in range(17):
        for column in range(17):
            distance = ((known - [row, column]) ** 2).sum(1)
            nearest = known[distance == distance.min()]
            candidates = image[nearest[:, 0], nearest[:, 1]]
            assert (np.abs(candidates - filled[row, column]).sum(1) == 0).any()


def test_dilate_refuses_an_empty_mask():
    with pytest.raises(ValueError, match="inside"):
        dilate(np.zeros((4, 4)), np.zeros((4, 4), bool))


def test_fill_gutter_is_dilate(model):
    image = np.random.default_rng(2).random((SIZE, SIZE, 2))
    inside = texel_map(model, SIZE).inside
    assert np.array_equal(fill_gutter(image, model), dilate(image, inside))


def test_bilinear_sampling_is_exact_on_a_plane_and_clamped():
    y, x = np.mgrid[0:9, 0:7].astype(np.float32)
    image = np.stack([2.0 * x - 3.0 * y + 1.0], axis=2)
    px, py = np.array([0.25, 3.5, 5.9, -4.0]), np.array([0.5, 7.75, 3.0, 99.0])
    expected = 2.0 * np.clip(px, 0, 6) - 3.0 * np.clip(py, 0, 8) + 1.0
    assert np.allclose(sample_bilinear(image, px, py)[:, 0], expected, atol=1e-5)


def test_resampling_an_image_of_makehuman_coordinates_gives_them_back(model):
    at = (np.arange(256) + 0.5) / 256
    u, v = np.meshgrid(at, 1.0 - at)
    picture = (np.stack([u, v], axis=2) * 255.0 + 0.5).astype(np.uint8)
    resampled = resample_makehuman(picture, model, SIZE) / 255.0
    inside = texel_map(model, SIZE).inside
    expected = interpolate(model.arrays["skin_uv_makehuman"], model, SIZE)
    assert np.abs(resampled - expected)[inside].max() < 2.5 / 255

"""Hair is looked for where the photo shows a head: not on white ground, not beyond its edge."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from portraiture.fit.choose import choose_hair
from portraiture.fit.colours import read_cues, zone_colour
from portraiture.fit.light import decode
from portraiture.fit.regions import Regions, _mixture, photo_regions, window_transform
from portraiture.photo.align import align
from portraiture.types import Photo


def regions_of(image: np.ndarray) -> Regions:
    photo = align(image)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return photo_regions(photo.image, photo.landmarks.astype(np.float64))


@pytest.fixture(scope="module")
def regions(photo: Photo) -> Regions:
    return photo_regions(photo.image, photo.landmarks.astype(np.float64))


def cut_out(ground: int) -> np.ndarray:
    """The astronaut's head in an oval on a plain ground."""
    image = astronaut()
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    head = np.hypot((x - 224) / 82, (y - 112) / 112) < 1
    return np.where(head[..., None], image, ground).astype(np.uint8)


def test_a_mixture_of_equal_members_is_no_division_by_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = _mixture(np.tile([0.0, 0.1, 0.2], (200, 1)), 2)
    assert len(parts) == 2
    for mean, covariance in parts:
        np.testing.assert_allclose(mean, [0.0, 0.1, 0.2])
        assert np.linalg.eigvalsh(covariance).min() > 0.0


def test_a_cut_out_on_white_has_the_photos_hair(regions: Regions) -> None:
    cut = regions_of(cut_out(255))
    both = (cut.hair & regions.hair).sum() / regions.hair.sum()
    assert both > 0.75
    assert not cut.person[cut.image.min(-1) > 0.99].any()
    cues = read_cues(cut)
    assert cues.hair > 0.8
    assert choose_hair(cut, cues).style not in ("bald", "buzz")


def test_transparent_ground_is_white_ground() -> None:
    ground = cut_out(0)
    alpha = np.where(ground.max(-1) > 0, 255, 0).astype(np.uint8)
    image = Image.fromarray(ground)
    image.putalpha(Image.fromarray(alpha))
    photo = align(image)
    cut = photo_regions(photo.image, photo.landmarks.astype(np.float64))
    assert read_cues(cut).hair > 0.8


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (slice(62, 178), slice(170, 280)),
        (slice(0, 400), slice(205, 500)),
        (slice(72, 512), slice(0, 512)),
    ],
    ids=["face alone", "half", "cut at the hairline"],
)
def test_what_is_not_seen_is_not_bald(rows: slice, columns: slice) -> None:
    cut = regions_of(np.ascontiguousarray(astronaut()[rows, columns]))
    assert not (cut.hair | cut.person)[~cut.seen].any()
    choice = choose_hair(cut, read_cues(cut))
    assert choice.style != "bald" and choice.line < 0.9


def test_a_bald_head_that_is_seen_stays_bald(regions: Regions) -> None:
    bald = replace(regions, hair=np.zeros_like(regions.hair))
    assert choose_hair(bald, read_cues(bald)).style == "bald"


def test_a_large_photo_has_the_regions_of_a_small_one(photo: Photo, regions: Regions) -> None:
    size = (photo.image.shape[1] * 8, photo.image.shape[0] * 8)
    large = np.asarray(Image.fromarray(photo.image).resize(size, Image.Resampling.BICUBIC))
    found = photo_regions(large, photo.landmarks.astype(np.float64) * 8)
    assert np.abs(found.image - regions.image).mean() < 0.02
    for name in ("person", "hair", "seen"):
        a, b = getattr(found, name), getattr(regions, name)
        assert (a & b).sum() / (a | b).sum() > 0.93


def test_the_window_is_what_its_transform_says(photo: Photo, regions: Regions) -> None:
    to_photo = window_transform(photo.landmarks.astype(np.float64))
    for row, column in ((60, 80), (75, 70), (90, 95)):
        at = to_photo @ [column + 0.5, row + 0.5, 1.0]
        x, y = int(at[0]), int(at[1])
        near = photo.image[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3) / 255.0
        value = regions.image[row, column]
        assert (value > near.min(0) - 0.05).all() and (value < near.max(0) + 0.05).all()


def test_colours_are_not_read_where_something_covers(regions: Regions) -> None:
    zone = np.zeros_like(regions.skin)
    zone[70:80, 70:90] = True
    image = regions.image.copy()
    image[70:80, 80:90] = [0.0, 0.0, 1.0]
    covered = np.zeros_like(zone)
    covered[70:80, 80:90] = True
    found = zone_colour(replace(regions, image=image, covered=covered), zone)
    np.testing.assert_allclose(found, np.median(decode(image[70:80, 70:80]), axis=(0, 1)))

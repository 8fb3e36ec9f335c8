"""Hair is looked for where the photo shows a head: not on white ground, not beyond its edge."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from portraiture.engine.classes import HAIR_COLOURS, HAIR_STYLES
from portraiture.engine.hair.color import hair_rgb
from portraiture.fit.colours import Cues, read_cues
from portraiture.fit.hair_color import (
    HAIR_GLOSS,
    HAIR_SHADE,
    Pigments,
    dark_roots,
    hair_pigments,
)
from portraiture.fit.hair_style import HairChoice, shortlist
from portraiture.fit.light import decode, encode
from portraiture.fit.parse import Looks
from portraiture.fit.regions import WINDOW_PX, Regions, read_photo, window_transform
from portraiture.fit.zones import zone_colour
from portraiture.perception.looks import LOOKS, NAMES, Look
from portraiture.photo.align import align
from portraiture.types import Photo

Seen = tuple[Regions, Looks]


def seen_in(photo: Photo) -> Seen:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regions, parsed = read_photo(photo)
        return regions, parsed.looks


@pytest.fixture(scope="module")
def seen(photo: Photo) -> Seen:
    return seen_in(photo)


@pytest.fixture(scope="module")
def regions(seen: Seen) -> Regions:
    return seen[0]


def first_choice(regions: Regions, cues: Cues, looks: Looks) -> HairChoice:
    return shortlist(regions, cues, looks)[0].choice


def looks_of(**named: str) -> Looks:
    """Looks of which some are certain and the others say nothing."""
    classes = {name: np.full(len(LOOKS[name]), 1 / len(LOOKS[name]), np.float32) for name in NAMES}
    for name in NAMES:
        if name in named:
            classes[name] = np.eye(len(LOOKS[name]), dtype=np.float32)[_index(name, named[name])]
    return Looks(classes)


def _index(look: Look, name: str) -> int:
    return LOOKS[look].index(name)


def cut_out(ground: int) -> np.ndarray:
    """The astronaut's head in an oval on a plain ground."""
    image = astronaut()
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    head = np.hypot((x - 224) / 82, (y - 112) / 112) < 1
    return np.where(head[..., None], image, ground).astype(np.uint8)


def test_the_demo_sitters_hair(seen: Seen) -> None:
    """By eye: a voluminous bob, fair to brown, with a fringe; no curls."""
    regions, looks = seen
    assert read_cues(regions, looks).sex > 0.7
    choice = first_choice(regions, read_cues(regions, looks), looks)
    assert "medium" in HAIR_STYLES[choice.style].lengths
    assert "curly" not in HAIR_STYLES[choice.style].forms
    assert choice.fringe >= 0.5
    pigments = hair_pigments(regions, looks)
    assert 0.3 < pigments.melanin < 0.65 and pigments.redness < 0.5 and pigments.grey < 0.2


def test_a_cut_out_on_white_has_the_photos_hair(regions: Regions) -> None:
    cut, looks = seen_in(align(cut_out(255)))
    both = (cut.hair & regions.hair).sum() / regions.hair.sum()
    assert both > 0.75
    assert cut.person[cut.image.min(-1) > 0.99].mean() < 1e-3
    cues = read_cues(cut, looks)
    assert cues.hair > 0.8
    assert first_choice(cut, cues, looks).style not in ("bald", "buzz")


def test_transparent_ground_is_white_ground() -> None:
    ground = cut_out(0)
    alpha = np.where(ground.max(-1) > 0, 255, 0).astype(np.uint8)
    image = Image.fromarray(ground)
    image.putalpha(Image.fromarray(alpha))
    assert read_cues(*seen_in(align(image))).hair > 0.8


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
    cut, looks = seen_in(align(np.ascontiguousarray(astronaut()[rows, columns])))
    assert not (cut.hair | cut.person)[~cut.seen].any()
    choice = first_choice(cut, read_cues(cut, looks), looks)
    assert choice.style != "bald" and choice.line < 0.9


def test_a_bald_head_that_is_seen_stays_bald(seen: Seen) -> None:
    regions, looks = seen
    bald = replace(regions, hair=np.zeros_like(regions.hair))
    assert first_choice(bald, read_cues(bald, looks), looks).style == "bald"


@pytest.mark.parametrize("length", ["buzz", "short", "medium", "long"])
def test_the_style_has_the_length_that_is_seen_where_its_outline_says_little(
    regions: Regions, length: str
) -> None:
    nowhere = replace(regions, seen=np.zeros_like(regions.seen))
    looks = looks_of(hair=length, form="straight")
    style = first_choice(nowhere, read_cues(nowhere, looks), looks).style
    assert length in HAIR_STYLES[style].lengths


@pytest.mark.parametrize("name", list(HAIR_COLOURS))
def test_hair_of_each_name_gets_its_pigments_back(regions: Regions, name: str) -> None:
    """From a mask of even hair in the engine's own colour, seen as the engine renders it."""
    colour = HAIR_SHADE * decode(hair_rgb(*HAIR_COLOURS[name])) + HAIR_GLOSS
    even = replace(regions, image=np.broadcast_to(encode(colour), regions.image.shape))
    found = hair_rgb(*hair_pigments(even, looks_of(colour=name, hair="short")))
    np.testing.assert_allclose(found, hair_rgb(*HAIR_COLOURS[name]), atol=0.06)


def test_grey_hair_in_warm_light_is_grey(regions: Regions) -> None:
    colour = HAIR_SHADE * decode(hair_rgb(*HAIR_COLOURS["grey"])) * [1.3, 1.0, 0.8] + HAIR_GLOSS
    warm = replace(regions, image=np.broadcast_to(encode(colour), regions.image.shape))
    looks = [looks_of(colour=name, hair="short") for name in ("grey", "brown")]
    grey, brown = (hair_pigments(warm, one).grey for one in looks)
    assert grey > 0.4 and brown < grey - 0.1


def test_a_large_photo_has_the_regions_of_a_small_one(photo: Photo, regions: Regions) -> None:
    size = (photo.image.shape[1] * 8, photo.image.shape[0] * 8)
    large = np.asarray(Image.fromarray(photo.image).resize(size, Image.Resampling.BICUBIC))
    to_crop = photo.crop_from_image @ np.diag([1 / 8, 1 / 8, 1.0])
    enlarged = replace(photo, image=large, landmarks=photo.landmarks * 8, crop_from_image=to_crop)
    found, _ = seen_in(enlarged)
    assert np.abs(found.image - regions.image).mean() < 0.02
    for name in ("person", "hair", "seen"):
        a, b = getattr(found, name), getattr(regions, name)
        assert (a & b).sum() / (a | b).sum() > 0.93


def test_the_window_is_what_its_transform_says(photo: Photo, regions: Regions) -> None:
    assert regions.image.shape == (WINDOW_PX, WINDOW_PX, 3)
    to_photo = window_transform(photo.landmarks.astype(np.float64))
    for row, column in ((96, 128), (120, 112), (144, 152)):
        at = to_photo @ [column + 0.5, row + 0.5, 1.0]
        x, y = int(at[0]), int(at[1])
        near = photo.image[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3) / 255.0
        value = regions.image[row, column]
        assert (value > near.min(0) - 0.05).all() and (value < near.max(0) + 0.05).all()


def test_regions_hang_together_with_the_face(regions: Regions) -> None:
    """The demo photo's background has a patch that looks like skin, left of the helmet ring."""
    assert not regions.skin[110:180, 30:68].any()
    assert regions.skin[120:150, 110:150].mean() > 0.7


def test_colours_are_not_read_where_something_covers(regions: Regions) -> None:
    zone = np.zeros_like(regions.skin)
    zone[110:126, 112:144] = True
    image = regions.image.copy()
    image[110:126, 128:144] = [0.0, 0.0, 1.0]
    covered = np.zeros_like(zone)
    covered[110:126, 128:144] = True
    found = zone_colour(replace(regions, image=image, covered=covered), zone)
    np.testing.assert_allclose(found, np.median(decode(image[110:126, 112:128]), axis=(0, 1)))


def test_dark_roots_of_fair_hair_are_found(regions: Regions) -> None:
    """Even hair has none, hair twice as bright beside the jaw as over the forehead some."""
    x, y = regions.head_coordinates()
    hair = (np.abs(x) < 1.4) & (y > -1.0)
    even = replace(regions, hair=hair, image=np.full_like(regions.image, 0.4))
    image = even.image.copy()
    image[y < 0.5] = encode(2.0 * decode(image[:1, :1]))
    regrown = replace(even, image=image)
    fair, black = Pigments(0.3, 0.2, 0.0), Pigments(0.9, 0.2, 0.0)
    assert dark_roots(regrown, fair) > dark_roots(even, fair) + 0.4
    assert dark_roots(regrown, black) == 0.0
    assert dark_roots(replace(regrown, hair=hair & (y > 0.0)), fair) == 0.0

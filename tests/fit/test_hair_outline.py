"""Hair is found again from its own outline, at the camera and on the head that it is of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from portraiture.engine.hair.build import hair_atlas, make_hair
from portraiture.fit.colours import read_cues
from portraiture.fit.hair_outline import CROPPED, Match, Outlines, fit_hair, outlines_of
from portraiture.fit.hair_style import HairChoice, Listed
from portraiture.fit.parse import Looks
from portraiture.fit.place import Placed, place_head
from portraiture.fit.regions import Regions, read_photo
from portraiture.render.mesh import render_bust, segmentation_of
from portraiture.types import Bust, Photo, Segment

CHOICES = (
    HairChoice("bob", 0.5), HairChoice("short", 0.5), HairChoice("long_straight", 0.5),
)  # fmt: skip


@pytest.fixture(scope="module")
def seen(photo: Photo) -> tuple[Regions, Looks, Placed]:
    regions, parsed = read_photo(photo)
    return regions, parsed.looks, place_head(photo, read_cues(regions, parsed.looks))


@pytest.fixture(scope="module")
def outlines(photo: Photo, seen: tuple[Regions, Looks, Placed]) -> Outlines:
    return outlines_of(seen[0], photo, seen[2])


def rendered(outlines: Outlines, choice: HairChoice) -> tuple[Bust, np.ndarray]:
    placed = outlines.placed
    hair = make_hair(choice.applied(placed.parameters), placed.shape, atlas=outlines.atlas)
    assert hair is not None
    bust = Bust(
        (outlines.skin, hair),
        placed.shape.model.skeleton(placed.shape.joints),
        placed.expression,
        np.zeros((478, 3), np.float32),
    )
    size = len(outlines.hair)
    return bust, segmentation_of(bust, outlines.camera, size) == Segment.HAIR


def test_the_photos_hair_is_resampled_where_it_is(outlines: Outlines) -> None:
    """Above and beside the face of the demo photo there is hair, in its middle none."""
    rows, columns = np.nonzero(outlines.face)
    top, middle = rows.min(), int(np.median(columns))
    assert outlines.hair[top - 8 : top, middle - 10 : middle + 10].mean() > 0.9
    inner = outlines.hair[int(np.median(rows)), middle - 10 : middle + 10]
    assert not inner.any()
    assert 0.05 < outlines.hair.mean() < 0.4


def test_segmentation_alone_is_that_of_the_render(outlines: Outlines) -> None:
    bust, hair = rendered(outlines, CHOICES[0])
    frame = render_bust(bust, outlines.camera, size=len(hair), supersample=1)
    np.testing.assert_array_equal(hair, frame.segmentation == Segment.HAIR)


@pytest.mark.parametrize("k", range(len(CHOICES)))
def test_each_style_is_found_by_its_own_outline(
    photo: Photo, seen: tuple[Regions, Looks, Placed], outlines: Outlines, k: int
) -> None:
    _, own = rendered(outlines, CHOICES[k])
    target = replace(outlines, hair=own & outlines.seen)
    matches = [target.match(choice) for choice in CHOICES]
    assert int(np.argmax([match.score for match in matches])) == k
    assert matches[k].overlap == pytest.approx(1.0)
    assert matches[k].area == pytest.approx(1.0)


def test_score_prefers_equal_areas() -> None:
    assert Match(0.3, 1.0).score > Match(0.3, 0.4).score
    assert Match(0.3, 0.5).score == pytest.approx(Match(0.3, 2.0).score)


def test_a_bald_head_is_not_rendered(photo: Photo, seen: tuple[Regions, Looks, Placed]) -> None:
    listed = [Listed(HairChoice("bald"), 0.0)]
    assert fit_hair(listed, seen[1], seen[0], photo, seen[2]).style == "bald"


def test_hair_cropped_to_the_skin_is_a_buzz_cut(
    photo: Photo, seen: tuple[Regions, Looks, Placed], outlines: Outlines
) -> None:
    """A rim of hair of which the parser says that it may be cropped."""
    regions, looks, placed = seen
    _, y = regions.head_coordinates()
    rim = regions.hair & (y > 0.9) & (y < 1.1)
    cropped = replace(regions, hair=rim)
    assert outlines_of(cropped, photo, placed).match(CHOICES[0]).area < CROPPED
    sure = dict(looks.classes) | {"hair": np.array([0, 0, 0.4, 0.6, 0, 0], np.float32)}
    listed = [Listed(CHOICES[0], 0.0)]
    assert fit_hair(listed, Looks(sure), cropped, photo, placed).style == "buzz"


def test_the_coarse_atlas_covers_as_much_as_the_fine_one(outlines: Outlines) -> None:
    colour, _ = hair_atlas(outlines.placed.parameters)
    cover = [(atlas[..., 3] > 107).mean() for atlas in (colour, outlines.atlas[0])]
    assert cover[1] == pytest.approx(cover[0], rel=0.02)

"""What covers, shades and over-exposes skin is found where it was put, and nothing on bare skin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from shared_data import SHARED
from skimage.draw import ellipse, polygon2mask
from thinned import thinned

from portraiture.engine.head import load_head
from portraiture.engine.landmarks import CONTOUR
from portraiture.engine.skin.layout import anatomy
from portraiture.fit.colours import eyes_covered, read_cues
from portraiture.fit.hidden import find_hidden
from portraiture.fit.parse import parsed_texels
from portraiture.fit.place import place_head
from portraiture.fit.projection import SIZE, WINDOW, Projection, core_mask
from portraiture.fit.regions import read_photo
from portraiture.fit.run import Fitted, fit_photo
from portraiture.fit.skin import hair_on_texels
from portraiture.photo.align import align, crop_image
from portraiture.types import Photo

SKIN = np.array([0.42, 0.25, 0.18])


@pytest.fixture(scope="module")
def bare() -> Projection:
    """A face of one skin, mottled, in soft light from its right."""
    position = anatomy(load_head(), SIZE).position[WINDOW]
    x, y, z = np.moveaxis(position, -1, 0)
    weight = ((z > -30) & (np.abs(x) < 62) & (y > -105) & (y < 60)).astype(np.float32)
    weight[np.hypot((np.abs(x) - 31) / 15, y / 6) < 1] = 0.0
    noise = np.random.default_rng(0).normal(0, 0.03, (*weight.shape, 1))
    shade = np.exp(-0.008 * x)[..., None]
    colour = (SKIN * shade * np.exp(noise)).astype(np.float32)
    normal = np.zeros_like(colour)
    normal[..., 2] = 1.0
    return Projection(
        colour, weight, normal, position, np.zeros((*weight.shape, 2), np.float32),
        np.zeros((*weight.shape, 2), np.float32), 1.0,
    )  # fmt: skip


def found(projection: Projection, colour: np.ndarray) -> tuple[np.ndarray, ...]:
    hidden = find_hidden(
        replace(projection, colour=colour.astype(np.float32)), np.zeros_like(projection.weight)
    )
    return tuple(one > 0.5 for one in (hidden.covered, hidden.blown, hidden.shadow))


def covers(mask: np.ndarray, truth: np.ndarray, face: np.ndarray) -> bool:
    """All of `truth` is in the mask, and nothing farther than 14 texels (4 mm) from it."""
    away = np.asarray(distance_transform_edt(~truth)) > 14
    return bool(mask[truth & face].mean() > 0.95 and mask[away & face].mean() < 0.01)


def test_bare_skin_in_soft_light_is_all_used(bare: Projection) -> None:
    assert not any(mask.any() for mask in found(bare, bare.colour))


@pytest.mark.parametrize(
    "colour",
    [(0.3, 0.5, 0.7), (0.012, 0.012, 0.014), (0.8, 0.8, 0.8), (0.1, 0.35, 0.12), (0.6, 0.05, 0.05)],
    ids=["surgical", "black", "white", "green", "red"],
)
@pytest.mark.parametrize("place", ["mask", "half", "patch"])
def test_coverings_of_other_colours(
    bare: Projection, colour: tuple[float, ...], place: str
) -> None:
    x, y, _ = np.moveaxis(bare.position, -1, 0)
    truth = {"mask": y < -18, "half": x > 2, "patch": np.hypot(x + 25, y + 35) < 22}[place]
    covered, blown, shadow = found(bare, np.where(truth[..., None], colour, bare.colour))
    face = bare.weight > 0.5
    assert covers(covered, truth, face)
    assert not blown.any() and (shadow & ~truth & face).mean() < 0.01


def test_a_beard_is_no_covering(bare: Projection) -> None:
    x, y, _ = np.moveaxis(bare.position, -1, 0)
    beard = (y < -50) | ((y < -35) & (np.abs(x) > 50))
    colour = np.where(beard[..., None], np.array([0.05, 0.035, 0.03]), bare.colour)
    assert not any(mask.any() for mask in found(bare, colour))


def test_a_cast_shadow_is_told_from_soft_shade(bare: Projection) -> None:
    x, y, _ = np.moveaxis(bare.position, -1, 0)
    truth = x - 0.5 * y > 12
    dark = bare.colour * np.where(truth, 0.25, 1.0)[..., None]
    covered, blown, shadow = found(bare, dark)
    assert covers(shadow, truth, bare.weight > 0.5)
    assert not covered.any() and not blown.any()
    soft = bare.colour * (0.25 + 0.75 / (1 + np.exp((x - 0.5 * y - 12) / 14)))[..., None]
    assert not any(mask.any() for mask in found(bare, soft))


def test_an_over_exposed_patch_and_its_glow(bare: Projection) -> None:
    x, y, _ = np.moveaxis(bare.position, -1, 0)
    spot = np.exp(-((x + 25) ** 2 + (y + 30) ** 2) / (2 * 14.0**2))
    colour = np.minimum(bare.colour * (1 + 6 * spot[..., None]), 1.061)
    covered, blown, shadow = found(bare, colour)
    assert blown[(np.sort(colour, -1)[..., 1] > 1.06) & (bare.weight > 0.5)].mean() > 0.97
    assert blown[(spot > 0.2) & (bare.weight > 0.5)].mean() > 0.9
    assert not blown[spot < 0.005].any()
    assert not covered.any() and not shadow.any()


def painted(photo: Photo, mask: np.ndarray, colour: tuple[int, ...]) -> Photo:
    image = photo.image.copy()
    image[mask] = colour
    return replace(photo, image=image, crop=crop_image(image, photo.crop_from_image))


def check_completed(plain: Fitted, fitted: Fitted, zone: np.ndarray) -> None:
    """In `zone` of the window the skin is none of the photo's and near what it was without."""
    assert fitted.mask[WINDOW][zone].mean() < 0.1
    gap = fitted.albedo[WINDOW][zone].astype(float) - plain.albedo[WINDOW][zone]
    assert np.abs(gap.mean(0)).max() < 25
    assert fitted.parameters.beard_style == "none" and fitted.parameters.stubble < 0.3
    assert abs(fitted.parameters.skin_melanin - plain.parameters.skin_melanin) < 0.12
    assert any("is covered" in note for note in fitted.notes)


@pytest.mark.parametrize(
    "colour", thinned([(150, 190, 215), (40, 40, 44)]), ids=["surgical", "black"]
)
def test_under_a_mask_there_is_skin(photo: Photo, plain: Fitted, colour: tuple[int, ...]) -> None:
    at = photo.landmarks
    outline = at[[*CONTOUR]]
    low = polygon2mask(photo.image.shape[:2], outline[:, ::-1])
    rows = np.arange(photo.image.shape[0])[:, None]
    fitted = fit_photo(painted(photo, low & (rows > at[5, 1]), colour))
    position = anatomy(load_head(), SIZE).position[WINDOW]
    check_completed(plain, fitted, core_mask(position) & (position[..., 1] < -36))
    assert fitted.parameters.glasses_style == "none"
    assert not plain.notes


def test_sunglasses_are_worn_and_not_painted(photo: Photo, plain: Fitted) -> None:
    at = photo.landmarks
    distance = float(np.linalg.norm(at[473] - at[468]))
    mask = np.zeros(photo.image.shape[:2], bool)
    for eye in (at[468], at[473]):
        mask[ellipse(eye[1] + 0.05 * distance, eye[0], 0.33 * distance, 0.44 * distance)] = True
    fitted = fit_photo(painted(photo, mask, (18, 18, 20)))
    position = anatomy(load_head(), SIZE).position[WINDOW]
    x, y = np.abs(position[..., 0]), position[..., 1]
    zone = (x > 20) & (x < 42) & (y > -17) & (y < -12) & (position[..., 2] > -40)
    check_completed(plain, fitted, zone)
    assert fitted.parameters.glasses_style != "none"
    assert fitted.parameters.brow_darkness == pytest.approx(0.5)


@pytest.mark.slow
def test_thick_frames_are_worn_and_not_painted(photo: Photo, plain: Fitted) -> None:
    """Round frames whose upper rims run along the brows, with a bridge and temples."""
    at = photo.landmarks.astype(float)
    iod = float(np.linalg.norm(at[473] - at[468]))
    y, x = np.mgrid[: photo.image.shape[0], : photo.image.shape[1]] + 0.5
    frame = np.zeros(x.shape, bool)
    for eye, side in ((at[468], -1.0), (at[473], 1.0)):
        u, v = (x - eye[0]) / iod, (y - eye[1]) / iod - 0.03
        frame |= np.abs(np.hypot(u / 1.15, v) - 0.31) < 0.03
        frame |= (np.abs(v + 0.1) < 0.03) & (side * u > 0.33) & (side * u < 0.75)
    middle = 0.5 * (at[468] + at[473])
    frame |= (np.abs(x - middle[0]) < 0.17 * iod) & (
        np.abs(y - middle[1] + 0.06 * iod) < 0.03 * iod
    )
    fitted = fit_photo(painted(photo, frame, (25, 22, 22)))
    assert fitted.parameters.glasses_style not in ("none", "rimless")
    position = anatomy(load_head(), SIZE).position[WINDOW]
    px, py, pz = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    zone = (px > 10) & (px < 50) & (py > 8) & (py < 22) & (pz > -40)  # brows and above
    dark = fitted.albedo[WINDOW].mean(-1) < 0.4 * plain.albedo[WINDOW].mean(-1)  # brows are lighter
    assert dark[zone].mean() < 0.01


def hand_before(photo: Photo) -> Photo:
    """Four fingers and a palm of the cheeks' own colour before the right half of the mouth."""
    at = photo.landmarks.astype(float)
    iod = float(np.linalg.norm(at[473] - at[468]))
    y, x = np.mgrid[: photo.image.shape[0], : photo.image.shape[1]] + 0.5
    u, v = (x - at[61, 0]) / iod, (y - at[61, 1]) / iod
    height = np.full(u.shape, -1.0)
    for k in range(4):
        beyond = np.maximum(u - 0.42 + 0.06 * abs(k - 1), 0.0)
        reach = np.hypot(beyond, v - 0.17 * (k - 1.5))
        height = np.where(u > -0.45, np.maximum(height, 1.0 - reach / 0.1), height)
    palm = np.hypot(np.maximum(np.abs(v) - 0.25, 0.0), np.maximum(u + 0.4, 0.0)) / 0.12
    height = np.maximum(height, 1.0 - palm)
    cheek = photo.image[tuple(at[[50, 205]].astype(int).T[::-1])].mean(0)
    shade = 0.55 + 0.45 * np.sqrt(np.clip(height, 0.0, 1.0))
    image = photo.image.copy()
    hand = height > 0
    image[hand] = np.clip(cheek * shade[..., None], 0, 255)[hand]
    return replace(align(image), name=photo.name)


@pytest.mark.slow
def test_a_hand_of_the_faces_own_colour_is_not_painted(photo: Photo, plain: Fitted) -> None:
    fitted = fit_photo(hand_before(photo))
    position = anatomy(load_head(), SIZE).position[WINDOW]
    x, y, z = np.moveaxis(position, -1, 0)
    zone = (x < -22) & (x > -42) & (y < -58) & (y > -72) & (z > -30)  # the person's right cheek
    check_completed(plain, fitted, zone)


PORTRAITS = SHARED / "data" / "portraits" / "photos"


@pytest.mark.skipif(not PORTRAITS.is_dir(), reason="needs ../shared/data/portraits")
@pytest.mark.parametrize("name", ["021368", "021916"])
def test_a_flushed_face_is_not_covered(name: str) -> None:
    """By colour alone a third and a tenth of these clean faces counted as covered."""
    photo = align(PORTRAITS / f"{name}.jpg")
    landmarks = photo.landmarks.astype(np.float64)
    regions, parsed = read_photo(photo)
    projection = place_head(photo, read_cues(regions, parsed.looks)).project(photo)
    hair = hair_on_texels(regions, landmarks, projection)
    hidden = find_hidden(projection, hair, parsed_texels(parsed, photo, projection))
    assert not any("is covered" in note for note in hidden.notes())


def test_covered_eyes_are_told_by_their_lids(photo: Photo) -> None:
    regions, _ = read_photo(photo)
    assert eyes_covered(regions) == (False, False)
    covered = np.zeros_like(regions.covered)
    right = regions.landmarks[468]
    y, x = np.mgrid[: covered.shape[0], : covered.shape[1]] + 0.5
    covered[np.hypot(x - right[0], y - right[1]) < 0.45 * regions.iod] = True
    assert eyes_covered(replace(regions, covered=covered)) == (True, False)

"""From a photo to everything: the bundled demo photo, and real portraits where they are."""

from __future__ import annotations

import numpy as np
import pytest
from shared_data import SHARED

from portraiture.camera import project
from portraiture.engine.actions import ACTIONS
from portraiture.engine.landmarks import CONTOUR, landmark_positions
from portraiture.engine.shape import shape_head
from portraiture.fit.colours import read_cues
from portraiture.fit.place import place_head
from portraiture.fit.regions import read_photo
from portraiture.fit.run import Fitted, fit_photo
from portraiture.photo.align import align
from portraiture.types import Photo

PORTRAITS = SHARED / "data" / "portraits" / "photos"


@pytest.fixture
def fitted(plain: Fitted) -> Fitted:
    return plain


def test_reprojects_within_three_percent(fitted: Fitted) -> None:
    assert fitted.residual < 0.03


def test_camera_expression_and_parameters_agree_with_the_landmarks(
    photo: Photo, fitted: Fitted
) -> None:
    """Rebuilt from what is handed out alone, the head lands on the reported landmarks."""
    shape = shape_head(fitted.parameters)
    points = landmark_positions(shape.expressed(fitted.expression), shape.model)
    size = (photo.image.shape[0], photo.image.shape[1])
    pixels = project(points, fitted.camera, size)[:, :2]
    inner = np.setdiff1d(np.arange(478), CONTOUR)
    assert np.abs(pixels[inner] - fitted.landmarks[inner]).max() < 0.7


def test_ranges(fitted: Fitted) -> None:
    assert set(fitted.expression) == set(ACTIONS)
    assert all(0.0 <= w <= 1.0 for w in fitted.expression.values())
    assert fitted.albedo.shape == (1024, 1024, 3) and fitted.albedo.dtype == np.uint8
    assert fitted.mask.min() >= 0.0 and fitted.mask.max() <= 1.0
    assert 0.02 < fitted.mask.mean() < 0.4
    assert np.isfinite(fitted.light.ambient).all() and fitted.light.ambient[0].min() > 0.0


def test_the_demo_sitter(fitted: Fitted) -> None:
    """What anyone sees: a fair woman with brown hair, no beard, no glasses, smiling."""
    p = fitted.parameters
    assert p.sex > 0.5
    assert p.skin_melanin < 0.4
    assert p.hair_style != "bald" and 0.2 < p.hair_melanin < 0.95
    assert p.beard_style == "none" and p.glasses_style == "none"
    assert fitted.expression["mouthSmileLeft"] > 0.2


def test_same_photo_same_bits(photo: Photo, fitted: Fitted) -> None:
    again = fit_photo(photo)
    assert again.parameters == fitted.parameters
    np.testing.assert_array_equal(again.albedo, fitted.albedo)


def test_mirrored_photo_mirrors_the_pose(photo: Photo, fitted: Fitted) -> None:
    mirrored = align(np.ascontiguousarray(photo.image[:, ::-1]))
    regions, parsed = read_photo(mirrored)
    other = place_head(mirrored, read_cues(regions, parsed.looks))
    yaw = [float(np.arctan2(*f.camera.T_world_cam[[0, 2], 2])) for f in (fitted, other)]
    turned = [np.arctan2(np.sin(y - np.pi), np.cos(y - np.pi)) for y in yaw]
    assert abs(turned[0] + turned[1]) < np.radians(4.0)


@pytest.mark.slow
@pytest.mark.skipif(not PORTRAITS.is_dir(), reason="the shared portraits are not here")
def test_real_portraits() -> None:
    paths = sorted(PORTRAITS.glob("*.jpg"))[::40]
    residuals = [fit_photo(align(path)).residual for path in paths]
    assert np.mean(residuals) < 0.025
    assert max(residuals) < 0.035

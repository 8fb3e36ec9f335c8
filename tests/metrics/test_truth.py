"""Depth, PSNR and landmarks against known answers."""

from __future__ import annotations

import numpy as np
import pytest

from portraiture.metrics.depth import depth_error_mm
from portraiture.metrics.landmarks import agreement, detection_rate, landmark_error
from portraiture.metrics.psnr import face_mask, psnr
from portraiture.photo.demo_photo import demo_photo
from portraiture.types import Segment


def test_depth_in_millimetres_of_this_head() -> None:
    truth = np.array([[0.0, 2.5], [2.7, 2.9]])
    depth = np.array([[2.0, 2.51], [2.67, 2.9]])
    assert depth_error_mm(depth, truth, unit_m=0.4) == pytest.approx(0.01 * 400)
    mask = np.array([[True, False], [True, False]])
    assert depth_error_mm(depth, truth, unit_m=0.4, mask=mask) == pytest.approx(0.03 * 400)


def test_missing_depth_is_infinitely_wrong() -> None:
    assert depth_error_mm(np.zeros(3), np.full(3, 2.7), unit_m=0.4) == np.inf
    with pytest.raises(ValueError, match="no pixel"):
        depth_error_mm(np.ones(3), np.zeros(3), unit_m=0.4)


def test_psnr_of_a_known_error() -> None:
    truth = np.zeros((4, 4, 3))
    image = truth + 0.1
    assert psnr(image, truth) == pytest.approx(20.0)
    image[:2] = 0.5
    mask = np.zeros((4, 4), bool)
    mask[2:] = True
    assert psnr(image, truth, mask=mask) == pytest.approx(20.0)
    assert psnr(truth, truth) == np.inf
    with pytest.raises(ValueError, match="no pixel"):
        psnr(image, truth, mask=mask & False)


def test_face_mask_leaves_ears_and_hair_out() -> None:
    inside = face_mask(np.arange(19, dtype=np.uint8))
    assert inside[Segment.SKIN] and inside[Segment.MOUTH] and inside[Segment.GLASSES]
    assert not inside[[Segment.BACKGROUND, Segment.HAIR, Segment.LEFT_EAR, Segment.NECK]].any()


def test_landmark_error_in_per_cent() -> None:
    truth = np.random.default_rng(0).uniform(0, 200, (478, 2))
    from portraiture.fit.solve import interocular

    moved = truth + np.array([3.0, 4.0])
    assert landmark_error(moved, truth) == pytest.approx(500.0 / interocular(truth))


def test_detection_on_a_face_and_on_nothing() -> None:
    from portraiture.metrics.landmarks import detect_face
    from portraiture.photo.align import align

    face = align(demo_photo()).crop[::2, ::2]
    blank = np.full_like(face, 128)
    truth = detect_face(face)
    assert truth is not None
    result = agreement([face, blank], [truth + 1.0, None])
    assert result.detected == 0.5 and np.isnan(result.errors[1])
    assert result.error == pytest.approx(landmark_error(truth, truth + 1.0))
    assert detection_rate([blank]) == 0.0

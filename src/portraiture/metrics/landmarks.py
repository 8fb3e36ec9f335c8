"""Does mediapipe see a face, and where the truth has it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from portraiture.fit.solve import interocular
from portraiture.photo.landmarks import detect, face_size

SMALLEST_SHARE = 0.35
"""An EG3D crop's face is wider than this share of the image; smaller ones are something else."""


@dataclass(frozen=True)
class Agreement:
    """detected: share of images with a face. error: mean distance of landmarks from the truth's
    in per cent of the truth's inter-ocular distance, median over images (NaN if there is none).
    errors: by image, NaN where no face was found."""

    detected: float
    error: float
    errors: Float[ndarray, "N"]


def detect_face(image: UInt8[ndarray, "n n 3"]) -> Float[ndarray, "478 2"] | None:
    """Landmarks (pixels) of the face of an EG3D crop, or None."""
    faces = detect(image)
    if not faces or face_size(faces[0]) < SMALLEST_SHARE * len(image):
        return None
    return faces[0][:, :2].astype(np.float64)


def landmark_error(found: Float[ndarray, "478 2"], truth: Float[ndarray, "478 2"]) -> float:
    """Mean distance in per cent of the truth's inter-ocular distance."""
    apart = np.linalg.norm(found - truth, axis=1).mean()
    return float(100.0 * apart / interocular(truth))


def agreement(
    images: Sequence[UInt8[ndarray, "n n 3"]], truths: Sequence[Float[ndarray, "478 2"] | None]
) -> Agreement:
    """Detections on images against true landmarks: mediapipe's own on the true images
    (`detect_face`), or the engine's. Images whose truth is None count for the detection alone."""
    errors = np.full(len(images), np.nan)
    seen = 0
    for k, (image, truth) in enumerate(zip(images, truths, strict=True)):
        found = detect_face(image)
        seen += found is not None
        if found is not None and truth is not None:
            errors[k] = landmark_error(found, truth)
    known = errors[np.isfinite(errors)]
    median = float(np.median(known)) if len(known) else float("nan")
    return Agreement(seen / max(len(images), 1), median, errors)


def detection_rate(images: Sequence[UInt8[ndarray, "n n 3"]]) -> float:
    """Share of the images in which mediapipe finds a face of an EG3D crop's size."""
    return agreement(images, [None] * len(images)).detected

"""Peak signal to noise ratio, over an image or a part of it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from portraiture.types import Segment

FACE = (
    Segment.SKIN, Segment.NOSE, Segment.GLASSES, Segment.LEFT_EYE, Segment.RIGHT_EYE,
    Segment.LEFT_BROW, Segment.RIGHT_BROW, Segment.MOUTH, Segment.UPPER_LIP, Segment.LOWER_LIP,
)  # fmt: skip
"""The classes inside the face."""


def psnr(
    image: Float[ndarray, "h w 3"],
    truth: Float[ndarray, "h w 3"],
    *,
    mask: Bool[ndarray, "h w"] | None = None,
) -> float:
    """Decibels; images in [0, 1], mask: of the pixels that count. Infinite for equal images.
    Raises ValueError on an empty mask."""
    error = (np.asarray(image, np.float64) - np.asarray(truth, np.float64)) ** 2
    if mask is not None:
        if not mask.any():
            raise ValueError("no pixel counts")
        error = error[mask]
    mean = error.mean()
    return float(-10.0 * np.log10(mean)) if mean > 0 else float("inf")


def face_mask(segmentation: ndarray) -> Bool[ndarray, "..."]:
    """Where a segmentation (`Segment`) shows the face without ears, hair and neck."""
    return np.isin(segmentation, FACE)

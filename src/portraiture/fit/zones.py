"""Zones of the sitter's face in the window of `fit.regions`, and their colours."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from skimage.draw import polygon2mask

from portraiture.engine.landmarks import CONTOUR
from portraiture.fit.light import decode
from portraiture.fit.regions import Regions


def zone_colour(regions: Regions, mask: ndarray, quantile: float = 0.5) -> ndarray:
    """Quantile of linear colour over the unoccluded part of a mask of the window; if that is empty,
    over the unoccluded face."""
    pixels = regions.image[mask & ~regions.covered]
    if len(pixels) < 8:
        outline = regions.landmarks[[*CONTOUR]][:, ::-1]
        face = polygon2mask(regions.skin.shape, outline) & ~regions.hair
        bare = face & ~regions.covered if regions.covered.any() else regions.skin
        pixels = regions.image[bare if bare.sum() >= 8 else face | mask]
    return np.quantile(decode(pixels), quantile, axis=0)


def covered_share(regions: Regions, mask: Bool[ndarray, "n n"]) -> float:
    """Occluded fraction, in [0, 1], of a mask of the window."""
    return float(regions.covered[mask].mean()) if mask.any() else 0.0


def disc(regions: Regions, landmark: int, radius: float) -> Bool[ndarray, "n n"]:
    """Pixels around a landmark; radius in inter-ocular distances."""
    y, x = np.mgrid[: regions.skin.shape[0], : regions.skin.shape[1]] + 0.5
    centre = regions.landmarks[landmark]
    return np.hypot(x - centre[0], y - centre[1]) < radius * regions.iod


def cheek_mask(regions: Regions) -> Bool[ndarray, "n n"]:
    """Mask of the centre of both cheeks."""
    return np.any([disc(regions, k, 0.16) for k in (50, 280, 117, 346)], axis=0)

"""Fit shape, thickness and density of the brows to the darkness of the albedo around them [ours].

albedo ─log, less the forehead's─▶ darkness of texels ─▶ style and thickness that correlate best
                                                    └──▶ slope ─────────────────────────▶ density

A textured avatar's brows are the texture's own; these are of the untextured one and of its styles.
"""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from portraiture.engine.face.brows import brow_band, brow_color, brow_density, brow_texels
from portraiture.engine.hair.color import to_linear
from portraiture.engine.parameters import AvatarParameters, BrowStyle
from portraiture.engine.shape import HeadShape
from portraiture.fit.light import decode

THICKNESSES = np.linspace(0.0, 1.0, 7)
STRIDE = 2
"""Only every so many rows and columns of texels are compared."""
ZONE, ABOVE, WIDEST_M = (-1.1, 2.4), 1.3, 0.062
"""Heights over the middle of the widest brows that are compared, and from which there is forehead,
in their half heights; and largest |x|."""
FULL, LEAST_SHARE = 0.0191, 0.4
"""Texels in `ZONE`, all of them, as a share of the texture's, and least share of them that the
photo shows."""
LEAST_CONTRAST = 0.1
"""Log darkness of brows that are seen."""
STYLE_COST, THICKNESS_COST = 0.02, 0.2
"""By how much another style than the natural one must correlate better, and of the squared distance
from the usual thickness."""


def fit_brows(
    albedo: UInt8[ndarray, "s s 3"],
    mask: Float[ndarray, "s s"],
    parameters: AvatarParameters,
    shape: HeadShape,
) -> AvatarParameters:
    """A copy of the parameters with the brows in an albedo, or the same where those are not seen.

    mask: in [0, 1], where the albedo is the photo's.
    """
    rows, columns, points = brow_texels(shape, albedo.shape[0])
    height = _height(points, parameters)
    some = (rows % STRIDE == 0) & (columns % STRIDE == 0) & (mask[rows, columns] > 0.0)
    some &= (height > ZONE[0]) & (height < ZONE[1]) & (np.abs(points[:, 0]) < WIDEST_M)
    rows, columns, points, above = rows[some], columns[some], points[some], height[some] > ABOVE
    weight = mask[rows, columns].astype(np.float64)
    full = FULL * albedo.shape[0] * albedo.shape[1] / STRIDE**2
    if weight.sum() < LEAST_SHARE * full or not above.any():
        return parameters
    light = np.log(np.maximum(decode(albedo[rows, columns]).mean(-1), 2e-3)).astype(np.float64)
    skin = float(np.average(light[above], weights=weight[above]))
    dark = np.maximum(skin - light, 0.0)
    best, slope, answer = -1.0, 0.0, parameters
    for style in get_args(BrowStyle):
        for thickness in THICKNESSES.tolist():
            candidate = replace(parameters, brow_style=style, brow_thickness=thickness)
            amount = brow_density(points, candidate, softness=1.0)
            fit, rise = _correlation(amount, dark, weight)
            fit -= STYLE_COST * (style != "natural") + THICKNESS_COST * (thickness - 0.5) ** 2
            if fit > best:
                best, slope, answer = fit, rise, candidate
    if slope < LEAST_CONTRAST:
        return parameters
    return replace(answer, brow_density=_density(slope, answer, np.exp(skin)))


def _height(points: Float[ndarray, "N 3"], parameters: AvatarParameters) -> Float[ndarray, "N"]:
    """Height over the middle of the widest brows, in their half heights."""
    widest = replace(parameters, brow_style="bushy", brow_thickness=1.0)
    ends = brow_band(np.array([0.0, 1.0]), widest)[0]
    _, middle, half = brow_band((np.abs(points[:, 0]) - ends[0]) / np.ptp(ends), widest)
    return (points[:, 1] - middle) / half


def _correlation(
    model: Float[ndarray, "N"], data: Float[ndarray, "N"], weight: Float[ndarray, "N"]
) -> tuple[float, float]:
    """Weighted Pearson correlation, and the slope of the data over the model."""
    x = model - np.average(model, weights=weight)
    y = data - np.average(data, weights=weight)
    xx, yy, xy = (float((weight * a).sum()) for a in (x * x, y * y, x * y))
    return xy / max(np.sqrt(xx * yy), 1e-9), xy / max(xx, 1e-9)


def _density(slope: float, parameters: AvatarParameters, skin: float) -> float:
    """`brow_density` whose brows are darker than the skin by `slope`, in log units."""
    hair = float(to_linear(brow_color(parameters)).mean())
    full = max(np.log(skin / max(hair, 1e-3)), 0.2)
    return float(np.clip(slope / full, 0.1, 1.0))

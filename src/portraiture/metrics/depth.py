"""How far surfaces lie from the truth, in millimetres of a real head."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray


def depth_error_mm(
    depth: Float[ndarray, "*n"],
    truth: Float[ndarray, "*n"],
    *,
    unit_m: float,
    mask: Bool[ndarray, "*n"] | None = None,
) -> float:
    """Median of |depth − truth| over the pixels where the truth has a surface.

    depth, truth: distances along the rays in EG3D units, 0 where nothing is; where only `depth` has
    nothing, the pixel counts as infinitely wrong. unit_m: metres of this head per EG3D unit
    (`people.views.HeadFrame.scale`). mask: of the pixels that count, such as the face.
    Raises ValueError when no pixel counts.
    """
    counted = truth > 0 if mask is None else (truth > 0) & mask
    if not counted.any():
        raise ValueError("no pixel has a true surface")
    error = np.where(depth > 0, np.abs(depth - truth), np.inf)[counted]
    return float(np.median(error) * unit_m * 1000.0)

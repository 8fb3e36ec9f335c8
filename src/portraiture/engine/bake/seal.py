"""Close the lips of the base mesh, whose neutral mouth is open by about a millimetre."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

LIP_LINE = 6.61
"""Height of the base mesh's lip line, decimetres."""

LIFT = 0.0115
"""Displacement of either lip at the lip line, decimetres; slightly more than the gap, so that lips
thinner than the base mesh's also touch."""

REACH = 0.018
LOWER_LIP_DROP = 0.3
"""Fraction of jawOpen's maximum drop above which a vertex belongs to the lower lip."""


def seal_lips(
    vertices: Float[ndarray, "V 3"], jaw_open: Float[ndarray, "V 3"], skin: ndarray
) -> Float[ndarray, "V 3"]:
    """Copy the base mesh (decimetres) with both lips moved towards each other.

    jaw_open: displacement of the action jawOpen. skin: indices of the body's vertices; teeth and
    tongue do not move.
    """
    x, y, z = np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]
    weight = np.exp(-(((y - LIP_LINE) / REACH) ** 2)) * np.clip((z - 1.34) / 0.06, 0.0, 1.0)
    weight[x > 0.27] = 0.0
    moving = np.zeros(len(vertices), bool)
    moving[skin] = True
    drop = -jaw_open[:, 1]
    up = np.where(drop > LOWER_LIP_DROP * drop[skin].max(), 1.0, -1.0)
    sealed = vertices.copy()
    sealed[:, 1] += LIFT * np.where(moving, up * weight, 0.0)
    return sealed

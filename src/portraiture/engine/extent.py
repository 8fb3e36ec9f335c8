"""Extent of the bust: the part of MakeHuman's body that the engine keeps.

Lengths are in decimetres, on the base mesh.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

DECIMETRE = 0.1
BUST_ABOVE = 3.7
"""Height of the bust's lower edge."""

SHOULDER, ELBOW = np.array([1.68, 5.25, 0.15]), np.array([3.13, 3.49, 0.13])
ARM_LENGTH = 0.95
"""Distance from the shoulder joint towards the elbow at which the arms are cut."""


def inside_bust(vertices: Float[ndarray, "V 3"]) -> Float[ndarray, "V"]:
    """Signed distance (decimetres) of base-mesh points to the bust's edge, positive inside."""
    along = (ELBOW - SHOULDER) / np.linalg.norm(ELBOW - SHOULDER)
    mirrored = np.stack([np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]], 1)
    return np.minimum(vertices[:, 1] - BUST_ABOVE, ARM_LENGTH - (mirrored - SHOULDER) @ along)

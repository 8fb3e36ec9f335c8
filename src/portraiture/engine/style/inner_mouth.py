"""The inside of the mouth in a style: clean teeth, set back behind lips that have changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from scipy.spatial import KDTree

from portraiture.engine.shape import HeadShape
from portraiture.ops.vectors import smooth
from portraiture.types import Part, Segment

DEEPER_M = 0.006
"""By how much the cavity is set back."""

BEHIND_M = 0.004
"""Distance that teeth keep behind the outer skin."""

_MOST_M = 0.014
_NEAR_M = 0.005
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def set_back(part: Part, shape: HeadShape, least: float) -> Part:
    """Teeth or tongue moved back by `least` metres, or as far as it takes to be covered by lips and
    chin."""
    outer = shape.model.arrays["skin_segment"] != Segment.MOUTH
    skin = shape.skin[np.unique(shape.faces[outer])]
    front = skin[skin[:, 2] > part.vertices[:, 2].mean()]
    cover = KDTree(front[:, :2]).query_ball_point(part.vertices[:, :2], _NEAR_M)
    depth = np.array([front[rows, 2].max() if rows else np.inf for rows in cover])
    needed = float((part.vertices[:, 2] - depth).max()) + BEHIND_M
    back = np.float32(np.clip(needed, least, max(least, _MOST_M)))
    return replace(part, vertices=part.vertices - np.array([0.0, 0.0, back], np.float32))


def deepened(skin: Part) -> Part:
    """The skin with the inside of the mouth set back, which changed lips and chins would show."""
    inside = skin.segment == Segment.MOUTH
    only = np.setdiff1d(skin.faces[inside], skin.faces[~inside])
    vertices = skin.vertices.copy()
    vertices[only, 2] -= DEEPER_M
    return replace(skin, vertices=vertices)


def two_tones(color: Float32[ndarray, "h w 3"]) -> Float32[ndarray, "h w 3"]:
    """Teeth and gums, or a tongue, each in the mean of its lighter and darker texels."""
    grey = color @ _LUMA
    middle = 0.5 * (np.quantile(grey, 0.05) + np.quantile(grey, 0.95))
    light = smooth((grey - middle) / 0.06 + 0.5)[..., None]
    tones = [(color * w).sum((0, 1)) / np.maximum(w.sum(), 1e-6) for w in (light, 1.0 - light)]
    bright = np.clip(1.12 * tones[0], 0.0, 0.95) if tones[0].mean() > 0.5 else tones[0]
    return (light * bright + (1.0 - light) * tones[1]).astype(np.float32)

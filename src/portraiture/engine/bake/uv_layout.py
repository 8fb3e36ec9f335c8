"""The engine's UV layout: MakeHuman's islands repacked to give the face more texels.

MakeHuman's layout gives the face 6 % of the texture's width. Here the head island is rotated
upright and stretched smoothly and monotonically around the nose (the texel density along each axis
falls as 1/sqrt(1 + (k t)²)), so that no triangle flips and the inter-ocular distance is about 200
of 1024 texels. Torso, mouth cavity and eye sockets fill the lower strip.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

HEAD = ((0.6412, 0.9936), (0.1486, 0.8177))
MOUTH = ((0.7576, 0.9238), (0.0118, 0.1365))
TORSO = ((0.12, 0.641), (0.6405, 0.974))
SOCKET_RIGHT = ((0.0118, 0.0769), (0.5473, 0.6329))
SOCKET_LEFT = ((0.0861, 0.1512), (0.5473, 0.6329))
"""MakeHuman's islands as ((u0, u1), (v0, v1)), measured in base.obj for the faces of the bust."""

_MARGIN = 0.004


def _inside(uv: ndarray, island: tuple) -> ndarray:
    (u0, u1), (v0, v1) = island
    e = 2e-4
    u, v = uv[:, 0], uv[:, 1]
    return (u >= u0 - e) & (u <= u1 + e) & (v >= v0 - e) & (v <= v1 + e)


def _unit(uv: ndarray, island: tuple) -> ndarray:
    (u0, u1), (v0, v1) = island
    return np.clip((uv - [u0, v0]) / [u1 - u0, v1 - v0], 0.0, 1.0)


def _stretch(t: ndarray, centre: float, k: float) -> ndarray:
    """Monotone map of [0, 1] onto itself with the highest texel density at `centre`."""
    low, high = np.arcsinh(-k * centre), np.arcsinh(k * (1.0 - centre))
    return (np.arcsinh(k * (t - centre)) - low) / (high - low)


def _place(t: ndarray, box: tuple[float, float, float, float]) -> ndarray:
    x0, y0, x1, y1 = box
    low = np.array([x0 + _MARGIN, y0 + _MARGIN])
    high = np.array([x1 - _MARGIN, y1 - _MARGIN])
    return low + t * (high - low)


def pack_uv(uv: Float[ndarray, "T 2"]) -> Float[ndarray, "T 2"]:
    """Map MakeHuman UV to engine UV; coordinates outside the five islands become NaN."""
    out = np.full_like(uv, np.nan)
    head = _inside(uv, HEAD)
    t = _unit(uv[head], HEAD)
    x = _stretch(t[:, 1], 0.5, 6.0)
    y = _stretch(1.0 - t[:, 0], 0.36, 5.0)
    out[head] = _place(np.stack([x, y], axis=1), (0.0, 0.38, 1.0, 1.0))
    for island, box in (
        (TORSO, (0.0, 0.0, 0.6, 0.38)),
        (MOUTH, (0.6, 0.0, 0.84, 0.38)),
        (SOCKET_RIGHT, (0.84, 0.0, 1.0, 0.19)),
        (SOCKET_LEFT, (0.84, 0.19, 1.0, 0.38)),
    ):
        chosen = _inside(uv, island) & ~head
        out[chosen] = _place(_unit(uv[chosen], island), box)
    return out

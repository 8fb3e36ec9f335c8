"""The nearest triangle at every pixel centre, without gradients, by either backend.

This imports torch only for the reference, which takes a second or two.
"""

from __future__ import annotations

import importlib.util
import logging
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from portraiture.render.alpha_test import AlphaTest

Backend = Literal["auto", "numba", "torch"]

NEAR = 0.01
"""Default near plane, metres."""

_log = logging.getLogger(__name__)


def visible(
    points: Float[ndarray, "V 3"],
    faces: Int[ndarray, "F 3"],
    size: tuple[int, int],
    *,
    near: float = NEAR,
    cull: Int[ndarray, "F"] | None = None,
    alpha: AlphaTest | None = None,
    backend: Backend = "auto",
) -> tuple[Int[ndarray, "H W"], Float[ndarray, "H W 3"], Float[ndarray, "H W"]]:
    """Rasterise one image without gradients: triangle (int32, -1 for none), barycentric and depth.

    cull: (F,) non-zero culls the triangle if it faces away. Both backends give identical triangles.
    Raises as `rasterize` does.
    """
    points = np.ascontiguousarray(points, np.float64)
    faces = np.ascontiguousarray(faces, np.int32)
    if points.ndim != 2 or points.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"points and faces must be (·, 3), not {points.shape}, {faces.shape}")
    if len(faces) and not 0 <= faces.min() <= faces.max() < len(points):
        raise ValueError(f"faces must hold indices from 0 to {len(points) - 1}")
    if min(size) < 1 or near <= 0.0:
        raise ValueError(f"size {size} and near {near} must be positive")
    drop = np.zeros(len(faces), np.uint8) if cull is None else np.asarray(cull, np.uint8)
    if _resolve(backend) == "numba":
        from portraiture.render.rasterize_numba import rasterize_numba

        return rasterize_numba(points, faces, size, near=near, cull=drop, alpha=alpha)
    from portraiture.render.rasterize_torch import rasterize_torch

    return rasterize_torch(points, faces, size, near=near, cull=drop, alpha=alpha)


def _resolve(backend: Backend) -> Literal["numba", "torch"]:
    if backend not in ("auto", "numba", "torch"):
        raise ValueError(f"backend must be auto, numba or torch, not {backend!r}")
    if backend == "torch" or _numba_missing():
        if backend == "numba":
            raise RuntimeError("backend 'numba' was requested but numba is not installed")
        if backend == "auto":
            _log_fallback()
        return "torch"
    return "numba"


def _numba_missing() -> bool:
    return importlib.util.find_spec("numba") is None


@lru_cache(maxsize=1)
def _log_fallback() -> None:
    _log.warning("numba is not installed: rasterising with the slow torch reference")

"""Alpha test of fragments, shared by the reference rasteriser and its CPU kernel."""

from __future__ import annotations

from typing import NamedTuple

from numpy import ndarray


class AlphaTest(NamedTuple):
    """Inputs of the alpha test.

    cutoff: (F,) float32, a fragment passes if opacity >= cutoff; negative: every fragment passes.
    texture: (F, 3) int64 offset, rows and columns of the triangle's RGBA texture in `texels`.
    uv: (V, 2) float32, v up, textures repeat. texels: flat uint8. spread: in [0, 1], relative
    variation of the cutoff between neighbouring samples. The pattern covers 2 × 2 samples and
    rotates with the triangle's index, so that supersampled edges of thin hair become soft (alpha to
    coverage).
    """

    cutoff: ndarray
    texture: ndarray
    uv: ndarray
    texels: ndarray
    spread: float = 0.0

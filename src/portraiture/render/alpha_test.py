"""Which fragments a texture's opacity keeps: shared by the rasteriser and its CPU kernel."""

from __future__ import annotations

from typing import NamedTuple

from numpy import ndarray


class AlphaTest(NamedTuple):
    """What decides whether a fragment is kept.

    cutoff: (F,) float32, a fragment needs opacity >= cutoff; negative: every one passes.
    texture: (F, 3) int64 offset, rows and columns of the triangle's RGBA texture in `texels`.
    uv: (V, 2) float32, v up, textures repeat. texels: flat uint8. spread: in [0, 1], how far the
    cutoffs of neighbouring samples differ, as a share of the cutoff; the pattern covers 2 × 2
    samples and turns with the triangle's index, so that supersampled edges of thin hair get soft
    (alpha to coverage).
    """

    cutoff: ndarray
    texture: ndarray
    uv: ndarray
    texels: ndarray
    spread: float = 0.0

"""Parts of a bust posed in an expression."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from portraiture.types import Part


def posed(part: Part, expression: Mapping[str, float]) -> Float32[ndarray, "V 3"]:
    """Vertices of `part` with the ARKit weights of `expression` applied, world metres.

    Names that do not move this part are ignored. Without motion the part's own array is returned,
    not a copy.
    """
    vertices = part.vertices
    moving = [(part.morphs[n], w) for n, w in expression.items() if w != 0.0 and n in part.morphs]
    if not moving:
        return vertices
    vertices = np.array(vertices, np.float32)
    for morph, weight in moving:
        vertices[morph.indices] += np.float32(weight) * morph.deltas
    return vertices

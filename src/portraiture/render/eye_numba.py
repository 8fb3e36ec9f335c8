"""The iris seen and lit through the cornea."""

from __future__ import annotations

import math

from portraiture.ops.inner import inlined
from portraiture.render.brdf_numba import clamp01, dot3, smoothstep

IRIS_RADIUS = 0.17
"""Of the largest usual iris in the texture of an eye (see `engine.face.iris`), in texture sides."""

CHAMBER = 0.045
"""Depth of the iris' centre below the cornea, in texture sides."""

AQUEOUS_IOR = 1.336

CAUSTIC = 0.45
"""Most by which light that the cornea gathers brightens the iris away from the light."""


@inlined
def through_cornea(u, v, n, tangent, handed, view, light):
    """Texture coordinates of what is seen through the cornea at (u, v), refracted (Snell's law),
    and the factor on the iris' brightness of light gathered opposite to the key light."""
    x, y = u - 0.5, v - 0.5
    r2 = (x * x + y * y) / (IRIS_RADIUS * IRIS_RADIUS)
    if r2 >= 1.0:
        return u, v, 1.0
    bitangent = (
        handed * (n[1] * tangent[2] - n[2] * tangent[1]),
        handed * (n[2] * tangent[0] - n[0] * tangent[2]),
        handed * (n[0] * tangent[1] - n[1] * tangent[0]),
    )
    across, up = dot3(view, tangent), dot3(view, bitangent)
    sine = (across * across + up * up) / (AQUEOUS_IOR * AQUEOUS_IOR)
    step = CHAMBER * (1.0 - r2) / (AQUEOUS_IOR * math.sqrt(1.0 - clamp01(sine)))
    away = -(x * dot3(light, tangent) + y * dot3(light, bitangent)) / IRIS_RADIUS
    gathered = smoothstep(1.0, 0.7, r2) * smoothstep(0.02, 0.12, r2)
    return u - step * across, v - step * up, 1.0 + CAUSTIC * gathered * min(max(away, -0.5), 1.0)

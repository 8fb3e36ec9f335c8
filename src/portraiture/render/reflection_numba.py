"""Reflected light: look-ups in the environment and the split-sum table, and the key light's."""

from __future__ import annotations

import math

from portraiture.ops.inner import inlined, inner
from portraiture.render.brdf_numba import clamp01, dot3, fresnel, ggx, smoothstep, unit3

ROWS, COLUMNS = 32, 64
SQUARE, ROUND, WINDOW = range(3)
"""Outlines of the key light, in the order of `types.KeyShape`."""


@inlined
def mirror(n, view):
    """Reflect the view direction at n."""
    d = 2.0 * dot3(n, view)
    return d * n[0] - view[0], d * n[1] - view[1], d * n[2] - view[2]


@inlined
def place(direction):
    """Row and column of a direction in an environment of 32 by 64 pixels."""
    y = math.acos(min(max(direction[1], -1.0), 1.0)) * (ROWS / math.pi) - 0.5
    x = (math.atan2(direction[0], direction[2]) + math.pi) * (COLUMNS / (2.0 * math.pi)) - 0.5
    return y, x


@inner
def surroundings(environment, y, x, roughness):
    """RGB radiance of the blurred environment at a `place`, trilinear."""
    level = min(max(roughness, 0.0), 1.0) * (environment.shape[0] - 1)
    low = min(int(level), environment.shape[0] - 2)
    top, left = math.floor(y), math.floor(x)
    v, u, t = y - top, x - left, level - low
    bottom, right = min(top + 1, ROWS - 1), (left + 1) % COLUMNS
    top, left = max(top, 0), left % COLUMNS
    out = (0.0, 0.0, 0.0)
    for k in range(2):
        image = environment[low + k]
        w = t if k == 1 else 1.0 - t
        a, b = w * (1.0 - v) * (1.0 - u), w * (1.0 - v) * u
        c, d = w * v * (1.0 - u), w * v * u
        out = (
            out[0] + a * image[top, left, 0] + b * image[top, right, 0]
            + c * image[bottom, left, 0] + d * image[bottom, right, 0],
            out[1] + a * image[top, left, 1] + b * image[top, right, 1]
            + c * image[bottom, left, 1] + d * image[bottom, right, 1],
            out[2] + a * image[top, left, 2] + b * image[top, right, 2]
            + c * image[bottom, left, 2] + d * image[bottom, right, 2],
        )  # fmt: skip
    return out


@inner
def reflectance(table, f0, roughness, ndv):
    """Specular reflectance of a rough surface under uniform light. Light that is reflected more
    than once between facets is added (Fdez-Agüera 2019, "A multiple-scattering microfacet model",
    for metals), so that a perfect mirror of any roughness reflects all."""
    y = clamp01(roughness) * (table.shape[0] - 1)
    x = clamp01(ndv) * (table.shape[1] - 1)
    row, column = min(int(y), table.shape[0] - 2), min(int(x), table.shape[1] - 2)
    v, u = y - row, x - column
    scale, bias = 0.0, 0.0
    for k in range(4):
        weight = (v if k & 1 else 1.0 - v) * (u if k & 2 else 1.0 - u)
        entry = table[row + (k & 1), column + (k >> 1)]
        scale += weight * entry[0]
        bias += weight * entry[1]
    return (f0 * scale + bias) * (1.0 + f0 * (1.0 / (scale + bias) - 1.0))


@inlined
def key_image(lighting, reflected):
    """Radiance of the key light in a mirror, relative to the key's colour: a square, a disk or a
    window with bars. Its solid angle and radiance match the key's irradiance."""
    axes = lighting.axes
    towards = dot3(axes[2], reflected)
    if towards < 0.5:
        return 0.0
    half = max(lighting.spread, 0.08)
    x, y = dot3(axes[0], reflected) / (towards * half), dot3(axes[1], reflected) / (towards * half)
    x, y = abs(x), abs(y)
    if lighting.outline == ROUND:
        return smoothstep(1.2, 0.95, math.sqrt(x * x + y * y)) / (half * half)
    inside = smoothstep(1.25, 0.85, x) * smoothstep(1.25, 0.85, y)
    if lighting.outline == WINDOW:
        inside *= smoothstep(0.04, 0.16, x) * smoothstep(0.0, 0.12, abs(y - 0.25)) * 1.25
    return inside * math.pi / (4.0 * half * half)


@inlined
def key_highlight(lighting, n, view, f0, roughness):
    """Specular radiance due to an unshadowed key light of colour 1."""
    light = lighting.key_direction
    ndl = dot3(n, light)
    if ndl <= 0.0:
        return 0.0
    h = unit3(light[0] + view[0], light[1] + view[1], light[2] + view[2])
    alpha = min(max(roughness * roughness, 0.01) + 0.25 * lighting.spread, 1.0)
    shape = ggx(dot3(n, h), ndl, max(dot3(n, view), 1e-3), alpha)
    return shape * fresnel(f0, dot3(h, view)) * math.pi * ndl


@inlined
def cone_visibility(towards, opening, reach):
    """Visibility of reflected light: the unoccluded directions are modelled as a cone around
    `opening` whose width follows from the visible ambient light, cos² = 1 - reach for a
    cosine-weighted cone."""
    edge = math.sqrt(max(1.0 - reach, 0.0))
    return smoothstep(edge - 0.35, edge + 0.35, dot3(towards, opening))

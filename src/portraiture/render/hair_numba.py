"""Shading of hair: scattering of a fibre, and of the mass of hair."""

from __future__ import annotations

import math

from portraiture.ops.inner import inlined
from portraiture.render.brdf_numba import (
    diffuse_sh,
    dot3,
    fresnel,
    smoothstep,
    unit3,
    wrapped,
)
from portraiture.render.reflection_numba import place, surroundings

HAIR_EXTINCTION = 95.0
"""Extinction of key light in black hair, 1/m."""

HAIR_F0 = 0.0465
"""Fresnel reflectance of keratin at normal incidence."""

TILT, TILT_INSIDE = 0.10, -0.20
"""Sine by which the cuticle's scales tilt the white highlight to the tip, and the coloured one,
which light gives that was reflected inside, to the root."""


@inlined
def longitudinal(width, offset):
    """Normal distribution of sin θi + sin θr: its integral over sin θi is 1."""
    return math.exp(-0.5 * (offset / width) ** 2) / (width * 2.5066282746310002)


@inlined
def white_lobe(cosine):
    """Azimuthal distribution of light reflected at the fibre's surface, cos(φ/2) / 4."""
    return 0.25 * math.sqrt(max(0.5 + 0.5 * cosine, 0.0))


@inlined
def coloured_lobe(cosine):
    """Azimuthal distribution of light reflected inside the fibre (Karis 2016, "Physically based
    hair shading in Unreal", TRT)."""
    return math.exp(17.0 * cosine - 16.78)


@inlined
def through_lobe(cosine):
    """Azimuthal distribution of light that passes through the fibre (as before, TT)."""
    return math.exp(-3.65 * cosine - 3.98)


@inlined
def fibre(tangent, view, light, roughness, jitter):
    """Lobes of a fibre for one light, without absorption (Marschner et al. 2003; Karis 2016): white
    reflection, reflection inside, transmission, each a fraction of the light's irradiance scattered
    into a steradian, and the cosine of half the angle between light and view along the fibre.

    tangent: towards the root. jitter: shift of both highlights, a sine.
    """
    sin_i, sin_r = dot3(tangent, light), dot3(tangent, view)
    cos_i = math.sqrt(max(1.0 - sin_i * sin_i, 1e-4))
    cos_r = math.sqrt(max(1.0 - sin_r * sin_r, 1e-4))
    azimuth = (dot3(light, view) - sin_i * sin_r) / (cos_i * cos_r)
    azimuth = min(max(azimuth, -1.0), 1.0)
    width = 0.05 + 0.16 * roughness
    total = sin_i + sin_r - jitter
    half = math.sqrt(max(0.5 + 0.5 * dot3(light, view), 0.0))
    straight = math.sqrt(max(0.5 + 0.5 * (cos_i * cos_r + sin_i * sin_r), 0.0))
    f = fresnel(HAIR_F0, half)
    inside = fresnel(HAIR_F0, 0.5 * straight)
    white = longitudinal(width, total - TILT) * white_lobe(azimuth) * f * cos_i
    passed = (1.0 - inside) * (1.0 - inside)
    coloured = longitudinal(2.0 * width, total - TILT_INSIDE) * coloured_lobe(azimuth)
    through = longitudinal(width, total + 0.5 * TILT) * through_lobe(azimuth)
    return white, coloured * inside * passed * cos_i, through * passed * cos_i, straight


@inlined
def around_strand(tangent, n, view, jitter):
    """Direction from which hair mainly reflects its surroundings: on the cone around the strand
    that mirrors the view, between the surface's normal and the view."""
    sin_r = dot3(tangent, view)
    along_n = dot3(tangent, n)
    x, y, z = unit3(
        n[0] - along_n * tangent[0] + 0.4 * (view[0] - sin_r * tangent[0]),
        n[1] - along_n * tangent[1] + 0.4 * (view[1] - sin_r * tangent[1]),
        n[2] - along_n * tangent[2] + 0.4 * (view[2] - sin_r * tangent[2]),
    )
    s = min(max(jitter - sin_r, -0.98), 0.98)
    c = math.sqrt(1.0 - s * s)
    return c * x + s * tangent[0], c * y + s * tangent[1], c * z + s * tangent[2]


@inlined
def hair(lighting, look, rgb, n, tangent, view, roughness, depth, reach):
    """Linear RGB radiance: wrapped diffuse scattering in the mass of hair, a fibre's white and
    coloured highlights of key light and surroundings, and light from behind.

    depth: below the hair's surface, along the key light, metres. roughness: of a hair; it also
    shifts the highlights from hair to hair.
    """
    light = lighting.key_direction
    jitter = 0.35 * (roughness - 0.56)
    white, coloured, through, straight = fibre(tangent, view, light, roughness, jitter)
    along = dot3(tangent, light)
    across = math.sqrt(max(1.0 - along * along, 0.0))
    cosine = dot3(n, light)
    front = smoothstep(-0.25, 0.35, cosine) * look.specular * math.pi
    spread = 0.7 * wrapped(cosine, 0.45) + 0.3 * across * smoothstep(-0.6, 0.4, cosine)
    y, x = place(around_strand(tangent, n, view, jitter))
    seen = surroundings(lighting.environment, y, x, 0.3)
    gloss = smoothstep(0.9, 0.3, roughness)
    out = (0.0, 0.0, 0.0)
    for channel in range(3):
        a, open_ = rgb[channel], reach[channel]
        lit = math.exp(-depth * HAIR_EXTINCTION * (1.0 - 0.55 * math.sqrt(a)))
        absorbed = a ** (0.6 / max(straight, 0.3))
        sheen = front * (white + 1.6 * coloured * absorbed) * lit
        behind = math.pi * 0.25 * through * math.sqrt(a) * absorbed * lit
        shine = 0.012 + 0.45 * absorbed * math.sqrt(absorbed)
        shine *= look.specular * gloss
        sky = diffuse_sh(lighting.ambient, n, channel) * open_ * a ** (0.65 * (1.0 - open_))
        sky *= 1.0 - shine
        glow = shine * open_ * open_ * seen[channel]
        value = a * (spread * lit * lighting.key_color[channel] + sky) + glow
        value += (sheen + behind) * lighting.key_color[channel]
        if channel == 0:
            out = (value, out[1], out[2])
        elif channel == 1:
            out = (out[0], value, out[2])
        else:
            out = (out[0], out[1], value)
    return out

"""Shading of each material kind: skin, hair, and everything else."""

from __future__ import annotations

import math
from typing import NamedTuple

from numpy import ndarray

from portraiture.ops.inner import inlined
from portraiture.render.brdf_numba import (
    dot3,
    environment_share,
    fresnel,
    ggx,
    mix3,
    multibounce,
    sh_radiance,
    smoothstep,
    strand_lobe,
    unit3,
    wrapped,
)

PLAIN, SKIN, HAIR, EYE, MOUTH, CLOTH, GLASS = range(7)
"""Material kinds, in the order of `scene.KINDS`."""

HAIR_EXTINCTION = 95.0
"""Extinction of key light in black hair, 1/m."""

SKIN_PATH_M = (0.0037, 0.0016, 0.0009)
"""Scattering distance of red, green and blue light in skin (as in d'Eon and Luebke 2007)."""

FLESH_PATH_M = (0.0032, 0.0009, 0.0006)
"""Attenuation lengths (to 1/e) of red, green and blue light transmitted through flesh."""


class Lighting(NamedTuple):
    """Light in the layout of the kernels (a flat tuple of arrays).

    ambient: (9, 3) SH radiance. reach: (V, 3) fraction of it that reaches each vertex.
    key_direction, key_color: (3,), see `types.Light`. spread: tangent of the key light's angular
    radius. taps: (N, 2), see `shadow.visibility`. heights, axes, corner, scale: the fields of the
    key light's `shadow.HeightMap`.
    """

    ambient: ndarray
    reach: ndarray
    key_direction: ndarray
    key_color: ndarray
    spread: float
    taps: ndarray
    heights: ndarray
    axes: ndarray
    corner: ndarray
    scale: float


class Look(NamedTuple):
    """Shading parameters of a style.

    scatter: factor on the scattering distance in skin. warmth: redness of scattered light at the
    terminator, 0 to 1. specular: factor on highlights. rim: light at grazing angles. bands: 0 for
    continuous shading, else the number of flat tones. spread: tangent of the key light's angular
    radius.
    """

    scatter: float
    warmth: float
    specular: float
    rim: float
    bands: int
    spread: float


@inlined
def diffuse_sh(ambient, n, channel):
    """Irradiance over pi of the SH light (Ramamoorthi and Hanrahan 2001, eq. 12)."""
    return sh_radiance(ambient, n, 2.0 / 3.0, 0.25, channel)


@inlined
def softbox(lighting, reflected):
    """Radiance of the key light as a square softbox, relative to the key's colour, for reflections
    in wet eyes and glass. Its solid angle and radiance match the key's irradiance."""
    axes = lighting.axes
    towards = dot3(axes[2], reflected)
    if towards < 0.5:
        return 0.0
    x, y = abs(dot3(axes[0], reflected)) / towards, abs(dot3(axes[1], reflected)) / towards
    half = 1.3 * max(lighting.spread, 0.1)
    inside = smoothstep(1.25 * half, 0.85 * half, x) * smoothstep(1.25 * half, 0.85 * half, y)
    return inside * math.pi / (4.0 * half * half)


@inlined
def mirror(n, view):
    """Reflect the view direction at n."""
    d = 2.0 * dot3(n, view)
    return d * n[0] - view[0], d * n[1] - view[1], d * n[2] - view[2]


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
def skin(lighting, look, albedo, smooth, bent, view, bend, lit, depth, reach, channel):
    """Subsurface scattering of skin without highlights: per-channel normals, diffuse wrap by
    curvature (after Penner and Borshukov 2011, "Pre-integrated skin shading"), red-tinted shadow
    edges and translucent ears."""
    light = lighting.key_direction
    path = SKIN_PATH_M[channel] * look.scatter
    n = mix3(bent, smooth, 0.15 + 0.25 * (2 - channel))
    n = unit3(n[0], n[1], n[2])
    width = min(max(1.7 * path * bend, 25.0 * path), 0.75)
    cosine = dot3(n, light)
    # At the terminator the skin shadows itself at zero distance, and light scatters through;
    # elsewhere a nearby occluder is hair or glasses.
    seep = path * (0.4 + 2.1 * smoothstep(0.35, 0.0, cosine))
    through = 1.0 - (1.0 - lit) * smoothstep(0.0, seep, depth)
    out = wrapped(cosine, width) * through
    if depth > 0.0:
        passed = math.exp(-depth / (FLESH_PATH_M[channel] * look.scatter))
        out += 0.35 * passed * wrapped(-dot3(smooth, light) - 0.1, 0.1)
    warm = 1.0 + look.warmth * (0.25 - 0.25 * channel) * (1.0 - cosine)
    ambient = diffuse_sh(lighting.ambient, n, channel)
    rim = (1.0 - max(dot3(smooth, view), 0.0)) ** 4 * look.rim * reach
    light_in = out * warm * lighting.key_color[channel] + ambient * multibounce(reach, albedo)
    return albedo * light_in + rim * ambient * math.sqrt(albedo)


@inlined
def hair(lighting, look, albedo, n, tangent, view, white, coloured, depth, reach, channel):
    """Hair: wrapped diffuse and two specular lobes along the strand (Marschner et al. 2003, in the
    tangent form of Kajiya and Kay). white, coloured: values of `strand_lobe` shifted to the root
    and to the tip. depth: below the hair's surface, along the key light, metres."""
    light = lighting.key_direction
    lit = math.exp(-depth * HAIR_EXTINCTION * (1.0 - 0.55 * math.sqrt(albedo)))
    along = dot3(tangent, light)
    across = math.sqrt(max(1.0 - along * along, 0.0))
    cosine = dot3(n, light)
    diffuse = (0.7 * wrapped(cosine, 0.45) + 0.3 * across * smoothstep(-0.6, 0.4, cosine)) * lit
    front = smoothstep(-0.25, 0.35, cosine) * lit * look.specular
    shine = front * (0.09 * white + 0.55 * math.sqrt(albedo) * albedo * coloured)
    behind = max(-dot3(view, light), 0.0) ** 6 * 0.6 * math.sqrt(albedo) * lit
    sky = diffuse_sh(lighting.ambient, n, channel) * multibounce(reach, albedo)
    glow = 0.022 * sh_radiance(lighting.ambient, mirror(n, view), 0.7, 0.3, channel) * reach * reach
    key = lighting.key_color[channel]
    return albedo * (diffuse * key + sky) + (shine + behind * albedo) * key + glow * look.specular


@inlined
def surface(lighting, albedo, n, view, kind, metallic, lit, reach, channel):
    """Diffuse shading of eyes, mouth, cloth, glass and other materials: wrapped Lambert."""
    width = 0.30 if kind in (EYE, MOUTH) else (0.12 if kind == CLOTH else 0.03)
    diffuse = wrapped(dot3(n, lighting.key_direction), width) * lit * lighting.key_color[channel]
    diffuse += diffuse_sh(lighting.ambient, n, channel) * multibounce(reach, albedo)
    out = albedo * diffuse * (1.0 - metallic)
    if kind == CLOTH:
        out += 0.12 * (1.0 - max(dot3(n, view), 0.0)) ** 3 * math.sqrt(albedo) * diffuse
    return out


@inlined
def mirrored(lighting, n, view, kind, roughness, f0, lit):
    """Specular reflection: factors on the key's colour and on the ambient light in the reflected
    direction, and the attenuation of SH bands 1 and 2 of that light."""
    ndv = max(dot3(n, view), 1e-3)
    if kind == GLASS or (kind == EYE and roughness < 0.35):
        f = fresnel(f0, ndv)
        seen = 0.25 + 0.75 * smoothstep(0.0, 0.3, lit)  # keep a catchlight under hats and hair
        return f * softbox(lighting, mirror(n, view)) * seen, f, 1.0, 1.0
    key = key_highlight(lighting, n, view, f0, roughness)
    share = environment_share(f0, roughness, ndv)
    if kind == SKIN:
        key = 0.85 * key + 0.15 * key_highlight(lighting, n, view, f0, 0.6 * roughness)
        share *= 0.75  # pores shadow themselves
    alpha = roughness * roughness
    return key * lit, share, math.exp(-alpha), math.exp(-3.0 * alpha)


@inlined
def specular_at_normal(kind):
    """Fresnel reflectance at normal incidence: skin, tears, coated lenses, other materials."""
    if kind == SKIN:
        return 0.028
    if kind == EYE:
        return 0.025
    return 0.015 if kind == GLASS else 0.04


@inlined
def cone_visibility(towards, opening, reach):
    """Visibility of reflected light: the unoccluded directions are modelled as a cone around
    `opening` whose width follows from the visible ambient light, cos² = 1 - reach for a
    cosine-weighted cone."""
    edge = math.sqrt(max(1.0 - reach, 0.0))
    return smoothstep(edge - 0.35, edge + 0.35, dot3(towards, opening))


@inlined
def material_radiance(
    lighting, look, kind, rgb, smooth, bent, tangent, view, bend, roughness, metallic, lit, depth,
    reach, opening,
):  # fmt: skip
    """Linear RGB radiance of a material with natural shading and linear albedo `rgb`.

    Albedo is the total reflectance under uniform white light, as observed in photos: the specular
    reflectance of such light (at normal incidence) is subtracted from the diffuse part.
    """
    f0 = specular_at_normal(kind)
    key, share, k1, k2, white, coloured, film = 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0
    light = lighting.key_direction
    if kind == HAIR:
        h = unit3(light[0] + view[0], light[1] + view[1], light[2] + view[2])
        gloss = max(1.0 - roughness, 0.05)
        white = strand_lobe(tangent, 0.09, bent, h, 30.0 + 180.0 * gloss)
        coloured = strand_lobe(tangent, -0.16, bent, h, 8.0 + 26.0 * gloss)
    else:
        level = f0 + metallic * (0.3 * rgb[0] + 0.6 * rgb[1] + 0.1 * rgb[2] - f0)
        key, share, k1, k2 = mirrored(lighting, bent, view, kind, roughness, level, lit)
        key, share = key * look.specular / level, share * look.specular / level
        if kind not in (EYE, GLASS):
            film = (0.75 if kind == SKIN else 1.0) * environment_share(f0, roughness, 1.0)
    film *= look.specular
    towards = mirror(bent, view)
    share *= cone_visibility(towards, opening, reach[1])
    out = (0.0, 0.0, 0.0)
    for channel in range(3):
        a, open_ = rgb[channel], reach[channel]
        if kind == HAIR:
            value = hair(
                lighting, look, a, bent, tangent, view, white, coloured, depth, open_, channel
            )
        else:
            body = max(a - film, 0.4 * a)
            if kind == SKIN:
                value = skin(
                    lighting, look, body, smooth, bent, view, bend, lit, depth, open_, channel
                )
            else:
                value = surface(lighting, body, bent, view, kind, metallic, lit, open_, channel)
            tint = f0 + metallic * (a - f0)
            sky = sh_radiance(lighting.ambient, towards, k1, k2, channel)
            value += tint * (key * lighting.key_color[channel] + share * sky)
        if channel == 0:
            out = (value, out[1], out[2])
        elif channel == 1:
            out = (out[0], value, out[2])
        else:
            out = (out[0], out[1], value)
    return out


@inlined
def flat_tones(lighting, look, rgb, n, view, kind, lit):
    """Toon shading: flat tones of key light, a flat cool shadow, hard highlight and rim."""
    light = lighting.key_direction
    cosine = dot3(n, light)
    open_ = smoothstep(0.3, 0.6, lit)
    level = smoothstep(0.0, 0.14, cosine) * open_
    if look.bands > 2:
        level = 0.72 * level + 0.28 * smoothstep(0.66, 0.80, cosine) * open_
    h = unit3(light[0] + view[0], light[1] + view[1], light[2] + view[2])
    white, coloured = 0.0, 0.0
    if kind in (EYE, GLASS):
        white = 0.8 * smoothstep(0.975, 0.982, dot3(n, h))
    elif kind == HAIR:
        coloured = 0.5 * smoothstep(0.90, 0.93, dot3(n, h)) * level
        white = 0.12 * coloured
    edge = smoothstep(0.66, 0.74, 1.0 - max(dot3(n, view), 0.0)) * smoothstep(-0.2, 0.2, n[1])
    white += 0.1 * edge * look.rim
    coloured += edge * look.rim
    flat = 0.28209479177387814
    a, key = lighting.ambient[0], lighting.key_color
    return (
        rgb[0] * (0.92 * flat * a[0] + level * key[0] + coloured) + white,
        rgb[1] * (flat * a[1] + level * key[1] + coloured) + white,
        rgb[2] * (1.08 * flat * a[2] + level * key[2] + coloured) + white,
    )

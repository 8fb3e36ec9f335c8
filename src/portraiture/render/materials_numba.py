"""Shading of each kind of material; hair's is in `hair_numba`, eyes' refraction in `eye_numba`."""

from __future__ import annotations

import math
from typing import NamedTuple

from numpy import ndarray

from portraiture.ops.inner import inlined
from portraiture.render.brdf_numba import (
    diffuse_sh,
    dot3,
    fresnel,
    mix3,
    multibounce,
    sh_radiance,
    smoothstep,
    unit3,
    wrapped,
)
from portraiture.render.flat_tones import DEEP, GRAPHITE, PAPER, SHADOW
from portraiture.render.hair_numba import hair
from portraiture.render.reflection_numba import (
    cone_visibility,
    key_highlight,
    key_image,
    mirror,
    place,
    reflectance,
    surroundings,
)

PLAIN, SKIN, HAIR, EYE, MOUTH, CLOTH, GLASS = range(7)
"""Material kinds, in the order of `scene.KINDS`."""

SKIN_PATH_M = (0.0037, 0.0016, 0.0009)
"""Scattering distance of red, green and blue light in skin (as in d'Eon and Luebke 2007)."""

FLESH_PATH_M = (0.0032, 0.0009, 0.0006)
"""Attenuation lengths (to 1/e) of red, green and blue light transmitted through flesh."""


SKIN_F0, SHARP_SHARE = 0.028, 0.28
"""Reflectance of skin at normal incidence, and the weight of its sharper lobe."""

SHARPER, PORES = 0.6, 0.9
"""Roughness of the sharper lobe of skin relative to the other one's, and the fraction of the
reflected surroundings that skin's pores do not shadow."""


EYE_KEY_GAIN = 1.8
"""Brightness of the key light in eyes: lamps of portraits are smaller and brighter than what makes
their shadows as soft, umbrellas' hot spots."""


class Lighting(NamedTuple):
    """Light in the layout of the kernels (a flat tuple of arrays).

    ambient: (9, 3) SH radiance. reach: (V, 3) fraction of it that reaches each vertex.
    environment: (6, 32, 64, 3) float32, see `environment.prefiltered`. reflectance: see
    `split_sum.reflectance_table`. key_direction, key_color: (3,), see `types.Light`. spread:
    tangent of the key light's angular radius. outline: of the key light. taps: (N, 2), see
    `shadow.visibility`. heights, axes, corner, scale: the fields of the key light's
    `shadow.HeightMap`.
    """

    ambient: ndarray
    reach: ndarray
    environment: ndarray
    reflectance: ndarray
    key_direction: ndarray
    key_color: ndarray
    spread: float
    outline: int
    taps: ndarray
    heights: ndarray
    axes: ndarray
    corner: ndarray
    scale: float


class Look(NamedTuple):
    """Shading parameters of a style.

    scatter: factor on the scattering distance in skin. warmth: redness of scattered light at the
    terminator, 0 to 1. specular: factor on highlights. rim: light at grazing angles. bands: 0 for
    continuous shading, else the number of flat tones. spread: factor on the size of the key light.
    dots: distance of halftone dots, samples; 0 for flat shadows. hatch: that of pencil strokes.
    """

    scatter: float
    warmth: float
    specular: float
    rim: float
    bands: int
    spread: float
    dots: float = 0.0
    hatch: float = 0.0


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
    out = wrapped(cosine, width) * through / (1.0 + width * width / 3.0)
    if depth > 0.0:
        passed = math.exp(-depth / (FLESH_PATH_M[channel] * look.scatter))
        out += 0.35 * passed * wrapped(-dot3(smooth, light) - 0.1, 0.1)
    warm = 1.0 + look.warmth * (0.25 - 0.25 * channel) * (1.0 - cosine)
    # Blurred on a sphere, by the variance of the scattering angle, the SH bands of irradiance fade.
    blur = math.exp(-(min(2.0 * path * bend, 0.8) ** 2))
    ambient = sh_radiance(lighting.ambient, n, 2.0 / 3.0 * blur, 0.25 * blur**3, channel)
    rim = (1.0 - max(dot3(smooth, view), 0.0)) ** 4 * look.rim * reach
    light_in = out * warm * lighting.key_color[channel] + ambient * multibounce(reach, albedo)
    return albedo * light_in + rim * ambient * math.sqrt(albedo)


@inlined
def surface(lighting, albedo, n, view, kind, metallic, lit, reach, channel):
    """Diffuse shading of eyes, mouth, cloth, glass and other materials: wrapped Lambert."""
    width = 0.55 if kind == EYE else 0.30 if kind == MOUTH else (0.12 if kind == CLOTH else 0.03)
    diffuse = wrapped(dot3(n, lighting.key_direction), width) * lit * lighting.key_color[channel]
    if kind in (EYE, MOUTH):  # lids and lips shade what they cover, and redden it
        kept = (0.85 if kind == EYE else 0.7) - 0.1 * channel
        reach *= kept + (1.0 - kept) * reach
        diffuse *= smoothstep(-0.1, 0.6 if kind == EYE else 0.7, reach)
    else:
        reach = multibounce(reach, albedo)
    diffuse += diffuse_sh(lighting.ambient, n, channel) * reach
    out = albedo * diffuse * (1.0 - metallic)
    if kind == CLOTH:
        out += 0.12 * (1.0 - max(dot3(n, view), 0.0)) ** 3 * math.sqrt(albedo) * diffuse
    return out


@inlined
def specular_at_normal(kind):
    """Fresnel reflectance at normal incidence: skin, tears, coated lenses, other materials."""
    if kind == SKIN:
        return SKIN_F0
    if kind == EYE:
        return 0.025
    return 0.015 if kind == GLASS else 0.04


@inlined
def is_wet(kind, roughness):
    """Whether a surface reflects like a mirror."""
    return kind == GLASS or (kind == EYE and roughness < 0.35)


@inlined
def key_reflection(lighting, kind, n, view, roughness, f0, lit):
    """Specular radiance due to a key light of colour 1."""
    if is_wet(kind, roughness):
        seen = 0.6 + 0.4 * smoothstep(0.0, 0.3, lit)  # keep a catchlight under lids, hats and hair
        f = fresnel(f0, max(dot3(n, view), 1e-3)) * (EYE_KEY_GAIN if kind == EYE else 1.0)
        return f * key_image(lighting, mirror(n, view)) * seen
    if lit <= 0.0:
        return 0.0
    key = key_highlight(lighting, n, view, f0, roughness)
    if kind == SKIN:
        w = sharp_share(roughness)
        key += w * (key_highlight(lighting, n, view, f0, SHARPER * roughness) - key)
    return key * lit


@inlined
def sharp_share(roughness):
    """Weight of the sharper one of the two lobes of skin: more on wet lips and lid rims."""
    return SHARP_SHARE + 0.32 * smoothstep(0.5, 0.3, roughness)


@inlined
def sky_reflection(lighting, kind, n, view, roughness, f0):
    """RGB specular radiance due to the surroundings, unoccluded."""
    ndv = max(dot3(n, view), 1e-3)
    y, x = place(mirror(n, view))
    if is_wet(kind, roughness):
        share = fresnel(f0, ndv)
        roughness = 0.0
    else:
        share = reflectance(lighting.reflectance, f0, roughness, ndv)
    r, g, b = surroundings(lighting.environment, y, x, roughness)
    r, g, b = share * r, share * g, share * b
    if kind == SKIN:
        w = sharp_share(roughness)
        sharp = w * reflectance(lighting.reflectance, f0, SHARPER * roughness, ndv)
        sr, sg, sb = surroundings(lighting.environment, y, x, SHARPER * roughness)
        r += sharp * sr - w * r
        g += sharp * sg - w * g
        b += sharp * sb - w * b
    return r, g, b


@inlined
def material_radiance(
    lighting, look, kind, rgb, smooth, bent, tangent, view, bend, roughness, metallic, lit, depth,
    reach, opening,
):  # fmt: skip
    """Linear RGB radiance of a material with natural shading and linear albedo `rgb`.

    Albedo is the total reflectance under uniform white light, as observed in photos: the specular
    reflectance of such light (at normal incidence) is subtracted from the diffuse part.
    """
    if kind == HAIR:
        return hair(lighting, look, rgb, bent, tangent, view, roughness, depth, reach)
    f0 = specular_at_normal(kind)
    level = f0 + metallic * (0.3 * rgb[0] + 0.6 * rgb[1] + 0.1 * rgb[2] - f0)
    key = key_reflection(lighting, kind, bent, view, roughness, level, lit)
    sky = sky_reflection(lighting, kind, bent, view, roughness, level)
    film = 0.0
    if kind not in (EYE, GLASS):
        film = look.specular * reflectance(lighting.reflectance, f0, roughness, 1.0)
    gloss = look.specular / level
    clearance = reach[1]
    if kind == EYE and look.warmth > 0.0:  # styles show the whites of eyes
        lit = 0.5 + 0.5 * lit
        reach = (0.55 + 0.45 * reach[0], 0.55 + 0.45 * reach[1], 0.55 + 0.45 * reach[2])
    if kind == SKIN:  # tears on the rims of lids stand out of what shades them
        clearance += 0.6 * (1.0 - clearance) * smoothstep(0.36, 0.28, roughness)
    elif kind == EYE:
        clearance += 0.6 * (1.0 - clearance)
    open_sky = gloss * cone_visibility(mirror(bent, view), opening, clearance)
    if kind == SKIN:
        open_sky *= PORES
        film *= PORES
    out = (0.0, 0.0, 0.0)
    for channel in range(3):
        a, open_ = rgb[channel], reach[channel]
        body = max(a - film, 0.4 * a)
        if kind == SKIN:
            value = skin(lighting, look, body, smooth, bent, view, bend, lit, depth, open_, channel)
        else:
            value = surface(lighting, body, bent, view, kind, metallic, lit, open_, channel)
        tint = f0 + metallic * (a - f0)
        value += tint * (gloss * key * lighting.key_color[channel] + open_sky * sky[channel])
        if channel == 0:
            out = (value, out[1], out[2])
        elif channel == 1:
            out = (out[0], value, out[2])
        else:
            out = (out[0], out[1], value)
    return out


@inlined
def flat_tones(lighting, look, rgb, n, view, kind, lit, row, column):
    """Toon shading: the flat colour as it is painted, a soft-edged shadow of cool tint or of
    halftone dots, and a lighter tone where the surface faces the key light."""
    light = lighting.key_direction
    cosine = dot3(n, light)
    open_ = smoothstep(0.2, 0.7, lit)
    level = smoothstep(-0.06, 0.12, cosine) * open_
    top = 0.0
    if kind in (EYE, GLASS):
        level = 0.6 + 0.4 * level
    elif look.dots > 0.0:
        level = halftone(look.dots, smoothstep(-0.35, 0.45, cosine) * (0.35 + 0.65 * open_), row,
                         column)  # fmt: skip
    elif look.hatch > 0.0:
        light_in = smoothstep(-0.6, 0.8, cosine) * (0.45 + 0.55 * open_)
        tone = math.sqrt(0.3 * rgb[0] + 0.6 * rgb[1] + 0.1 * rgb[2])
        level = hatching(look.hatch, light_in * (0.3 + 0.9 * tone), row, column)
        rgb = (PAPER + 0.12 * rgb[0], PAPER + 0.12 * rgb[1], PAPER + 0.12 * rgb[2])
    else:
        top = 0.07 * smoothstep(0.74, 0.86, cosine) * open_
    h = unit3(light[0] + view[0], light[1] + view[1], light[2] + view[2])
    white = 0.8 * smoothstep(0.975, 0.982, dot3(n, h)) if kind == GLASS else 0.0
    flat = 0.28209479177387814
    a, key = lighting.ambient[0], lighting.key_color
    r, g, b = flat * a[0] + key[0], flat * a[1] + key[1], flat * a[2] + key[2]
    total = 0.3 * r + 0.6 * g + 0.1 * b
    gain = min(total, 1.0) / max(total, 1e-6)
    shade = DEEP if look.dots > 0.0 else SHADOW
    if look.hatch > 0.0:
        shade = GRAPHITE
    return (
        rgb[0] * (r * gain * (shade[0] + (1.0 - shade[0]) * level) + top) + white,
        rgb[1] * (g * gain * (shade[1] + (1.0 - shade[1]) * level) + top) + white,
        rgb[2] * (b * gain * (shade[2] + (1.0 - shade[2]) * level) + top) + white,
    )


@inlined
def halftone(pitch, level, row, column):
    """1 on paper and 0 on ink of a screen of dots at 45 degrees whose size falls with `level`."""
    p, q = (column + row) / pitch, (column - row) / pitch
    x, y = p - math.floor(p) - 0.5, q - math.floor(q) - 0.5
    radius = 0.80 * (1.0 - level) ** 0.5 if level < 0.97 else -1.0
    return smoothstep(-0.07, 0.07, math.sqrt(x * x + y * y) - radius)


@inlined
def hatching(pitch, level, row, column):
    """1 on paper and less on pencil strokes, which are darker and wider where `level` is low and
    crossed where it is lowest."""
    out = 1.0
    for layer in range(2):
        dark = smoothstep(0.92, 0.25, level) if layer == 0 else smoothstep(0.5, 0.0, level)
        if dark <= 0.0:
            continue
        along = column + row if layer == 0 else column - 0.55 * row
        across = column - row if layer == 0 else row + 0.55 * column
        wobble = 0.35 * math.sin(along / (5.0 * pitch)) + 0.2 * math.sin(along / (1.7 * pitch))
        p = across / pitch + wobble
        stroke = math.floor(p)
        press = 0.75 + 0.25 * math.sin(12.9898 * stroke) * math.sin(along / (9.0 * pitch) + stroke)
        off = abs(p - stroke - 0.5)
        width = 0.16 + 0.22 * dark
        out *= 1.0 - 0.85 * dark * press * smoothstep(width + 0.14, width - 0.10, off)
    return out

"""Shade visible samples according to their material.

fragment ──▶ position, normal, tangent, uv ──texels──▶ albedo, roughness, bent normal
         ──key_reach──▶ key light ──material──▶ linear radiance ──tone──▶ display-linear colour
"""

from __future__ import annotations

import math

import numpy as np
from numpy import ndarray

from portraiture.ops.inner import inlined, kernel
from portraiture.ops.parallel import in_threads
from portraiture.render.brdf_numba import clamp01, dot3, fresnel, tone, unit3
from portraiture.render.eye_numba import through_cornea
from portraiture.render.materials_numba import (
    EYE,
    GLASS,
    HAIR,
    flat_tones,
    material_radiance,
    specular_at_normal,
)
from portraiture.render.shadow import depth_above, visibility
from portraiture.render.texture_numba import level_of, sample_channel, sample_mip

MAX_LOD = 12.0
"""Largest mip level."""


def tables() -> ndarray:
    """Look-up tables (2, 256) of texel codes: linear light (sRGB, IEC 61966-2-1), and values in
    [-1, 1] (normal maps)."""
    code = np.arange(256) / 255.0
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return np.stack([linear, 2.0 * code - 1.0])


@inlined
def interpolate3(values, i, j, k, b0, b1, b2):
    return (
        b0 * values[i, 0] + b1 * values[j, 0] + b2 * values[k, 0],
        b0 * values[i, 1] + b1 * values[j, 1] + b2 * values[k, 1],
        b0 * values[i, 2] + b1 * values[j, 2] + b2 * values[k, 2],
    )


@inlined
def albedo_at(scene, part, u, v, lod, linear):
    """Linear base colour and opacity."""
    texture = scene.textures[part, 0]
    rgb = sample_mip(scene.texels, texture, 4, linear, lod, u, v)
    offset, height, width = level_of(texture[0], texture[1], texture[2], 4, int(lod + 0.5))
    alpha = sample_channel(scene.texels, offset, height, width, 4, 3, u, v) / 255.0
    return rgb, alpha


@inlined
def roughness_at(scene, part, u, v, lod):
    texture = scene.textures[part, 2]
    if texture[1] == 0:
        return scene.factors[part, 0]
    level = max(int(lod + math.log2(texture[1] / scene.textures[part, 0, 1]) + 0.5), 0)
    offset, height, width = level_of(texture[0], texture[1], texture[2], 1, level)
    value = sample_channel(scene.texels, offset, height, width, 1, 0, u, v)
    return scene.factors[part, 0] * value / 255.0


@inlined
def bent_normal(scene, part, u, v, lod, normal, tangent, handed, codes):
    """World-space normal from the normal map."""
    texture = scene.textures[part, 1]
    if texture[1] == 0:
        return normal
    lod += math.log2(texture[1] / scene.textures[part, 0, 1])
    x, y, z = sample_mip(scene.texels, texture, 3, codes, lod, u, v)
    tx, ty, tz = tangent
    bx = handed * (normal[1] * tz - normal[2] * ty)
    by = handed * (normal[2] * tx - normal[0] * tz)
    bz = handed * (normal[0] * ty - normal[1] * tx)
    return unit3(
        x * tx + y * bx + z * normal[0],
        x * ty + y * by + z * normal[1],
        x * tz + y * bz + z * normal[2],
    )


@inlined
def key_reach(lighting, kind, position, normal, row, column):
    """Visibility of the key light and the depth below the surface that faces it."""
    turn = 52.9829189 * ((0.06711056 * column + 0.00583715 * row) % 1.0) % 1.0 * 2.0 * math.pi
    c, s = math.cos(turn), math.sin(turn)
    axes = lighting.axes
    off = 0.0 if kind == HAIR else 0.0012
    p = (
        position[0] + off * normal[0],
        position[1] + off * normal[1],
        position[2] + off * normal[2],
    )
    x, y, z = dot3(axes[0], p), dot3(axes[1], p), dot3(axes[2], p)
    if kind == HAIR:
        return 1.0, depth_above(lighting, x, y, z, lighting.taps, c, s)
    return visibility(lighting, x, y, z, lighting.spread, lighting.taps, c, s)


@inlined
def radiance(scene, lighting, look, tables, eye, lod, f, b0, b1, b2, row, column):
    """Premultiplied display-linear colour, and opacity, of one fragment of triangle f.

    On clear materials (glass, cornea) the texture's opacity scales only the diffuse part, not
    reflections.
    """
    i, j, k = scene.faces[f, 0], scene.faces[f, 1], scene.faces[f, 2]
    part = scene.part[f]
    kind = scene.kind[part]
    position = interpolate3(scene.vertices, i, j, k, b0, b1, b2)
    view = unit3(eye[0] - position[0], eye[1] - position[1], eye[2] - position[2])
    n = interpolate3(scene.normals, i, j, k, b0, b1, b2)
    smooth = unit3(n[0], n[1], n[2])
    if kind != HAIR and scene.double_sided[part] != 0 and dot3(smooth, view) < 0.0:
        smooth = (-smooth[0], -smooth[1], -smooth[2])
    t = interpolate3(scene.tangents, i, j, k, b0, b1, b2)
    tangent = unit3(t[0], t[1], t[2])
    u = b0 * scene.uv[i, 0] + b1 * scene.uv[j, 0] + b2 * scene.uv[k, 0]
    v = b0 * scene.uv[i, 1] + b1 * scene.uv[j, 1] + b2 * scene.uv[k, 1]
    reach = interpolate3(lighting.reach, i, j, k, b0, b1, b2)
    seen_u, seen_v, glow = u, v, 1.0
    if kind == EYE:
        seen_u, seen_v, glow = through_cornea(
            u, v, smooth, tangent, scene.tangents[i, 3], view, lighting.key_direction
        )
    rgb, opacity = albedo_at(scene, part, seen_u, seen_v, lod[f], tables[0])
    clear = scene.blend[f] != 0 and (kind in (GLASS, EYE))
    if clear:
        rgb = (rgb[0] * opacity, rgb[1] * opacity, rgb[2] * opacity)
    if kind == EYE:
        rgb = (glow * rgb[0], glow * rgb[1], glow * rgb[2])
    lit, depth = key_reach(lighting, kind, position, smooth, row, column)
    if look.bands > 0:
        shine = math.exp(-60.0 * depth) if kind == HAIR else lit
        rgb = flat_tones(lighting, look, rgb, smooth, view, kind, shine, row, column)
    else:
        roughness = roughness_at(scene, part, u, v, lod[f])
        handed = scene.tangents[i, 3]
        bent = bent_normal(scene, part, u, v, lod[f], smooth, tangent, handed, tables[1])
        bend = b0 * scene.curvature[i] + b1 * scene.curvature[j] + b2 * scene.curvature[k]
        opening = interpolate3(scene.opening, i, j, k, b0, b1, b2)
        rgb = material_radiance(
            lighting, look, kind, rgb, smooth, bent, tangent, view, bend, roughness,
            scene.factors[part, 1], lit, depth, reach, opening,
        )  # fmt: skip
    r, g, b = tone(rgb[0]), tone(rgb[1]), tone(rgb[2])
    if scene.blend[f] == 0:
        return r, g, b, 1.0
    if clear:
        opacity = clamp01(
            opacity + fresnel(specular_at_normal(kind), abs(dot3(smooth, view))) * look.specular
        )
        return r, g, b, opacity
    return opacity * r, opacity * g, opacity * b, opacity


def lod_of(density, faces, points, focal, bias):
    """(F,) mip level of the base colour: log2 of texels per pixel plus `bias`, ignoring
    foreshortening, so that surfaces at grazing angles stay sharp. focal: pixels."""
    out = np.empty(len(faces), np.float32)
    _lod_of(density, faces, points, focal, bias, out)
    return out


@kernel
def _lod_of(density, faces, points, focal, bias, out):
    for f in range(faces.shape[0]):
        z = (points[faces[f, 0], 2] + points[faces[f, 1], 2] + points[faces[f, 2], 2]) / 3.0
        ratio = density[f] * max(z, 1e-3) / focal
        out[f] = min(max(math.log2(max(ratio, 1e-6)) + bias, 0.0), MAX_LOD)


def shade(scene, lighting, look, tables, eye, lod, triangle, bary, pixel):
    """(N, 4) float32 premultiplied display-linear colour and opacity of N fragments.

    triangle: (N,). bary: (N, 3). pixel: (N, 2) row and column.
    """
    out = np.empty((triangle.shape[0], 4), np.float32)
    in_threads(
        _shade, len(out), scene, lighting, look, tables, eye, lod, triangle, bary, pixel, out
    )
    return out


@kernel
def _shade(scene, lighting, look, tables, eye, lod, triangle, bary, pixel, out, first, end):
    for s in range(first, end):
        r, g, b, a = radiance(
            scene, lighting, look, tables, eye, lod, triangle[s],
            bary[s, 0], bary[s, 1], bary[s, 2], pixel[s, 0], pixel[s, 1],
        )  # fmt: skip
        out[s, 0], out[s, 1], out[s, 2], out[s, 3] = r, g, b, a

"""Estimate skin tone and light from the skin's colours in a photo.

A photo shows the product of albedo and light, whose scales are ambiguous. Assumptions that resolve
the ambiguity: a portrait is exposed so that the face receives about the light of `studio_light`;
skin lies on the tone surface of `portraiture.engine.skin.tone`; light is nearly white and smooth.

linear colours, normals ─▶ tone (3 pigments) ─▶ procedural albedo ─▶ light: 9 SH x 3, robust
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from numpy import ndarray
from scipy.ndimage import gaussian_filter

from portraiture.engine.skin.tone import tone_table
from portraiture.render.environment import reflections, seen
from portraiture.render.harmonics import (
    COSINE_LOBE,
    diffuse_ambient,
    even_directions,
    sh_basis,
)
from portraiture.render.light import studio_light
from portraiture.render.materials_numba import PORES, SHARP_SHARE, SHARPER, SKIN_F0
from portraiture.render.split_sum import rough_reflectance
from portraiture.types import Light

KNEE = 0.7
"""Linear value at which the renderer's highlight roll-off starts (see `brdf_numba.tone`)."""

ANCHOR, COLOUR_ANCHOR = 0.4, 3.0
"""Weights of the priors: typical light in all directions, and the luminance's light per channel."""

FEWEST, SAMPLES = 300, 12000
"""Minimum number of texels for a light estimate, and maximum number used."""

ROUGHNESS = 0.5
"""Of average skin."""

GLOSS_TEXELS = 10.0
"""Smoothing of highlights, so that pores and moles stay in the albedo."""

CAST_KEPT = 0.4
"""Fraction of the colour difference between photo and skin attributed to the light's colour."""


def decode(image: ndarray) -> Float32[ndarray, "*n"]:
    """uint8 or [0, 1] sRGB to linear light (IEC 61966-2-1)."""
    srgb = image.astype(np.float32) / np.float32(255.0) if image.dtype == np.uint8 else image
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def radiance(image: UInt8[ndarray, "h w 3"]) -> Float32[ndarray, "h w 3"]:
    """Convert a photo to linear scene radiance, undoing the renderer's highlight roll-off."""
    linear = decode(image)
    rest = np.clip((1.0 - linear) / (1.0 - KNEE), 0.3, None)
    return np.where(linear <= KNEE, linear, KNEE - (1.0 - KNEE) * np.log(rest)).astype(np.float32)


def encode(linear: ndarray) -> ndarray:
    """Linear albedo in [0, 1] to sRGB in [0, 1]."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@dataclass(frozen=True)
class Tone:
    """Skin pigments in `AvatarParameters`' units, and the plain skin's linear albedo."""

    melanin: float
    haemoglobin: float
    undertone: float
    albedo: Float[ndarray, "3"]


def fit_tone(albedo: Float[ndarray, "3"]) -> Tone:
    """Find the uniform skin nearest to a linear albedo, in log colour. Chroma has twice the weight
    of luminance; unusual undertones and haemoglobin are penalised slightly."""
    goal = np.log(np.clip(albedo, 1e-3, 1.0))
    melanin = np.linspace(0.0, 1.0, 41)
    blood = np.linspace(0.0, 1.0, 21)
    best, answer = np.inf, Tone(0.3, 0.5, 0.5, np.full(3, 0.3))
    for undertone in (0.2, 0.35, 0.5, 0.65, 0.8):
        table = tone_table(undertone)
        scale = table.shape[0] - 1
        rows = np.rint((0.03 + 0.94 * melanin) * scale).astype(int)
        columns = (0.16 + 0.20 * blood) * scale
        low = np.minimum(columns.astype(int), scale - 1)
        part = (columns - low)[None, :, None]
        colours = table[rows][:, low] * (1 - part) + table[rows][:, low + 1] * part
        gap = np.log(np.maximum(colours, 1e-4)) - goal
        light = gap.mean(-1, keepdims=True)
        cost = (light[..., 0] ** 2) + 2.0 * ((gap - light) ** 2).sum(-1)
        cost = cost + 0.02 * (undertone - 0.5) ** 2 + 0.01 * (blood[None] - 0.5) ** 2
        i, j = np.unravel_index(cost.argmin(), cost.shape)
        if cost[i, j] < best:
            best = cost[i, j]
            answer = Tone(
                float(melanin[i]), float(blood[j]), undertone, colours[i, j].astype(float)
            )
    return answer


def exposure(normals: Float[ndarray, "N 3"]) -> float:
    """Mean radiance of a white surface with these normals under `studio_light`."""
    light = studio_light()
    key = np.clip(normals @ light.key_direction, 0.0, None)[:, None] * light.key_color
    return float((diffuse_ambient(light.ambient, normals) + key).mean())


def fit_light(
    colours: Float[ndarray, "N 3"],
    normals: Float[ndarray, "N 3"],
    albedo: Float[ndarray, "N 3"],
) -> Light:
    """Fit ambient light (order-2 SH, Ramamoorthi and Hanrahan 2001) by robust least squares.

    colours: linear radiance. albedo: assumed linear albedo. In directions not covered by the face's
    normals, light is regularised towards that of typical portraits: slightly less from the sides
    and from below. The three channels are regularised towards the luminance, and only `CAST_KEPT`
    of the light's colour is kept; the rest is attributed to the skin. No separate key light is
    fitted.
    """
    basis = sh_basis(normals) * COSINE_LOBE
    luminance = np.array([0.3, 0.5, 0.2])
    bright = (colours @ luminance) / (albedo @ luminance)
    level = float(np.median(bright))
    shared = _robust_sh(basis, bright, level * _usual_light(), ANCHOR)
    casts = np.median(colours / albedo, axis=0) / max(level, 1e-3)
    around = _EVEN_BASIS @ shared
    channels = [
        _robust_sh(basis, colours[:, c] / albedo[:, c], casts[c] * around, COLOUR_ANCHOR)
        for c in range(3)
    ]
    return Light(
        ambient=np.stack(channels, axis=1) * casts ** (CAST_KEPT - 1.0),
        key_direction=np.array([0.0, 0.6, 0.8]),
        key_color=np.zeros(3),
    )


def even_light(
    colour: Float[ndarray, "h w 3"], normal: Float[ndarray, "h w 3"], trusted: Bool[ndarray, "h w"]
) -> Light:
    """Initial light assuming uniform skin, from the trusted texels; a default light if there are
    too few."""
    some = np.flatnonzero(trusted)
    if len(some) < FEWEST:
        return studio_light()
    if len(some) > SAMPLES:
        some = np.random.default_rng(0).choice(some, SAMPLES, replace=False)
    colours = colour.reshape(-1, 3)[some]
    plain = np.tile(np.median(colours, axis=0), (len(some), 1))
    return fit_light(colours, normal.reshape(-1, 3)[some], plain)


_EVEN = even_directions(128)
_EVEN_BASIS = sh_basis(_EVEN) * COSINE_LOBE


def _usual_light() -> ndarray:
    """Radiance of white surfaces facing `_EVEN`'s directions, about 1 on the front of a face."""
    return 0.77 + 0.23 * _EVEN[:, 2] + 0.12 * _EVEN[:, 1]


def _robust_sh(basis: ndarray, ratio: ndarray, goal: ndarray, anchor: float) -> ndarray:
    """Nine SH coefficients whose shading fits `ratio` (N,), and `goal` (128,) in all directions
    with `anchor` times the weight of the data; iteratively reweighted, Cauchy loss."""
    tie = anchor * len(ratio) / len(goal)
    level = max(float(np.median(ratio)), 1e-3)
    solution = np.linalg.lstsq(_EVEN_BASIS, goal, rcond=None)[0]
    for _ in range(8):
        gap = (basis @ solution - ratio) / (0.3 * level)
        w = 1.0 / (1.0 + gap**2)
        normal = basis.T @ (basis * w[:, None]) + tie * _EVEN_BASIS.T @ _EVEN_BASIS
        solution = np.linalg.solve(normal, basis.T @ (w * ratio) + tie * _EVEN_BASIS.T @ goal)
    return solution


def shading(light: Light, normals: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3"]:
    """Radiance of a white surface, clamped to between 0.45 and 1.8 of its median over `normals` so
    that division by it is stable."""
    white = diffuse_ambient(light.ambient, normals)
    middle = np.maximum(np.median(white.reshape(-1, 3), axis=0), 1e-2)
    return np.clip(white, 0.45 * middle, 1.8 * middle)


def gloss(
    light: Light, normals: Float[ndarray, "*n 3"], view: Float[ndarray, "3"]
) -> Float[ndarray, "*n 3"]:
    """Radiance that skin reflects of ambient light beyond the share that its albedo includes (see
    `materials_numba.material_radiance`), at least 0. view: unit, towards the camera."""
    cosine = np.clip(normals @ view, 0.05, 1.0)
    towards = 2.0 * (normals @ view)[..., None] * normals - view
    levels = reflections(light)
    weight = SHARP_SHARE
    out = -rough_reflectance(SKIN_F0, ROUGHNESS, np.ones(1)) * shading(light, normals)
    for share, roughness in ((1.0 - weight, ROUGHNESS), (weight, SHARPER * ROUGHNESS)):
        reflected = rough_reflectance(SKIN_F0, roughness, cosine)[..., None]
        out = out + share * reflected * seen(levels, towards, roughness)
    return np.maximum(PORES * out, 0.0)


def without_gloss(
    colour: Float[ndarray, "h w 3"],
    normal: Float[ndarray, "h w 3"],
    trust: Float[ndarray, "h w"],
    light: Light,
    view: Float[ndarray, "3"],
) -> Float32[ndarray, "h w 3"]:
    """Subtract highlights, by so much as skin around is brighter than even skin in this light.

    trust: weight of each texel in that comparison.
    """
    shine, white = gloss(light, normal, view), shading(light, normal)
    sure = trust > 0.5 * trust.max()
    plain = np.median((colour / white)[sure], axis=0) if sure.any() else np.full(3, 0.3)
    above = (colour - plain * white).mean(-1)
    above, most = (gaussian_filter(trust * x, GLOSS_TEXELS) for x in (above, shine.mean(-1)))
    part = np.clip(above / np.maximum(most, 1e-5), 0.0, 1.0)[..., None]
    return np.maximum(colour - part * shine, 0.3 * colour).astype(np.float32)


def without_cast(mean: Float[ndarray, "3"], exposure_level: float) -> tuple[Tone, ndarray]:
    """Tone of skin whose mean linear colour is `mean`, and the light's colour (mean 1).

    `CAST_KEPT` of the difference to the nearest skin tone is attributed to the light.
    """
    albedo = np.clip(mean / exposure_level, 0.01, 0.85)
    tone = fit_tone(albedo)
    ratio = np.log(albedo / tone.albedo)
    cast = np.exp(CAST_KEPT * (ratio - ratio.mean()))
    return fit_tone(albedo / cast), cast

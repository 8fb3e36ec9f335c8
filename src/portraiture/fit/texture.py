"""Blend the photo's albedo and the procedural skin seamlessly into one texture.

procedural skin ─× smooth gain that extends the photo's low frequencies ─┬─────────────▶ albedo
photo ÷ light ─▶ reduce gloss, add fine detail ─▶ difference to this, where visible ─┘
                                                └▶ a share of its mirror image, elsewhere ─┘

Dimension letters: S texels per side; h, w: the window of the texture that contains the face.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from scipy.ndimage import gaussian_filter

from portraiture.engine.head import HeadModel
from portraiture.engine.skin.layout import anatomy
from portraiture.engine.skin.texels import sample_bilinear
from portraiture.fit.light import decode, encode
from portraiture.fit.projection import SIZE, WINDOW, core_mask, smoothstep

MIRRORED = 0.35
"""Share of the other half's mirrored details where that alone is visible, beside the procedural
skin, which has the details inferred from it (`fit.detail`): least error on hidden halves."""

GLOSS_KEPT = 0.6
"""Maximum log brightness above the surroundings that skin keeps."""


def membrane(
    values: Float[ndarray, "s s c"], weight: Float[ndarray, "s s"]
) -> Float32[ndarray, "s s c"]:
    """Extrapolate `values` smoothly to where `weight` is 0, by pull-push on an image pyramid
    (Gortler et al. 1996, section 3.4; a fast approximation of the membrane of Poisson blending,
    Perez et al. 2003)."""
    levels = [(values * weight[..., None], weight)]
    while levels[-1][1].shape[0] > 2:
        v, w = levels[-1]
        v4 = v[0::2, 0::2] + v[1::2, 0::2] + v[0::2, 1::2] + v[1::2, 1::2]
        w4 = w[0::2, 0::2] + w[1::2, 0::2] + w[0::2, 1::2] + w[1::2, 1::2]
        scale = np.where(w4 > 1.0, 1.0 / np.maximum(w4, 1e-9), 1.0)
        levels.append((v4 * scale[..., None], w4 * scale))
    v, w = levels[-1]
    filled = np.broadcast_to(v.sum((0, 1)) / max(float(w.sum()), 1e-6), v.shape)
    for v, w in reversed(levels):
        if filled.shape != v.shape:
            filled = enlarge(filled, v.shape[0])
        filled = v + (1.0 - np.minimum(w, 1.0))[..., None] * filled
    return filled.astype(np.float32)


def blend_albedo(
    photo: Float[ndarray, "h w 3"],
    weight: Float[ndarray, "h w"],
    procedural: UInt8[ndarray, "s s 3"],
    model: HeadModel,
    blur: float,
) -> UInt8[ndarray, "s s 3"]:
    """Blend the photo's linear albedo where its confidence is high, and elsewhere procedural skin
    that extends the photo's low frequencies, with some of the mirrored details where only the other
    half is visible."""
    base = np.log(np.maximum(decode(procedural), 1e-3))
    seen = _without_highlights(np.log(np.clip(photo, 4e-3, 0.95)), base[WINDOW], weight)
    seen = seen + _fine_detail(base[WINDOW], blur)
    result = base + _gain(seen - base[WINDOW], weight, anatomy(model, SIZE).position)
    rest = np.where(weight[..., None] > 1e-3, seen - result[WINDOW], 0.0)
    borrowed = MIRRORED * (1.0 - weight) * weight[:, ::-1]
    result[WINDOW] += weight[..., None] * rest + borrowed[..., None] * rest[:, ::-1]
    return (encode(np.exp(result)) * 255.0 + 0.5).astype(np.uint8)


def _without_highlights(seen: ndarray, base: ndarray, weight: ndarray) -> ndarray:
    """Compress gloss: log brightness relative to the procedural skin that exceeds its
    surroundings."""
    light = (seen - base).mean(-1)
    sigma = 24.0
    around = gaussian_filter(light * weight, sigma) / np.maximum(
        gaussian_filter(weight, sigma), 1e-3
    )
    extra = np.maximum(light - around, 0.0)
    return seen - (extra - GLOSS_KEPT * np.tanh(extra / GLOSS_KEPT))[..., None]


def _fine_detail(base: ndarray, blur: float) -> ndarray:
    """Pores and mottling of the procedural skin that are finer than the photo's pixels."""
    sigma = 0.5 * blur
    if sigma < 0.6:
        return np.zeros_like(base)
    fine = base - gaussian_filter(base, (sigma, sigma, 0))
    return 0.8 * np.clip(fine, -0.25, 0.25)


def _gain(ratio: ndarray, trust: ndarray, position: ndarray) -> ndarray:
    """(S, S, 3) low-frequency log gain of the photo relative to the procedural skin, fading to its
    mean behind the ears and below the neck, before the seams of the texture."""
    core = trust * core_mask(position[WINDOW])
    mean = (ratio * core[..., None]).sum((0, 1)) / max(float(core.sum()), 1.0)
    small = SIZE // 4
    full = np.zeros((SIZE, SIZE, 4), np.float32)
    full[WINDOW] = np.concatenate([ratio * trust[..., None], trust[..., None]], axis=2)
    quarter = full.reshape(small, 4, small, 4, 4).mean((1, 3))
    smooth = gaussian_filter(quarter, (1.6, 1.6, 0))
    values = smooth[..., :3] / np.maximum(smooth[..., 3:], 1e-4)
    values = np.clip(values, mean - 0.7, mean + 0.7)
    known = quarter[..., 3]
    field = membrane(values, np.where(known > 0.3, known, 0.0))
    field = gaussian_filter(field, (1.0, 1.0, 0))
    field = enlarge(field, SIZE)
    y, z = position[..., 1], position[..., 2]
    near = smoothstep(-120.0, -50.0, z) * smoothstep(-190.0, -110.0, y) * smoothstep(140.0, 90.0, y)
    return mean.astype(np.float32) + near[..., None] * (field - mean).astype(np.float32)


def enlarge(image: Float[ndarray, "h w c"], size: int) -> Float32[ndarray, "s s c"]:
    """Upsample a square image bilinearly, pixel centres at +0.5."""
    at = (np.arange(size, dtype=np.float32) + 0.5) * (image.shape[0] / size) - 0.5
    x, y = np.meshgrid(at, at)
    return sample_bilinear(np.ascontiguousarray(image, np.float32), x, y)

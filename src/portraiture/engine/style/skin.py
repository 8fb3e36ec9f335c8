"""Skin of a style: albedo reduced to clean regions.

albedo ──median──▶ tone, lips' tone ─┐
       ──blur inside open skin──▶ soft variation ─┴─▶ base ──blush, lids, lips, creases, stubble──▶

Brows, lashes, shadows, stubble and hair of a photo are outside the open skin and vanish.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from scipy.ndimage import gaussian_filter, zoom

from portraiture.engine.face.beard import beard_color, beard_texels
from portraiture.engine.face.beard_zone import beard_zone
from portraiture.engine.hair.scalp_paint import paint_scalp
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape
from portraiture.engine.skin.detail import WRINKLE
from portraiture.engine.skin.layout import MASKS, Anatomy, anatomy
from portraiture.engine.style.recipes import Recipe
from portraiture.ops.kuwahara import kuwahara
from portraiture.ops.vectors import smooth
from portraiture.types import Style

SIZE = 512
"""Resolution of the styled albedo."""

SOFTNESS = 18.0
"""Standard deviation of the blur that leaves the soft variation, texels."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_ROSY = np.array([1.03, 0.66, 0.64], np.float32)
"""Factors of a blush on the skin's tone."""

_FLESH = np.array([0.42, 0.13, 0.13], np.float32)
"""sRGB of the inside of the mouth."""

LIPS_MAN, LIPS_WOMAN = np.array([0.88, 0.78, 0.79]), np.array([0.9, 0.74, 0.77])
"""Least difference of lips from the skin: what share of its tone they have, sRGB."""
MANLY_LIPS, LIPS_VIVID = 0.7, 0.9
"""How far a man's lips come down to that; of the style's factor on saturation."""

_INK = np.array([0.07, 0.05, 0.06], np.float32)
_LIGHTEST = 0.95


def style_skin(
    albedo: UInt8[ndarray, "s s 3"],
    parameters: AvatarParameters,
    shape: HeadShape,
    style: Style,
    recipe: Recipe,
) -> UInt8[ndarray, "512 512 3"]:
    """The skin's albedo, in engine UV, in a style but natural; brows are left to their own part."""
    maps = anatomy(shape.model, SIZE)
    mask = {name: maps.masks[..., k] / np.float32(255.0) for k, name in enumerate(MASKS)}
    mask["cavity"] = mask["cavity"] * _hollows(maps.position, mask)
    color = _reduced(albedo)
    skin = _open_skin(mask, maps.position, maps.near, parameters)
    tone, lips = _tones(color, skin, mask, maps.position, parameters.sex)
    base = _base(color, skin, tone, recipe)
    base, tone = (_vivid(color, recipe.saturation, recipe.lift) for color in (base, tone))
    lips = _vivid(lips, LIPS_VIVID * recipe.saturation, 0.6 * recipe.lift)
    rosy = recipe.blush * (0.45 + 0.55 * parameters.sex) * (0.6 + parameters.cheek_blush)
    out = _features(base, tone, lips, mask, rosy * _blush(maps.position, mask))
    out = _creased(out, maps, parameters, recipe, ink=recipe.finish == "ink")
    out = _bearded(out, parameters, shape)
    out = _openings(out, mask, ink=recipe.finish == "ink")
    codes = (np.clip(out, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return _scalp(codes, parameters, shape)


def _reduced(albedo: ndarray) -> Float32[ndarray, "512 512 3"]:
    """sRGB in [0, 1] at `SIZE`."""
    step = albedo.shape[0] // SIZE
    if step >= 1 and albedo.shape[0] == step * SIZE:
        blocks = albedo.reshape(SIZE, step, SIZE, step, 3)
        return blocks.mean((1, 3), dtype=np.float32) / np.float32(255.0)
    factor = SIZE / albedo.shape[0]
    return np.asarray(zoom(albedo.astype(np.float32) / 255.0, (factor, factor, 1), order=1))


def _open_skin(
    mask: dict[str, ndarray], position: ndarray, near: ndarray, parameters: AvatarParameters
) -> Float32[ndarray, "s s"]:
    """1 where the albedo shows plain skin."""
    x, y, z = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    brow = smooth((x - 2.0) / 5.0) * smooth((70.0 - x) / 6.0) * smooth((y - 6.0) / 3.0)
    brow = brow * smooth((31.0 - y) / 4.0) * (z > -50.0)
    hair = smooth((y - 55.0) / 12.0) + (z < -70.0) * (y > -70.0)
    out = near * (1.0 - brow) * (1.0 - np.clip(hair, 0.0, 1.0))
    for name in ("lips", "mouth", "lid_rim", "socket", "cavity", "lash_line", "caruncle", "wet"):
        out = out * (1.0 - mask[name])
    out = out * (1.0 - 0.9 * mask["eyelid"]) * (1.0 - 0.7 * mask["under_eye"])
    if parameters.beard_style != "none" or parameters.stubble > 0.1:
        out = out * (1.0 - mask["beard"])
    return out.astype(np.float32)


def _tones(
    color: ndarray, skin: ndarray, mask: dict[str, ndarray], position: ndarray, sex: float
) -> tuple[Float32[ndarray, "3"], Float32[ndarray, "3"]]:
    """The face's own skin tone, and that of its lips kept apart from it."""
    x, y, z = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    face = (skin > 0.8) & (x < 55.0) & (y > -75.0) & (y < 55.0) & (z > -35.0)
    tone = np.median(color[face], axis=0) if face.any() else np.array([0.7, 0.55, 0.47])
    red = mask["lips"] > 0.8
    lips = np.median(color[red], axis=0) if red.any() else 0.8 * tone
    least = (LIPS_MAN + sex * (LIPS_WOMAN - LIPS_MAN)) * tone + [0.03, 0.0, 0.0]
    lips = np.minimum(lips, least)
    lips = lips + MANLY_LIPS * (1.0 - sex) * (least - lips)
    return tone.astype(np.float32), lips.astype(np.float32)


def _base(
    color: ndarray, skin: ndarray, tone: ndarray, recipe: Recipe
) -> Float32[ndarray, "s s 3"]:
    """The tone, with a share of the skin's soft variation or with brush strokes."""
    base = np.broadcast_to(tone, color.shape).astype(np.float32)
    if recipe.variation == 0.0:
        return base
    weight = gaussian_filter(skin, SOFTNESS)[..., None]
    soft = gaussian_filter(color * skin[..., None], (SOFTNESS, SOFTNESS, 0))
    soft = (soft + 1e-3 * tone) / (weight + 1e-3)
    varied = tone + recipe.variation * np.clip(soft - tone, -0.08, 0.04)
    if recipe.brush == 0:
        return varied
    filled = color * skin[..., None] + soft * (1.0 - skin[..., None])
    grain = np.random.default_rng(17).normal(0.0, 1.0, color.shape[:2]).astype(np.float32)
    dabs = float(tone.mean()) * (
        0.55 * gaussian_filter(grain, (6.0, 2.2)) + 0.35 * gaussian_filter(grain.T, (2.5, 5.0))
    )
    cool = np.array([0.8, 1.0, 1.35], np.float32)
    strokes = kuwahara(filled + dabs[..., None] * cool, recipe.brush, sharpness=8.0)
    strokes = kuwahara(strokes, recipe.brush, sharpness=8.0)
    change = strokes - soft
    light = (change @ _LUMA)[..., None]
    reach = float(np.clip(tone.mean() / 0.6, 0.3, 1.0))
    return varied + reach * np.clip(1.1 * light + 0.25 * (change - light), -0.07, 0.06)


def _vivid(color: ndarray, saturation: float, lift: float) -> Float32[ndarray, "..."]:
    """Colours moved away from grey and lightened, short of white."""
    grey = (color @ _LUMA)[..., None]
    vivid = np.clip(grey + saturation * (color - grey), 0.0, 1.0)
    return np.clip(vivid + lift * vivid * (1.0 - vivid), 0.0, _LIGHTEST).astype(np.float32)


def _hollows(position: ndarray, mask: dict[str, ndarray]) -> Float32[ndarray, "s s"]:
    """1 at the nostrils and in the ears, whose cavities are shown; other folds are not."""
    x, y, z = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    nostrils = smooth((19.0 - x) / 3.0) * smooth((y + 56.0) / 3.0) * smooth((-28.0 - y) / 3.0)
    return np.maximum(nostrils * (z > 0.0), mask["ear"]).astype(np.float32)


def _blush(position: ndarray, mask: dict[str, ndarray]) -> Float32[ndarray, "s s"]:
    """Round cheeks below the eyes, the tip of the nose and the ears, in [0, 1]."""
    x, y, z = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    off = np.hypot((x - 43.0) / 19.0, (y + 47.0) / 17.0)
    cheek = smooth((1.15 - off) / 0.9) * (z > -45.0)
    nose = 0.6 * smooth((mask["nose"] - 0.3) / 0.5)
    return np.maximum(np.maximum(cheek, nose), 0.7 * mask["ear"]).astype(np.float32)


def _features(
    base: ndarray, tone: ndarray, lips: ndarray, mask: dict[str, ndarray], blush: ndarray
) -> Float32[ndarray, "s s 3"]:
    """Blush, lids, ears and lips, each in one tone. blush: (s, s) in [0, 1]."""
    out = base * (1.0 + blush[..., None] * (_ROSY - 1.0))
    lid = 0.3 * smooth((mask["eyelid"] - 0.35) / 0.4)[..., None]
    out = out + lid * (tone * np.array([0.86, 0.7, 0.72], np.float32) - out)
    shown = smooth((mask["lips"] - 0.3) / 0.4)[..., None]
    return out + shown * (lips - out)


def _creased(
    color: ndarray,
    maps: Anatomy,
    parameters: AvatarParameters,
    recipe: Recipe,
    *,
    ink: bool,
) -> Float32[ndarray, "s s 3"]:
    """Creases of age, as shade or as ink lines."""
    aged = float(np.clip((parameters.age - 0.5) / 0.4, 0.0, 1.0))
    strength = aged * (0.5 + parameters.skin_wrinkles)
    if strength * recipe.creases < 0.02:
        return color
    deep = np.maximum(-maps.grain[..., WRINKLE], 0.0) * strength
    line = smooth((deep - 0.10) / 0.10) if ink else np.clip(3.0 * deep, 0.0, 1.0)
    cover = (recipe.creases * line)[..., None].astype(np.float32)
    dark = _INK if ink else 0.62 * color * np.array([1.0, 0.9, 0.9], np.float32)
    return color + cover * (dark - color)


def _bearded(
    color: ndarray, parameters: AvatarParameters, shape: HeadShape
) -> Float32[ndarray, "s s 3"]:
    """Stubble as a soft tint; under other beards their own colour, dark."""
    style = "stubble" if parameters.beard_style == "none" else parameters.beard_style
    tint = min(1.0, 1.2 * parameters.stubble) if parameters.beard_style == "none" else 0.75
    if parameters.beard_style == "stubble":
        tint = 0.5
    if tint < 0.05:
        return color
    rows, columns, points = beard_texels(shape, SIZE)
    density = smooth(beard_zone(points, style).density / 0.45)
    hair = beard_color(parameters) * (1.0 - parameters.beard_grey) + 0.5 * parameters.beard_grey
    cover = (0.62 * tint * density)[:, None]
    out = color.copy()
    skin = color[rows, columns]
    dark = 0.45 * skin + 0.45 * hair if style == "stubble" else 0.75 * hair
    out[rows, columns] = skin + cover * (dark - skin)
    soft = gaussian_filter(out, (1.5, 1.5, 0))
    zone = np.zeros(color.shape[:2], np.float32)
    zone[rows, columns] = 1.0
    zone = gaussian_filter(zone, 1.0)[..., None]
    return out + zone * (soft - out)


def _openings(color: ndarray, mask: dict[str, ndarray], *, ink: bool) -> Float32[ndarray, "s s 3"]:
    """Nostrils, lid rims, the line between the lips and the inside of the mouth."""
    out = color * (1.0 - 0.6 * mask["cavity"] * (1.0 - mask["lips"]))[..., None]
    rim = np.maximum(mask["lid_rim"], mask["caruncle"])[..., None]
    out = out + 0.7 * rim * (color * np.array([1.0, 0.72, 0.7], np.float32) - out)
    line = 0.75 * mask["lash_line"]
    seam = smooth(mask["wet"] / 0.5) * mask["lips"]
    if ink:
        line = np.maximum(line, 0.9 * seam)
    else:
        out = out * (1.0 - 0.35 * seam)[..., None]
    out = out + line[..., None] * (_INK - out)
    inside = mask["mouth"][..., None]
    out = out + inside * (_FLESH - out)
    socket = mask["socket"][..., None]
    return out + 0.8 * socket * (np.array([0.62, 0.42, 0.4], np.float32) - out)


def _scalp(
    albedo: UInt8[ndarray, "s s 3"], parameters: AvatarParameters, shape: HeadShape
) -> UInt8[ndarray, "s s 3"]:
    """The hair's roots as an even tone with a soft edge."""
    painted = paint_scalp(albedo, parameters, shape)
    if painted is albedo:
        return albedo
    changed = painted.astype(np.float32) - albedo
    even = gaussian_filter(changed, (2.5, 2.5, 0))
    return np.clip(albedo + even + 0.5, 0.0, 255.0).astype(np.uint8)

"""Procedural skin: parameters → albedo, relief and roughness in UV space, and the skin's mesh.

parameters ─▶ tone table (melanin × haemoglobin → RGB) ───────────┐
anatomy (lips, cheeks, beard zone …), learned layout, noise ──▶ pigments of each texel ─▶ albedo
learned mid frequencies (`skin.appearance`) ───────────────────────────────┘
pores, wrinkles, lip creases ──▶ relief ─▶ normal map        └──▶ roughness
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from portraiture.engine.actions import ACTIONS
from portraiture.engine.face.lashes import lid_deltas
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, sparse_morph
from portraiture.engine.skin.appearance import load_appearance, window_of
from portraiture.engine.skin.detail import (
    CRINKLE,
    FINE,
    GRAIN,
    GRAIN_TOO,
    LIP_CREASE,
    MOTTLE,
    MOTTLE_TOO,
    PATCH,
    PORE,
    WRINKLE,
    cell_spots,
    fractal,
    relief_normals,
)
from portraiture.engine.skin.layout import MASKS, WIDE, anatomy, learned_layout, wide_layout
from portraiture.engine.skin.tone import encode_srgb, tone_table
from portraiture.ops.inner import inner, kernel
from portraiture.ops.parallel import in_threads
from portraiture.types import Material, Morph, Part

LIPS, WET, MOUTH, LID_RIM, SOCKET, EAR, CHEEK, NOSE = (MASKS.index(n) for n in MASKS[:8])
UNDER_EYE, EYELID, BEARD, SHINE, PORES, CAVITY, FRECKLES, CARUNCLE, LASH_LINE = (
    MASKS.index(n) for n in MASKS[8:]
)
WIDE_MASKS = np.array([MASKS.index(name) for name in WIDE])

USUAL_LIPS, USUAL_UNDER_EYE = 0.4, 0.3
"""Redness of lips and darkness under the eyes of the average learned face."""

CREASED = 0.3
"""Roughness added for a millimetre of creases, whose facets would glint like scratches."""

UNEVEN = 0.7
"""Mottling of the forehead and the neck relative to that of cheeks, nose and chin."""

LEARNED_FOLDS, AGED_FOLDS = 0.6, 0.35
"""Share of the painted shade of creases that learned folds replace, in young and in old skin, whose
creases the mean of portraits blurs."""


@dataclass(frozen=True)
class SkinTextures:
    """albedo: (S, S, 3) sRGB. normal: (S, S, 3) tangent space, glTF. roughness: (S, S) linear."""

    albedo: UInt8[ndarray, "s s 3"]
    normal: UInt8[ndarray, "s s 3"]
    roughness: UInt8[ndarray, "s s"]


def paint_skin(parameters: AvatarParameters, shape: HeadShape, *, size: int = 1024) -> SkinTextures:
    """Paint the skin of `parameters`. The same face (shape, ancestry, sex) has the same moles."""
    maps = anatomy(shape.model, size)
    model = load_appearance()
    field = model.field(model.coefficients(parameters), size)
    dials = _dials(parameters)
    albedo = np.empty((size, size, 3), np.uint8)
    roughness = np.empty((size, size), np.uint8)
    height = np.empty((size, size), np.float32)
    in_threads(
        _paint,
        size,
        (maps.position, maps.masks, maps.wide, maps.grain, maps.near),
        (learned_layout(size), wide_layout(size)),
        (field, model.strength(size), *(part.start for part in window_of(size))),
        tone_table(round(parameters.skin_undertone, 2)),
        _SRGB,
        dials,
        face_seed(parameters),
        albedo,
        height,
        roughness,
    )
    return SkinTextures(albedo, relief_normals(height, maps.texel_mm), roughness)


def face_seed(parameters: AvatarParameters) -> int:
    """Seed in [0, 2³¹) that depends only on the face's shape, ancestry and sex."""
    named = sorted((k, round(v, 3)) for k, v in parameters.shape.items())
    ancestry = [round(x, 3) for x in (parameters.african, parameters.asian, parameters.sex)]
    return zlib.crc32(repr((named, ancestry)).encode()) & 0x7FFFFFFF


def make_skin(parameters: AvatarParameters, shape: HeadShape, textures: SkinTextures) -> Part:
    """The skin as a part named ``"skin"`` with all 52 actions that move it."""
    arrays = shape.model.arrays
    rows = arrays["skin_vertex"]
    size = textures.albedo.shape[0]
    opaque = np.full((size, size, 1), 255, np.uint8)
    morphs: dict[str, Morph] = {}
    for name in ACTIONS:
        morph = sparse_morph(lid_deltas(shape, name)[rows])
        if morph is not None:
            morphs[name] = morph
    return Part(
        name="skin",
        vertices=shape.skin,
        faces=shape.faces,
        normals=shape.normals,
        uv=shape.uv,
        material=Material(
            kind="skin",
            base_color=np.concatenate([textures.albedo, opaque], axis=2),
            normal=textures.normal,
            roughness=textures.roughness,
        ),
        segment=arrays["skin_segment"],
        joints=arrays["vertex_joints"][rows],
        weights=arrays["vertex_weights"][rows],
        morphs=morphs,
    )


_SRGB = (encode_srgb(np.linspace(0.0, 1.0, 4096)) * 255.0 + 0.5).astype(np.uint8)

MOST_WRINKLED = 3.0
"""Largest strength of creases, beyond which they look cut."""

_DIALS = (
    *("melanin", "haemoglobin", "dark", "freckles", "pores", "wrinkles", "age", "spots"),
    *("shine", "lips", "blush", "under_eye", "stubble", "fine", "female"),
)


def _dials(p: AvatarParameters) -> Float32[ndarray, "D"]:
    """The kernel's parameters, in the order of `_DIALS`."""
    melanin = 0.03 + 0.94 * p.skin_melanin
    aged = float(np.clip((p.age - 0.5) / 0.45, 0.0, 1.0))
    young = float(np.clip((0.5 - p.age) / 0.35, 0.0, 1.0))
    wrinkles = (0.1 + 3.0 * aged**1.7) * (0.35 + 1.3 * p.skin_wrinkles) * (1.0 - 0.9 * young)
    wrinkles = min(wrinkles, MOST_WRINKLED)
    values = {
        "melanin": melanin,
        "haemoglobin": 0.16 + 0.20 * p.skin_haemoglobin,
        "dark": float(np.clip((melanin - 0.45) / 0.35, 0.0, 1.0)),
        "freckles": p.skin_freckles * float(np.clip(1.3 - 1.4 * melanin, 0.0, 1.0)),
        "pores": (0.25 + 1.2 * p.skin_pores) * (1.0 - 0.6 * young) * (1.15 - 0.3 * p.sex),
        "wrinkles": wrinkles,
        "age": aged,
        "spots": aged * (0.2 + p.skin_wrinkles),
        "shine": p.skin_shine,
        "lips": p.lip_redness,
        "blush": p.cheek_blush,
        "under_eye": p.under_eye,
        "stubble": p.stubble,
        "fine": 0.6 + 0.5 * p.skin_pores,
        "female": max(p.sex, young),
    }
    return np.array([values[name] for name in _DIALS], np.float32)


@kernel
def _paint(maps, layouts, learned, table, srgb, dials, seed, albedo, height, roughness, first, end):
    """Paint each texel independently: pigments, colour, relief and roughness."""
    position, masks, wide, grain, near = maps
    field, strength, top, left = learned
    dark = dials[2]
    colour = np.empty(3, np.float32)
    mask = np.empty(masks.shape[2], np.float32)
    average = np.empty(wide.shape[2], np.float32)
    offset = np.empty(3, np.float32)
    for row in range(first, end):
        for column in range(height.shape[1]):
            if not near[row, column]:
                height[row, column] = 0.0
                roughness[row, column] = 140
                _tone(table, dials[0], dials[1], 0.0, colour)
                for c in range(3):
                    albedo[row, column, c] = srgb[int(min(colour[c], 1.0) * 4095.0)]
                continue
            x, y, z = position[row, column]
            for k in range(mask.shape[0]):
                mask[k] = masks[row, column, k] / 255.0
            fixed = grain[row, column]
            y_at, x_at = row - top, column - left
            inside = 0 <= y_at < strength.shape[0] and 0 <= x_at < strength.shape[1]
            share = strength[y_at, x_at] if inside else np.float32(0.0)
            female = dials[14]
            smooth = dark * (1.0 - 0.6 * female * mask[BEARD])
            for c in range(3):
                at = row, column, c
                offset[c] = _layout(layouts, at, share, female, 1.0 - dark, smooth)
            melanin = dials[0] + 0.75 * offset[0]
            blood = dials[1] + 0.75 * offset[1]
            shade = 0.7 * offset[2]
            melanin, blood, shade = _mottle(
                x, y, z, mask, fixed, dials, seed, melanin, blood, shade
            )
            for k in range(average.shape[0]):
                sharp = mask[WIDE_MASKS[k]]
                average[k] = sharp + share * (wide[row, column, k] / 255.0 - sharp)
            melanin, blood, shade = _regions(
                mask, average, share, fixed, dials, melanin, blood, shade
            )
            folds = 1.0 - share * (LEARNED_FOLDS + dials[6] ** 2 * (AGED_FOLDS - LEARNED_FOLDS))
            shade += 0.6 * min(fixed[WRINKLE], 0.0) * dials[5] * folds
            shade += 0.10 * min(fixed[PORE], 0.0) * dials[4]
            shade += mask[LIPS] * 0.16 * fixed[LIP_CREASE] * (1.0 - LEARNED_FOLDS * share)
            _tone(table, melanin, blood, shade, colour)
            _openings(x, y, z, mask, share, fixed, dials, colour)
            if share > 0.0:
                for c in range(3):
                    colour[c] *= np.exp(field[y_at, x_at, c])
            height[row, column] = (
                fixed[PORE] * dials[4] * 0.19
                + (fixed[WRINKLE] + fixed[CRINKLE] * (1.0 - mask[LIPS])) * dials[5]
                + 0.042 * dials[13] * fixed[FINE]
                + mask[LIPS] * 0.10 * fixed[LIP_CREASE]
            )
            for c in range(3):
                albedo[row, column, c] = srgb[int(min(max(colour[c], 0.0), 1.0) * 4095.0)]
            roughness[row, column] = np.uint8(255.0 * _rough(mask, fixed, dials))


@inner
def _layout(layouts, at, share, female, light, smooth):
    """One channel of the layout, of its low frequencies alone where the learned model has a share:
    men and women by `female`, light and dark skin."""
    row, column, c = at
    sharp, low = layouts
    man = sharp[0, row, column, c] + share * (low[0, row, column, c] - sharp[0, row, column, c])
    woman = sharp[1, row, column, c] + share * (low[1, row, column, c] - sharp[1, row, column, c])
    deep = sharp[2, row, column, c] + share * (low[2, row, column, c] - sharp[2, row, column, c])
    return light * (man + female * (woman - man)) + smooth * deep


@inner
def _mottle(x, y, z, mask, fixed, dials, seed, melanin, blood, shade):
    """Irregular pigment: blotches, freckles, moles, age spots."""
    wide = fractal(x / 15.0, y / 15.0, z / 15.0, 2, seed + 71)
    other = fractal(x / 9.0 + 40.0, y / 9.0, z / 9.0, 2, seed + 74)
    turn = seed % 64 * (np.pi / 32.0)
    a, b = np.cos(turn), np.sin(turn)
    close = a * fixed[MOTTLE] + b * fixed[MOTTLE_TOO]
    grain = a * fixed[GRAIN] - b * fixed[GRAIN_TOO]
    uneven = UNEVEN + (1.0 - UNEVEN) * min(mask[CHEEK] + mask[NOSE] + 0.6 * mask[BEARD], 1.0)
    uneven *= 1.0 - 0.3 * dials[14]
    blood += uneven * (0.085 * wide + 0.085 * close + 0.036 * grain)
    melanin += (0.3 + melanin) * (0.026 * other + 0.020 * grain)
    shade += uneven * (0.028 * grain + 0.036 * close)
    bare = (1.0 - mask[LIPS]) * (1.0 - mask[MOUTH]) * (1.0 - mask[SOCKET])
    if dials[3] > 0.01:
        share = min(1.0, (0.25 + 0.75 * dials[3]) * mask[FRECKLES])
        spots = cell_spots(x / 2.7, y / 2.7, z / 2.7, share, 0.16, 0.40, seed + 75)
        small = cell_spots(x / 1.5, y / 1.5, z / 1.5, 0.7 * share, 0.18, 0.36, seed + 80)
        melanin += bare * (0.26 * spots + 0.14 * small) * min(2 * dials[3], 0.5 + 0.5 * dials[3])
    mole = cell_spots(x / 30.0, y / 30.0, z / 30.0, 0.10, 0.018, 0.042, seed + 85)
    melanin += bare * 0.38 * mole
    if dials[7] > 0.02:
        share = 0.5 * dials[7]
        spots = cell_spots(x / 8.0, y / 8.0, z / 8.0, share, 0.14, 0.42, seed + 90)
        melanin += bare * 0.13 * spots * (0.7 + 0.3 * other) * (1.0 - 0.5 * dials[2])
    return melanin, blood, shade


@inner
def _regions(mask, average, share, fixed, dials, melanin, blood, shade):
    """Pigment added by anatomy and parameters: blush, lips, lids, under-eye.

    Where the learned model has a share, it shows lips, lids and shadows under the eyes as they are
    on average: of these only the low frequencies (`average`) and the difference of the person's
    parameters are added.
    """
    dark, own = dials[2], 1.0 - share
    flush = (dials[10] - 0.2) * (0.23 * mask[CHEEK] + 0.05 * mask[NOSE] + 0.07 * mask[EAR])
    patchy = 1.0 + 0.35 * fixed[PATCH]
    blood += flush * patchy + 0.03 * mask[EAR] + 0.03 * mask[NOSE]
    under = average[1] * (USUAL_UNDER_EYE - 0.12 + 0.2 * dials[6])
    under += mask[UNDER_EYE] * (dials[11] - USUAL_UNDER_EYE)
    melanin += 0.10 * under
    blood += 0.04 * under - 0.035 * average[1]
    shade -= 0.20 * under
    blood += 0.05 * average[2]
    shade -= 0.05 * average[2]
    rim = max(mask[LID_RIM], mask[CARUNCLE])
    blood += 0.16 * rim
    melanin -= 0.40 * rim * melanin
    shade += 0.10 * rim - 0.85 * mask[LASH_LINE] * own
    lips, redness = mask[LIPS], dials[9] - USUAL_LIPS
    inner = lips * mask[WET] * own
    usual = 0.36 + 0.42 * USUAL_LIPS + 0.18 * inner + 0.07 * fixed[GRAIN]
    blood += average[0] * (max(usual, blood) - blood) + 0.42 * lips * redness
    melanin += average[0] * (0.04 - 0.10 * USUAL_LIPS * (1.0 - dark) + 0.05 * dark)
    melanin -= 0.10 * lips * redness * (1.0 - dark) + inner * dark * 0.22
    shade += 0.12 * average[0] - 0.16 * lips * max(redness, -0.1)
    return melanin, blood, shade


@inner
def _tone(table, melanin, blood, shade, colour):
    """Bilinear look-up in the tone table, times exp(shade)."""
    n = table.shape[0] - 1
    a = min(max(melanin, 0.0), 0.9999) * n
    b = min(max(blood, 0.0), 0.9999) * n
    i, j = int(a), int(b)
    u, v = a - i, b - j
    gain = np.exp(min(max(shade, -1.2), 0.35))
    for c in range(3):
        low = table[i, j, c] * (1 - v) + table[i, j + 1, c] * v
        high = table[i + 1, j, c] * (1 - v) + table[i + 1, j + 1, c] * v
        colour[c] = gain * (low * (1 - u) + high * u)


@inner
def _openings(x, y, z, mask, share, fixed, dials, colour):
    """Stubble, cavities, the mouth's inside and the eye sockets, on linear RGB."""
    beard = mask[BEARD] * dials[12]
    if beard > 0.01:
        patch = 0.85 + 0.25 * fixed[PATCH]
        dots = cell_spots(x / 0.75, y / 0.75, z / 0.75, 0.95, 0.28, 0.46, 122)
        cover = min(beard * patch * (0.45 + 0.75 * dots), 1.0)
        colour[0] *= 1.0 - 0.66 * cover
        colour[1] *= 1.0 - 0.62 * cover
        colour[2] *= 1.0 - 0.56 * cover
    cavity = mask[CAVITY] * (1.0 - max(mask[LIPS], max(mask[LID_RIM], mask[CARUNCLE])))
    colour[0] *= 1.0 - 0.50 * cavity
    colour[1] *= 1.0 - 0.66 * cavity
    colour[2] *= 1.0 - 0.68 * cavity
    inside = mask[MOUTH]
    deep = 0.5 + 0.5 * min(max((z - 8.0) / 20.0, 0.0), 1.0)
    colour[0] += inside * (0.40 * deep - colour[0])
    colour[1] += inside * (0.105 * deep - colour[1])
    colour[2] += inside * (0.098 * deep - colour[2])
    socket = mask[SOCKET]
    colour[0] += socket * (0.46 - colour[0]) * 0.8
    colour[1] += socket * (0.22 - colour[1]) * 0.8
    colour[2] += socket * (0.18 - colour[2]) * 0.8


@inner
def _rough(mask, fixed, dials):
    """Roughness in [0.15, 0.9]."""
    value = 0.60 - 0.10 * dials[8] + 0.03 * mask[CHEEK] + 0.03 * dials[6]
    value -= mask[SHINE] * (0.06 + 0.26 * dials[8])
    value += CREASED * min((abs(fixed[WRINKLE]) + abs(fixed[CRINKLE])) * dials[5], 1.0)
    value += 0.04 * fixed[MOTTLE] + 0.04 * fixed[PATCH] - 0.05 * fixed[PORE]
    value += 0.05 * mask[BEARD] * dials[12]
    value += mask[LIPS] * (0.36 - value) * 0.85
    value += max(mask[MOUTH], mask[SOCKET]) * (0.25 - value)
    value += max(mask[LID_RIM], mask[CARUNCLE]) * (0.28 - value) * 0.9
    return min(max(value, 0.15), 0.9)

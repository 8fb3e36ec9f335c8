"""Parts of a person in a style: solid hair, brows and beard, lid lines, and cleaned materials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from portraiture.engine.face.beard import beard_color
from portraiture.engine.face.brows import brow_color
from portraiture.engine.face.lid_line import make_lid_line
from portraiture.engine.face.mouth import make_mouth
from portraiture.engine.face.solid_beard import make_solid_beard
from portraiture.engine.face.solid_brows import make_solid_brows
from portraiture.engine.hair.color import hair_rgb
from portraiture.engine.hair.solid import make_solid_hair
from portraiture.engine.mesh_smoothing import smoothed_normals
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape
from portraiture.engine.style.eyes import make_style_eyes
from portraiture.engine.style.inner_mouth import deepened, set_back, two_tones
from portraiture.engine.style.recipes import RECIPES, Recipe, recipe_of
from portraiture.engine.wear.clothes import make_clothes
from portraiture.engine.wear.glasses import make_glasses
from portraiture.engine.wear.hats import make_hat
from portraiture.ops.kuwahara import kuwahara
from portraiture.ops.vectors import smooth
from portraiture.types import Finish, Material, Part, Style

LOCK_SIZE = 64
HAIR_SHEEN = 0.45
"""Metallic factor of lit solid hair, whose highlights have the colour of the hair."""
TONE_ROUNDS = 5
"""Rounds of smoothing of the skin's normals, so that flat tones have simple borders."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


StyleMaker = Callable[[AvatarParameters, HeadShape, Style], Sequence[Part]]


def _eyes(parameters: AvatarParameters, shape: HeadShape, style: Style) -> list[Part]:
    recipe = recipe_of(style, parameters)
    return restyled(make_style_eyes(parameters, shape, recipe), style)


def _lashes(parameters: AvatarParameters, shape: HeadShape, style: Style) -> list[Part]:
    recipe = recipe_of(style, parameters)
    finish = _unlined(recipe.finish)
    return _present(make_lid_line(parameters, shape, thickness=recipe.lashes, finish=finish))


def _mouth(parameters: AvatarParameters, shape: HeadShape, style: Style) -> list[Part]:
    recipe = recipe_of(style, parameters)
    mouth = [set_back(part, shape, recipe.teeth) for part in make_mouth(parameters, shape)]
    return restyled(mouth, style)


def _brows(parameters: AvatarParameters, shape: HeadShape, style: Style) -> list[Part]:
    recipe = recipe_of(style, parameters)
    brows = make_solid_brows(
        parameters,
        shape,
        hair_material(_brow_rgb(parameters), recipe),
        height=recipe.brow_height,
        thickness=recipe.brows,
        rise=recipe.brow_raise,
    )
    return _present(brows)


def _beard(parameters: AvatarParameters, shape: HeadShape, style: Style) -> list[Part]:
    material = hair_material(_beard_rgb(parameters), recipe_of(style, parameters))
    return _present(make_solid_beard(parameters, shape, material))


def _hair(parameters: AvatarParameters, shape: HeadShape, style: Style) -> list[Part]:
    rgb = hair_rgb(parameters.hair_melanin, parameters.hair_redness, parameters.hair_grey)
    material = hair_material(rgb, recipe_of(style, parameters))
    return _present(make_solid_hair(parameters, shape, material))


def _clothes(parameters: AvatarParameters, shape: HeadShape, style: Style) -> list[Part]:
    return restyled(_present(make_clothes(parameters, shape)), style)


def _hat(parameters: AvatarParameters, shape: HeadShape, style: Style) -> list[Part]:
    return restyled(_present(make_hat(parameters, shape)), style)


def _glasses(parameters: AvatarParameters, shape: HeadShape, style: Style) -> list[Part]:
    return restyled(_present(make_glasses(parameters, shape)), style)


def _present(made: Part | Sequence[Part] | None) -> list[Part]:
    if made is None:
        return []
    return [made] if isinstance(made, Part) else list(made)


STYLE_MAKERS: tuple[tuple[str, StyleMaker], ...] = (
    ("eyes", _eyes),
    ("lashes", _lashes),
    ("mouth", _mouth),
    ("brows", _brows),
    ("beard", _beard),
    ("hair", _hair),
    ("clothes", _clothes),
    ("hat", _hat),
    ("glasses", _glasses),
)
"""Parts of a style added to the skin, in drawing order; an asset of the same kind replaces each."""


def _brow_rgb(parameters: AvatarParameters) -> Float[ndarray, "3"]:
    grey = 0.6 * parameters.hair_grey
    return brow_color(parameters) * (1.0 - grey) + 0.62 * grey


def _beard_rgb(parameters: AvatarParameters) -> Float[ndarray, "3"]:
    grey = 0.9 * parameters.beard_grey
    return beard_color(parameters) * (1.0 - grey) + 0.68 * grey


def hair_material(rgb: Float[ndarray, "3"], recipe: Recipe) -> Material:
    """Material of solid hair of this sRGB colour; see `hair.solid` for its texture's layout."""
    return Material(
        kind="plain",
        base_color=paint_lock(rgb, recipe),
        roughness_factor=0.5,
        metallic=HAIR_SHEEN if recipe.finish == "lit" else 0.0,
        finish=recipe.finish,
    )


def paint_lock(rgb: Float[ndarray, "3"], recipe: Recipe) -> UInt8[ndarray, "s s 4"]:
    """One lock: ridge at the left to groove at the right, root at the top to tip at the bottom."""
    u = ((np.arange(LOCK_SIZE) + 0.5) / LOCK_SIZE)[None, :, None]
    t = ((np.arange(LOCK_SIZE) + 0.5) / LOCK_SIZE)[:, None, None]
    grey = float(rgb @ _LUMA.astype(np.float64))
    color = np.clip(grey + recipe.saturation * (rgb - grey), 0.02, 0.95)
    if recipe.finish == "lit":
        shade = (1.08 - 0.34 * smooth((u - 0.25) / 0.75)) * (0.86 + 0.22 * smooth(t / 0.8))
        painted = (1.0 - (1.0 - color) ** 1.35) * shade
    else:
        dark = 0.72 * color + [0.0, 0.0, 0.012]
        light = np.clip(1.22 * color + 0.035, 0.0, 1.0)
        painted = np.broadcast_to(color, (LOCK_SIZE, LOCK_SIZE, 3))
        band = smooth((t - 0.26) / 0.03) * smooth((0.44 - t) / 0.03) * smooth((0.45 - u) / 0.1)
        painted = painted + band * (light - painted)
        painted = painted + smooth((u - 0.62) / 0.08) * (dark - painted)
        if recipe.finish == "ink":
            ink = 0.16 * color
            painted = painted + smooth((u - 0.86) / 0.05) * (ink - painted)
    out = np.full((LOCK_SIZE, LOCK_SIZE, 4), 255, np.uint8)
    out[..., :3] = (np.clip(painted, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return out


def restyled(parts: Sequence[Part], style: Style) -> list[Part]:
    """The parts with the cleaned materials of `restyle_part`."""
    return [restyle_part(part, style) for part in parts]


def restyle_part(part: Part, style: Style) -> Part:
    """Clean the material of a part that is built as for natural, such as an asset."""
    if style == "natural":
        return part
    recipe, material = RECIPES[style], part.material
    finish = recipe.finish
    if material.alpha_mode == "blend" or material.kind == "eye":
        return replace(part, material=replace(material, finish=_unlined(finish)))
    if part.name == "skin":
        part = deepened(part)
        rounds = 0 if finish == "lit" else TONE_ROUNDS
        normals = smoothed_normals(part.vertices, part.normals, part.faces, rounds)
        return replace(part, normals=normals, material=replace(material, finish=finish))
    color = material.base_color[:, :, :3].astype(np.float32) / 255.0
    if material.kind == "mouth":
        color, finish = two_tones(color), _unlined(finish)
    elif material.kind == "cloth":
        radius = max(1, round((10 if finish != "lit" else 5) * color.shape[0] / 1024))
        color = kuwahara(kuwahara(color, radius), radius)
    grey = (color @ _LUMA)[:, :, None]
    base = material.base_color.copy()
    saturated = grey + recipe.saturation * (color - grey)
    base[:, :, :3] = (np.clip(saturated, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return replace(
        part,
        material=replace(material, base_color=base, normal=None, roughness=None, finish=finish),
    )


def _unlined(finish: Finish) -> Finish:
    """The finish without an outline."""
    return "toon" if finish == "ink" else finish

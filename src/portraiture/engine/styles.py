"""Styles: natural, pixar, cartoon, caricature, comic. Each changes shape, material and shading.

Shape: a smooth warp of space (bigger eyes, smaller nose, …) that expressions follow, and, for
every style but natural, exaggeration of the difference from the average person of the same sex and
age (Brennan 1985). Material: edge-preserving smoothing, saturation and posterisation of the
textures. Shading: the renderer's shading model that suits the style.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy.ndimage import gaussian_filter, uniform_filter

from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.prior import load_prior
from portraiture.engine.shape import HeadShape, Warp, shape_head
from portraiture.engine.shapes import SHAPES
from portraiture.types import Material, Part, Shading, Style

STYLES: tuple[Style, ...] = get_args(Style)


@dataclass(frozen=True)
class Recipe:
    """Settings of one style; the defaults leave the head natural.

    eyes, nose, head: scale factors of those regions. chin: share by which the lower face narrows.
    neck: scale factor of the neck's girth. exaggeration: factor on the difference from the mean
    head. smoothing: radius of edge-preserving smoothing, texels at 1024². saturation: factor.
    levels: posterised luminance levels, 0 for none. relief: factor on normal maps. shading: the
    renderer's shading model.
    """

    eyes: float = 1.0
    nose: float = 1.0
    head: float = 1.0
    chin: float = 0.0
    neck: float = 1.0
    exaggeration: float = 1.0
    smoothing: int = 0
    saturation: float = 1.0
    levels: int = 0
    relief: float = 1.0
    shading: Shading = "natural"


RECIPES: dict[Style, Recipe] = {
    "natural": Recipe(),
    "pixar": Recipe(
        eyes=1.3,
        nose=0.86,
        head=1.13,
        chin=0.08,
        neck=0.86,
        exaggeration=1.25,
        smoothing=14,
        saturation=1.15,
        relief=0.3,
        shading="soft",
    ),
    "cartoon": Recipe(
        eyes=1.42,
        nose=0.74,
        head=1.25,
        chin=0.16,
        neck=0.74,
        exaggeration=1.15,
        smoothing=24,
        saturation=1.3,
        levels=7,
        relief=0.0,
        shading="toon",
    ),
    "caricature": Recipe(
        eyes=1.04,
        nose=1.12,
        head=1.2,
        neck=0.88,
        exaggeration=2.6,
        smoothing=5,
        saturation=1.2,
        relief=1.5,
        shading="soft",
    ),
    "comic": Recipe(
        eyes=1.08,
        nose=1.05,
        head=1.06,
        chin=-0.06,
        exaggeration=1.6,
        smoothing=16,
        saturation=1.25,
        levels=5,
        relief=0.4,
        shading="ink",
    ),
}


def style_shading(style: Style) -> Shading:
    """The shading model of `style`."""
    return RECIPES[style].shading


def restyle_parameters(parameters: AvatarParameters, style: Style) -> AvatarParameters:
    """Adapt the appearance parameters to a style; identity is unchanged."""
    if style in ("pixar", "cartoon"):
        return replace(
            parameters,
            skin_pores=0.15 * parameters.skin_pores,
            skin_wrinkles=0.4 * parameters.skin_wrinkles,
            cheek_blush=min(1.0, parameters.cheek_blush + 0.25),
            iris_size=min(1.0, parameters.iris_size + 0.4),
            pupil_size=min(1.0, parameters.pupil_size + 0.2),
            lash_length=min(1.0, parameters.lash_length + 0.15),
            brow_thickness=min(1.0, parameters.brow_thickness + 0.15),
            hair_volume=min(1.0, parameters.hair_volume + 0.1),
            detail=_scaled(parameters.detail, 0.5),
        )
    if style == "caricature":
        return replace(
            parameters,
            skin_wrinkles=min(1.0, 1.4 * parameters.skin_wrinkles),
            brow_thickness=float(np.clip(1.4 * parameters.brow_thickness - 0.2, 0.0, 1.0)),
            detail=_scaled(parameters.detail, 1.3),
        )
    return parameters


def _scaled(detail: Mapping[str, float], factor: float) -> dict[str, float]:
    """Details with their distance from what is expected multiplied by `factor`."""
    return {k: float(np.clip(0.5 + factor * (v - 0.5), 0.0, 1.0)) for k, v in detail.items()}


def bend_head(shape: HeadShape, parameters: AvatarParameters, style: Style) -> HeadShape:
    """Warp the head to the style's shape; for natural it is returned unchanged."""
    if style == "natural":
        return shape
    recipe = RECIPES[style]
    offset = np.float32(recipe.exaggeration - 1.0) * _difference(shape, parameters)
    return shape.warped(_warp(shape, recipe), offset)


def _difference(shape: HeadShape, parameters: AvatarParameters) -> Float[ndarray, "V 3"]:
    """Difference of this head from the average one of its sex and age, faded out at the neck.

    Both heads are first aligned at the midpoint of the eyes, to remove translation.
    """
    average = {
        name: float(np.clip(0.5 + 0.5 * value, 0.0, 1.0))
        for name, value in zip(SHAPES, load_prior().mean, strict=True)
    }
    person = AvatarParameters(sex=round(parameters.sex), age=parameters.age, shape=average)
    mean = shape_head(person, shape.model)
    middle = _eye_centres(shape).mean(0) - _eye_centres(mean).mean(0)
    difference = shape.vertices - mean.vertices - middle
    length = np.linalg.norm(difference, axis=1, keepdims=True)
    limit = 0.012
    difference = difference * (limit / np.maximum(length, 1e-9)) * np.tanh(length / limit)
    neck_y = shape.joints[shape.model.joint_names.index("neck"), 1]
    head_y = shape.joints[shape.model.joint_names.index("head"), 1]
    fade = _smoothstep((shape.vertices[:, 1:2] - neck_y) / (head_y - neck_y))
    return difference * fade


def _eye_centres(shape: HeadShape) -> Float[ndarray, "2 3"]:
    names = shape.model.joint_names
    return shape.joints[[names.index("leftEye"), names.index("rightEye")]]


def _smoothstep(t: ndarray) -> ndarray:
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _warp(shape: HeadShape, recipe: Recipe) -> Warp:
    """Build the recipe's smooth warp in the frame of this head."""
    eyes = _eye_centres(shape)
    names = shape.model.joint_names
    head, neck = shape.joints[names.index("head")], shape.joints[names.index("neck")]
    apart = float(np.linalg.norm(eyes[0] - eyes[1]))
    nose = eyes.mean(0) + np.array([0.0, -0.6 * apart, 0.42 * apart])
    chin_y = eyes[0, 1] - 1.75 * apart

    def warp(points: ndarray) -> ndarray:
        p = points.astype(np.float64)
        p = _scale_ball(p, nose, recipe.nose, 0.25 * apart, 0.75 * apart)
        for eye in eyes:
            p = _scale_ball(p, eye, recipe.eyes, 0.27 * apart, 0.62 * apart)
        low = _smoothstep((eyes[0, 1] - 0.4 * apart - p[:, 1]) / (eyes[0, 1] - chin_y))
        above_neck = _smoothstep((p[:, 1] - neck[1]) / (head[1] - neck[1]))
        p[:, 0] *= 1.0 - recipe.chin * low * above_neck
        around = np.exp(-(((p[:, 1] - 0.5 * (neck[1] + head[1])) / 0.05) ** 2))
        girth = 1.0 + (recipe.neck - 1.0) * around * (1.0 - _face_front(p, head))
        p[:, 0] *= girth
        p[:, 2] = neck[2] + (p[:, 2] - neck[2]) * girth
        scale = 1.0 + (recipe.head - 1.0) * above_neck[:, None]
        base = np.array([0.0, neck[1], neck[2]])
        return base + (p - base) * scale

    return warp


def _face_front(p: ndarray, head: ndarray) -> ndarray:
    """1 on the face and chin, 0 on the neck."""
    return _smoothstep((p[:, 2] - head[2] - 0.02) / 0.05)


def _scale_ball(p: ndarray, centre: ndarray, factor: float, inner: float, outer: float) -> ndarray:
    """Scale around `centre` within radius `inner`, fading to the identity at `outer` (metres)."""
    away = p - centre
    radius = np.linalg.norm(away, axis=1, keepdims=True)
    weight = 1.0 - _smoothstep((radius - inner) / (outer - inner))
    return p + (factor - 1.0) * weight * away


def restyle_part(part: Part, style: Style) -> Part:
    """Apply the style to the part's textures."""
    recipe = RECIPES[style]
    if style == "natural" or part.material.alpha_mode == "blend":
        return part
    return replace(part, material=_restyle_material(part.material, recipe))


def _restyle_material(material: Material, recipe: Recipe) -> Material:
    color = material.base_color[:, :, :3].astype(np.float32) / 255.0
    if recipe.smoothing and material.kind in ("skin", "cloth"):
        radius = max(1, round(recipe.smoothing * color.shape[0] / 1024))
        color = _smooth(color, radius)
    if recipe.levels and material.kind in ("skin", "cloth"):
        color = _posterise(color, recipe.levels)
    grey = color @ np.array([0.299, 0.587, 0.114], np.float32)
    color = grey[:, :, None] + recipe.saturation * (color - grey[:, :, None])
    base = material.base_color.copy()
    base[:, :, :3] = np.clip(color * 255.0 + 0.5, 0, 255)
    return replace(material, base_color=base, normal=_flatten(material.normal, recipe.relief))


def _flatten(normal: UInt8[ndarray, "h w 3"] | None, relief: float) -> ndarray | None:
    if normal is None or relief == 1.0:
        return normal
    vector = normal.astype(np.float32) / 127.5 - 1.0
    vector[:, :, :2] *= relief
    vector /= np.linalg.norm(vector, axis=2, keepdims=True)
    return np.clip((vector + 1.0) * 127.5 + 0.5, 0, 255).astype(np.uint8)


def _smooth(color: ndarray, radius: int, epsilon: float = 0.004) -> ndarray:
    """Edge-preserving guided filter, each channel guided by itself (He et al. 2013, eqs. 5, 6)."""

    def blur(image: ndarray) -> ndarray:
        return uniform_filter(image, 2 * radius + 1, axes=(0, 1))

    mean = blur(color)
    variance = blur(color * color) - mean * mean
    gain = variance / (variance + epsilon)
    return blur(gain) * color + blur((1 - gain) * mean)


def _posterise(color: ndarray, levels: int) -> ndarray:
    """Quantise luminance with soft steps; hue is preserved."""
    grey = np.maximum(color @ np.array([0.299, 0.587, 0.114], np.float32), 1e-4)
    smooth = gaussian_filter(grey, 2.0)
    scaled = smooth * levels
    step = np.floor(scaled) + _smoothstep((scaled - np.floor(scaled) - 0.4) / 0.2)
    return np.clip(color * (step / levels / grey)[:, :, None], 0.0, 1.0)

"""Skin from a photo: tone, light and albedo.

projection ─▶ unoccluded texels ─▶ tone ─▶ procedural skin ─▶ light ─▶ photo ÷ light ─▶ albedo
                                                                ▲── render, compare ◀──┘
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray

from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape
from portraiture.engine.skin.paint import SkinTextures, make_skin, paint_skin
from portraiture.engine.skin.texels import sample_bilinear
from portraiture.fit.compare import correct
from portraiture.fit.light import decode, exposure, fit_light, shading, without_cast
from portraiture.fit.projection import (
    WINDOW,
    Projection,
    core_mask,
    occluded,
    project_photo,
    spectacles,
)
from portraiture.fit.regions import Regions, window_transform
from portraiture.fit.texture import blend_albedo
from portraiture.types import Bust, Camera, Light, Photo

SAMPLES = 12000
CORRECTIONS = 1
MIN_CORE = 300
TRUSTED = 0.7


@dataclass(frozen=True)
class FittedSkin:
    """parameters: with the skin's pigments. mask: (S, S) in [0, 1], the photo's own texels."""

    parameters: AvatarParameters
    light: Light
    albedo: UInt8[ndarray, "s s 3"]
    mask: Float32[ndarray, "s s"]


def fit_skin(
    photo: Photo,
    fitted: Float[ndarray, "478 2"],
    camera: Camera,
    expression: Mapping[str, float],
    regions: Regions,
    parameters: AvatarParameters,
    shape: HeadShape,
) -> FittedSkin:
    """See the module. fitted: the model's landmarks in the photo's pixels."""
    vertices = expressed(shape, expression)
    landmarks = photo.landmarks.astype(np.float64)
    projection = project_photo(photo.image, landmarks, fitted, vertices, camera, shape.model)
    hair = hair_on_texels(regions, landmarks, projection)
    hidden = occluded(_evenly_lit(projection), projection.weight, projection.position, hair)
    if parameters.glasses_style != "none":
        hidden = np.maximum(hidden, spectacles(projection.colour, projection.position))
    weight = projection.weight * (1.0 - hidden)
    parameters, textures, light = _tone_and_light(projection, weight, parameters, shape)
    albedo = projection.colour / shading(light, projection.normal)
    blend = partial(
        blend_albedo,
        weight=weight,
        procedural=textures.albedo,
        model=shape.model,
        blur=projection.blur,
    )
    for _ in range(CORRECTIONS):
        part = make_skin(parameters, shape, replace(textures, albedo=blend(albedo)))
        bust = Bust((part,), shape.model.skeleton(shape.joints), expression, _NOWHERE)
        light, left = correct(bust, camera, light, projection, weight, photo)
        albedo = albedo * np.exp(left)
    mask = np.zeros(textures.albedo.shape[:2], np.float32)
    mask[WINDOW] = weight
    return FittedSkin(parameters, light, blend(albedo), mask)


_NOWHERE = np.zeros((478, 3), np.float32)


def _evenly_lit(projection: Projection) -> Float32[ndarray, "h w 3"]:
    """The colours with a first guess of the light divided out, for skin of one colour."""
    some = np.flatnonzero(projection.weight > TRUSTED)
    if len(some) < MIN_CORE:
        return projection.colour
    some = _some(some, SAMPLES, np.random.default_rng(0))
    colours, normals = projection.colour.reshape(-1, 3)[some], projection.normal.reshape(-1, 3)
    plain = np.tile(np.median(colours, axis=0), (len(some), 1))
    light = fit_light(colours, normals[some], plain)
    return projection.colour / shading(light, projection.normal)


def _tone_and_light(
    projection: Projection, weight: ndarray, parameters: AvatarParameters, shape: HeadShape
) -> tuple[AvatarParameters, SkinTextures, Light]:
    """Pigments from the core's colour, the procedural skin of them, and the light on it."""
    rng = np.random.default_rng(0)
    middle = core_mask(projection.position)
    core = np.flatnonzero(middle & (weight > TRUSTED))
    sides = np.flatnonzero(~middle & (weight > TRUSTED))
    if len(core) < MIN_CORE:
        core = np.flatnonzero(weight >= np.quantile(weight, 0.98))
    colours, normals = projection.colour.reshape(-1, 3), projection.normal.reshape(-1, 3)
    tone, _ = without_cast(np.median(colours[core], axis=0), exposure(normals[core]))
    parameters = replace(
        parameters,
        skin_melanin=tone.melanin,
        skin_haemoglobin=tone.haemoglobin,
        skin_undertone=tone.undertone,
    )
    textures = paint_skin(parameters, shape)
    painted = decode(textures.albedo[WINDOW]).reshape(-1, 3)
    some = np.concatenate([_some(k, SAMPLES // 2, rng) for k in (core, sides)])
    return parameters, textures, fit_light(colours[some], normals[some], painted[some])


def expressed(shape: HeadShape, expression: Mapping[str, float]) -> Float32[ndarray, "V 3"]:
    """All baked vertices with an expression applied."""
    vertices = shape.vertices.copy()
    for name, weight in expression.items():
        if weight > 0.0:
            vertices += np.float32(weight) * shape.action_deltas(name)
    return vertices


def hair_on_texels(
    regions: Regions, landmarks: Float[ndarray, "478 2"], projection: Projection
) -> Float32[ndarray, "h w"]:
    """The window's hair where each texel is seen."""
    to_window = np.linalg.inv(window_transform(landmarks))
    at = projection.pixels @ to_window[:2, :2].T + to_window[:2, 2]
    hair = regions.hair.astype(np.float32)[..., None]
    return sample_bilinear(hair, at[..., 0] - 0.5, at[..., 1] - 0.5)[..., 0]


def _some(indices: ndarray, count: int, rng: np.random.Generator) -> ndarray:
    return indices if len(indices) <= count else rng.choice(indices, count, replace=False)

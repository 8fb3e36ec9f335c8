"""Fit the skin in a photo: tone, light and albedo.

projection ─▶ less occluders, gloss ─▶ tone ─▶ procedural skin ─▶ light ─▶ photo ÷ light ─▶ albedo
                                                      ▲         ▲── render, compare ◀──┤
                                                      └───────── learned details ◀─────┘
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray

from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.prepare import wait as wait_for_kernels
from portraiture.engine.shape import HeadShape
from portraiture.engine.skin.paint import SkinTextures, make_skin, paint_skin
from portraiture.engine.skin.texels import sample_bilinear
from portraiture.fit.compare import correct
from portraiture.fit.detail import infer_details
from portraiture.fit.hidden import Hidden
from portraiture.fit.light import (
    SAMPLES,
    decode,
    even_light,
    exposure,
    fit_light,
    shading,
    without_cast,
    without_gloss,
)
from portraiture.fit.place import Placed
from portraiture.fit.projection import (
    WINDOW,
    Projection,
    core_mask,
    glasses_frames,
    occluded,
)
from portraiture.fit.regions import Regions, window_transform
from portraiture.fit.texture import blend_albedo
from portraiture.progress import SILENT, Progress
from portraiture.types import Bust, Light, Photo

CORRECTIONS = 2
MIN_CORE = 300
TRUSTED = 0.7


@dataclass(frozen=True)
class FittedSkin:
    """parameters: with the skin's pigments and details. mask: (S, S) in [0, 1], texels taken from
    the photo."""

    parameters: AvatarParameters
    light: Light
    albedo: UInt8[ndarray, "s s 3"]
    mask: Float32[ndarray, "s s"]


def fit_skin(
    photo: Photo,
    placed: Placed,
    projection: Projection,
    hair: Float[ndarray, "h w"],
    hidden: Hidden,
    glasses: Float[ndarray, "h w"],
    parameters: AvatarParameters,
    *,
    progress: Progress = SILENT,
) -> FittedSkin:
    """Fit tone, light and albedo; see the module. hair: hair mask of the photo's window; hidden:
    other occluders of the skin. glasses: probability of glasses at each texel. Raises
    CancelledError."""
    shape, camera = placed.shape, placed.camera
    lit = projection.weight * (1.0 - hidden.unlit())
    light = even_light(projection.colour, projection.normal, lit > TRUSTED)
    even = projection.colour / shading(light, projection.normal)
    before = occluded(even, lit, projection.position, hair)
    if parameters.glasses_style != "none":
        frames = glasses_frames(projection.colour, projection.position, glasses)
        before = np.maximum(before, frames)
    lit = lit * (1.0 - before)
    matt = replace(
        projection,
        colour=without_gloss(
            projection.colour, projection.normal, lit, light, -camera.T_world_cam[:3, 2]
        ),
    )
    parameters, textures, light = _tone_and_light(matt, lit, parameters, shape)
    weight = lit * (1.0 - hidden.shadow)
    albedo = matt.colour / shading(light, matt.normal)
    blend = partial(blend_albedo, weight=weight, model=shape.model, blur=projection.blur)
    mask = np.zeros(textures.albedo.shape[:2], np.float32)
    mask[WINDOW] = weight
    wait_for_kernels(progress)
    texture = textures.albedo
    for _ in range(CORRECTIONS):
        texture = blend(albedo, procedural=textures.albedo)
        part = make_skin(parameters, shape, replace(textures, albedo=texture))
        bust = Bust((part,), shape.model.skeleton(shape.joints), placed.expression, _NOWHERE)
        light, left = correct(bust, camera, light, projection, weight, photo)
        albedo = albedo * np.exp(left)
    parameters = infer_details(parameters, texture, mask, shape.model)
    textures = paint_skin(parameters, shape)
    return FittedSkin(parameters, light, blend(albedo, procedural=textures.albedo), mask)


_NOWHERE = np.zeros((478, 3), np.float32)


def _tone_and_light(
    projection: Projection, weight: ndarray, parameters: AvatarParameters, shape: HeadShape
) -> tuple[AvatarParameters, SkinTextures, Light]:
    """Pigments from the colour of the core, the procedural skin with them, and its light."""
    rng = np.random.default_rng(0)
    middle = core_mask(projection.position)
    core = np.flatnonzero(middle & (weight > TRUSTED))
    sides = np.flatnonzero(~middle & (weight > TRUSTED))
    if len(core) < MIN_CORE:
        core = np.flatnonzero(weight >= max(float(np.quantile(weight, 0.98)), 1e-3))
    if len(core) < MIN_CORE:
        core = np.flatnonzero(middle & (projection.weight > TRUSTED))
    if len(core) == 0:
        core = np.flatnonzero(middle)
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


def hair_on_texels(
    regions: Regions, landmarks: Float[ndarray, "478 2"], projection: Projection
) -> Float32[ndarray, "h w"]:
    """Resample the window's hair mask at the position of each texel in the photo."""
    to_window = np.linalg.inv(window_transform(landmarks))
    at = projection.pixels @ to_window[:2, :2].T + to_window[:2, 2]
    hair = regions.hair.astype(np.float32)[..., None]
    return sample_bilinear(hair, at[..., 0] - 0.5, at[..., 1] - 0.5)[..., 0]


def _some(indices: ndarray, count: int, rng: np.random.Generator) -> ndarray:
    return indices if len(indices) <= count else rng.choice(indices, count, replace=False)
